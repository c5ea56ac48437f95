"""The base of every table of `hundredfold.toml`, and the tables that one job alone reads."""

from __future__ import annotations

from msgspec import Struct


class BadValue(ValueError):
    """A value that can't be meant, found when its table is made; `mend` says what can."""

    def __init__(self, what: str, mend: str) -> None:
        super().__init__(what)
        self.mend = mend


class Section(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="kebab"):
    """Base of every table of the file: keys are written with dashes."""


class ReportsSettings(Section, frozen=True):
    """[job.bugs.reports]: where failing runs leave their logs and reports, and how a test is run again."""

    #: logs of failed runs (plain, .gz, .zst): patterns relative to the repository
    logs: tuple[str, ...] = ("ci-logs/**/*.log", "ci-logs/**/*.log.gz")
    #: JUnit XML reports: patterns relative to the repository
    junit: tuple[str, ...] = ("ci-logs/**/*.xml", "**/junit*.xml", "**/TEST-*.xml")
    #: runs one test again, e.g. "python -m pytest -q {test}"; "" = failures are not run again
    test_command: str = ""
    #: how often a failed test is run again, to tell a flaky one from a broken one
    reruns: int = 3
    #: seconds a command may take
    timeout_seconds: float = 600.0
    #: tokens of a log that an agent is shown (bytes / 4)
    excerpt_tokens: int = 5_000
    #: most failures of one run that are looked at; the rest is counted
    most: int = 20


class ResultsSettings(Section, frozen=True):
    """[job.benchmarks.results]: where benchmark results are, and how they are measured."""

    #: files of results: patterns relative to the repository, or "BRANCH:path" for a file on another branch,
    #: e.g. "gh-pages:dev/bench/data.js"
    files: tuple[str, ...] = ()
    #: "auto", or one of github-action-benchmark, pytest-benchmark, hyperfine, asv, criterion, go, jmh,
    #: customSmallerIsBetter, customBiggerIsBetter, custom
    format: str = "auto"
    #: measures once, e.g. "go test -bench . ./..."; runs in a sandboxed checkout; "" = no bisecting
    command: str = ""
    #: the file it writes its results to; "" = it prints them
    output: str = ""
    #: how often a commit is measured
    repeats: int = 5
    #: seconds that one measuring may take
    timeout_seconds: float = 900.0
    #: only steps in this many of a series' newest points are proposed; older ones are only listed
    recent: int = 100
    #: most ranges of commits that are looked at; the newest go first, the rest is counted
    most: int = 5


class DuplicatesSettings(Section, frozen=True):
    """[job.dedupe.duplicates]"""

    #: most open issues of one run, the newest change first
    most: int = 200
    #: most earlier issues that one is compared with
    candidates: int = 5
    #: least score of a candidate, 0 to 1; a score alone never proposes anything
    least_score: float = 0.02
    #: the label that is proposed for a duplicate; "" = none
    label: str = "duplicate"
    #: whether closing may be proposed; else comments only
    close: bool = True


class PullsSettings(Section, frozen=True):
    """[job.review.pulls]: open pull requests, once [forge] names a repository."""

    enabled: bool = True
    #: drafts too
    drafts: bool = False
    #: at most so many are looked at, those that changed last
    most: int = 20

"""What failed, out of the logs and reports that a project's runs left: each failure once, newest first."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from msgspec import Struct

from hundredfold.errors import SourceError
from hundredfold.evidence.logs.excerpt import Excerpt, excerpt
from hundredfold.evidence.logs.failures import Failure, failure, failure_in
from hundredfold.evidence.secrets import redact
from hundredfold.settings import ReportsSettings
from hundredfold.sources.reports.files import lines_of, matching
from hundredfold.sources.reports.junit import FailedCase, failed_cases


class Seen(Struct, frozen=True):
    """A failure where it was seen: `source` is the file below the repository, `excerpt` what it says there,
    numbered and without secrets. `flaky`: its own runner saw it pass when run again."""

    failure: Failure
    source: str
    excerpt: str
    flaky: bool = False


class Unread(Struct, frozen=True):
    """A file that could not be read, and why; or a log in which nothing tells of a failure."""

    source: str
    reason: str


def collect(root: Path, settings: ReportsSettings) -> Iterator[Seen | Unread]:
    """Every failure once, with where it was seen last.

    Raises:
        ConfigError: a pattern leads out of the repository.
    """
    met: set[str] = set()
    reports = [(path, partial(_of_report, root=root)) for path in matching(root, settings.junit)]
    logs = [
        (path, partial(_of_log, tokens=settings.excerpt_tokens)) for path in matching(root, settings.logs)
    ]
    for path, read in (*reports, *logs):
        source = path.relative_to(root.resolve()).as_posix()
        try:
            found = list(read(path, source))
        except SourceError as error:
            yield Unread(source, f"{error} {error.mend}".strip())
            continue
        for one in found:
            if isinstance(one, Unread):
                yield one
            elif one.failure.fingerprint not in met:
                met.add(one.failure.fingerprint)
                yield one


def _of_report(path: Path, source: str, root: Path) -> Iterator[Seen | Unread]:
    for case in failed_cases(path):
        made = failure(_test_id(root, case), case.message, case.path, case.line)
        lines = case.text.split("\n")
        yield Seen(made, source, _shown(excerpt(lambda lines=lines: lines)), case.flaky)  # type: ignore[misc]


def _of_log(path: Path, source: str, tokens: int) -> Iterator[Seen | Unread]:
    made = excerpt(partial(lines_of, path), tokens)
    found = failure_in(made)
    if found is None:
        yield Unread(source, "nothing in it tells of a failure")
    else:
        yield Seen(found, source, _shown(made))


def _shown(made: Excerpt) -> str:
    return redact(made.text())


def _test_id(root: Path, case: FailedCase) -> str:
    """How its runner is told to run it again: `path::Class::name` for pytest, else the names with dots."""
    parts = case.suite.split(".")
    for end in range(len(parts), 0, -1):
        path = case.path if case.path.endswith(".py") else "/".join(parts[:end]) + ".py"
        if path == case.path or (case.suite and (root / path).is_file()):
            module = path.removesuffix(".py").replace("/", ".")
            inner = case.suite.removeprefix(module).strip(".").split(".")
            return "::".join(filter(None, (path, *inner, case.name)))
    return ".".join(filter(None, (case.suite, case.name)))

"""What `init` writes for what the repository holds: pieces of hundredfold.toml, ready to use, commented out.

In a piece a line that begins with `#` and no blank after it is configuration, one with a blank is prose: the
file is put to use by taking signs away, and a test takes all of them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hundredfold.errors import RepositoryError

if TYPE_CHECKING:
    from hundredfold.sources.git import Repository

PAGES = ("gh-pages", "origin/gh-pages")  # where github-action-benchmark keeps its results
MAX_BYTES = 1_000_000  # of a file that is looked into
MOST_RESULTS = 4
_REMOTE = re.compile(
    r"(?:[a-z+]+://)?(?:[^@/\s]*@)?(?P<host>[\w.-]+)(?::\d+)?[:/]/?"
    r"(?P<repository>[A-Za-z0-9][\w.-]*/[\w.-]+?)(?:\.git)?/?"
)
_RESULTS = re.compile(r"(?:^|/)(?:\.benchmarks/.+|benchmark[\w-]*|bench[_-]?results?)\.json$", re.IGNORECASE)


def pieces(root: Path, repository: Repository) -> str:
    """All pieces for the repository, each commented out."""
    try:
        files = repository.files("HEAD")
    except RepositoryError:  # the branch that is checked out has no commit yet
        files = []
    forge = _forge(repository.remote_url())
    parts = [
        _bugs(test_command(root, files)),
        _benchmarks(results(repository, files), benchmark_command(root, files)),
        _dedupe(known=bool(forge)),
        forge or _forge("https://github.com/owner/name"),
        _NOTICES,
        _WORTH,
    ]
    return "\n".join(filter(None, parts))


def test_command(root: Path, files: Sequence[str]) -> str:
    """What runs one test of the project again, `{test}` being its name; "" if nothing says how."""
    if "pytest" in _text(root / "pyproject.toml") or any(map(_is_pytest, files)):
        return "python -m pytest -q {test}"
    if (root / "Cargo.toml").exists():
        return "cargo test {test}"
    if (root / "go.mod").exists():
        return "go test ./... -run {test}"
    script = _test_script(root / "package.json")
    for runner, one in (
        ("vitest", "npx vitest run -t {test}"),
        ("jest", "npx jest -t {test}"),
        ("mocha", "npx mocha -g {test}"),
    ):
        if runner in script:
            return one
    return "npm test -- {test}" if script else ""


def benchmark_command(root: Path, files: Sequence[str]) -> tuple[str, str]:
    """(what measures the project once, the file it writes to or "" if it prints); both "" if nothing says
    how."""
    if "pytest-benchmark" in _text(root / "pyproject.toml"):
        written = "benchmark.json"
        return f"python -m pytest -q --benchmark-only --benchmark-json={written}", written
    if (root / "Cargo.toml").exists() and any(re.match(r"benches/.+\.rs$", one) for one in files):
        return "cargo bench -- --output-format bencher", ""
    if (root / "go.mod").exists() and any(re.search(r"bench\w*_test\.go$", one) for one in files):
        return "go test -run '^$' -bench . ./...", ""
    return "", ""


def results(repository: Repository, files: Sequence[str]) -> list[str]:
    """Files of results, as `[job.benchmarks.results] files` names them: those of github-action-benchmark on
    its branch first."""
    found = [f"{branch}:{path}" for branch, path in _published(repository)]
    found += [one for one in files if one.endswith("data.js") and _is_data(repository, "HEAD", one)]
    found += [one for one in files if _RESULTS.search(one)]
    return found[:MOST_RESULTS]


def owner_and_name(remote: str) -> tuple[str, str]:
    """(host, owner/name) of a remote's URL in any of git's forms; ("", "") where it has no such form.
    Credentials in it are left out."""
    found = _REMOTE.fullmatch(remote.strip())
    return (found["host"].lower(), found["repository"]) if found else ("", "")


def quoted(value: str) -> str:
    """A text as TOML writes it, whatever is in it."""
    clean = value.encode("utf-8", "replace").decode().replace("\x7f", "?")
    return json.dumps(clean, ensure_ascii=False)


def _bugs(command: str) -> str:
    lines = [
        "# Failing runs: what failed, flaky or real, and a report that reproduces.",
        "#[job.bugs]",
        "#[job.bugs.reports]",
        '#logs = ["ci-logs/**/*.log"]  # besides those of failed workflow runs on GitHub',
    ]
    if command:
        lines += [
            "# Runs a failed test again; guessed, so try it.",
            f"#test-command = {quoted(command)}",
        ]
    return _lines(lines)


def _benchmarks(files: Sequence[str], command: tuple[str, str]) -> str:
    run, output = command
    if not files and not run:
        return ""
    lines = [
        "# Steps in benchmark results, the commit that made each, and why.",
        "#[job.benchmarks]",
        "#[job.benchmarks.results]",
    ]
    named = ", ".join(map(quoted, files or filter(None, [output])))
    if named:
        lines.append(f"#files = [{named}]")
    if run:
        lines += [
            "# Measures once, to bisect; guessed, so try it.",
            f"#command = {quoted(run)}",
        ]
    if output:
        lines.append(f"#output = {quoted(output)}")
    return _lines(lines)


def _dedupe(*, known: bool) -> str:
    lines = ["# Open issues that say what an earlier one said.", "#[job.dedupe]"]
    if not known:
        lines.append('#source = "issues.jsonl"  # an export of issues; without it the forge\'s below')
    return _lines(lines)


def _forge(remote: str) -> str:
    """ "" where the remote is on no GitHub."""
    host, repository = owner_and_name(remote)
    if not repository or "github" not in host:
        return ""
    lines = [
        "# Where approved proposals go. Without it they become files on this machine.",
        "#[forge]",
        '#kind = "github"',
        f"#repository = {quoted(repository)}",
        '#token-env = "GITHUB_TOKEN"  # the variable that holds the token, never the token itself',
    ]
    if host not in ("github.com", "ssh.github.com"):
        lines.append(f"#base-url = {quoted(f'https://{host}/api/v3')}")
    return _lines(lines)


_NOTICES = """\
# A channel that is told how runs go.
#[notices.discord]
#webhook-env = "DISCORD_WEBHOOK"  # the variable that holds the webhook's URL
"""
_WORTH = """\
# What only you can know; `hundredfold worth` marks as assumed what is not set.
#[worth]
#reviewer-hour = "$150"
#people = 1
#review-hours = 6.0     # of a working day
"""


def _lines(lines: Iterable[str]) -> str:
    return "".join(f"{one}\n" for one in lines)


def _is_pytest(path: str) -> bool:
    return re.search(r"(?:^|/)(?:test_\w+|\w+_test|conftest)\.py$|^pytest\.ini$", path) is not None


def _published(repository: Repository) -> Iterator[tuple[str, str]]:
    for branch in PAGES:
        try:
            found = [one for one in repository.files(branch) if one.endswith("data.js")]
        except RepositoryError:
            continue
        yield from ((branch, one) for one in found if _is_data(repository, branch, one))
        return


def _is_data(repository: Repository, revision: str, path: str) -> bool:
    try:
        return repository.file(revision, path).lstrip().startswith(b"window.BENCHMARK_DATA")
    except RepositoryError:
        return False


def _text(path: Path) -> str:
    try:
        return path.read_bytes()[:MAX_BYTES].decode("utf-8", "replace") if path.is_file() else ""
    except OSError:
        return ""


def _test_script(path: Path) -> str:
    """What package.json runs as its tests; "" if it is not there or says nothing of them."""
    try:
        scripts = json.loads(_text(path) or "{}")["scripts"]
        return str(scripts["test"])
    except (ValueError, RecursionError, LookupError, TypeError):
        return ""

"""A failure as it was seen in one log or report, whatever that came from."""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct

from hundredfold.evidence.logs.excerpt import Excerpt, Lines, excerpt
from hundredfold.evidence.logs.failures import Failure, failure, failure_in
from hundredfold.evidence.secrets import redact
from hundredfold.sources.reports.junit import FailedCase


class Seen(Struct, frozen=True):
    """A failure where it was seen: `source` names the file or run, `excerpt` what it says there, numbered and
    without secrets. `flaky`: its own runner saw it pass when run again. `revision`: the commit that was run,
    "" if nobody says.
    """

    failure: Failure
    source: str
    excerpt: str
    flaky: bool = False
    revision: str = ""


class Unread(Struct, frozen=True):
    """What could not be read, and why; or a log in which nothing tells of a failure."""

    source: str
    reason: str


def in_log(lines: Lines, source: str, tokens: int, revision: str = "") -> Seen | Unread:
    """The failure that a log tells of.

    Raises:
        SourceError: the log can't be read.
    """
    made = excerpt(lines, tokens)
    found = failure_in(made)
    if found is None:
        return Unread(source, "nothing in it tells of a failure")
    return Seen(found, source, _shown(made), revision=revision)


def in_report(case: FailedCase, root: Path, source: str, revision: str = "") -> Seen:
    """The failure that a report tells of; `root` is the repository, in which its test is looked for."""
    made = failure(_test_id(root, case), case.message, case.path, case.line)
    return Seen(made, source, _shown(excerpt(lambda: case.text.split("\n"))), case.flaky, revision)


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

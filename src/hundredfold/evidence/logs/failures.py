"""What failed, out of a log: the test, the message, the place, and a fingerprint that two runs of it share.

The fingerprint holds the test's name and the message without what differs from run to run: numbers, hashes,
temporary paths, the folders before a file's name. It holds no line numbers, so it survives edits elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from msgspec import Struct

from hundredfold.evidence.logs.cleaning import template
from hundredfold.evidence.logs.excerpt import Excerpt
from hundredfold.evidence.logs.marks import Mark, mark_of
from hundredfold.vocabulary import digest

MAX_NAME = 300  # characters of a test's name
MAX_MESSAGE = 500

#: how tools name a failed test; the first group is the name
_NAMED = tuple(
    re.compile(pattern)
    for pattern in (
        r"^(?:FAILED|ERROR) (\S+::.+?)(?: - .*)?$",  # pytest's summary
        r"^_{3,} (?:ERROR collecting |ERROR at \w+ of )?(\S.{0,280}?) _{3,}$",  # pytest's sections
        r"^\s*--- FAIL: (\S+)",  # go
        r"^\s*test (\S+) (?:- .{0,80} )?\.\.\. FAILED$",  # cargo test
        r"^\s*(?:FAIL|TIMEOUT|SIGABRT|SIGSEGV) \[\s*[\d.]+s\] (?:\(\s*\d+/\d+\) )?(\S+ .+)$",  # cargo nextest
        r"^(?:FAIL|ERROR): (\S+ \([\w.]+\))",  # unittest
        r"^\s*● (\S.* › .*)$",  # jest
        r"^\s*(?:✗|✕|✘|×|❌) (\S.*?)(?: output:?| \(\d+ ?m?s\)| \d+ms)?$",  # vitest, mocha, ava, playwright
        r"^(?:not ok) \d+ -? ?(.+)$",  # TAP
        r"^rspec (\./\S+)",
        r"^\[\s*FAILED\s*\] (\S+)",  # googletest
        r"^\[ERROR\]\s+(\S+?)(?::\d+)? (?:»|expected|Expected)",  # maven surefire
        r"^(\S+ > \S.*) FAILED$",  # gradle
        r"^\s*FAIL {1,4}(\S+)",  # jest's files, go's packages
    )
)
#: which families say what happened, the most telling first
_TELLING = (
    ("exception", "compile"),
    ("assertion",),
    ("summary",),
    ("end",),
    ("section", "failed-test", "word"),
)
_PLACE = re.compile(
    r"(?P<path>(?:[\w@.+-]{1,80}/){0,20}[\w@.+-]{1,80}\.(?:py|pyx|js|jsx|mjs|cjs|ts|tsx|go|rs|java|kt|scala|rb|php|c|cc|cpp|cxx|h|hpp|cs|"
    r"swift|ex|exs|lua|sh|sql|vue|svelte))(?:\", line |:|\()(?P<line>\d{1,6})"
)
_FOREIGN = re.compile(
    r"site-packages|dist-packages|node_modules|/rustc/|/usr/|/opt/|\.cargo/registry|node:internal|/lib/python|"
    r"vendor/|hostedtoolcache|\bstd/src|\bcore/src|go/pkg/mod"
)
#: where runners put a checkout: "home/runner/work/NAME/NAME/"
_WORKSPACE = re.compile(
    r"^(?:home/)?(?:runner/)?work/([^/]+/[^/]+/)?(?=[^/]+)|^builds/[^/]+/[^/]+/|^app/(?=src/)"
)
_VOLATILE = re.compile(
    r"(?:/(?:tmp|var|home|Users|private|root|github|runner|work|build)(?:/[^\s/:'\")]+)*/)|[A-Z]:\\(?:[^\s\\]+\\)*|"
    r"\[[^\]]{0,80}\]$"
)


class Failure(Struct, frozen=True):
    """One failure. `path` and `line` (1-based) are where the project's own code is named; "" and 0: nowhere.

    `message` is the most telling line, `test` the failed test's name or "".
    """

    fingerprint: str
    title: str
    test: str
    message: str
    path: str = ""
    line: int = 0


def failure(test: str, message: str, path: str = "", line: int = 0) -> Failure:
    """A failure by its parts, cut to what is shown; its title and fingerprint are made here."""
    test, message = _one_line(test)[:MAX_NAME], _one_line(message)[:MAX_MESSAGE]
    title = f"{test}: {message}" if test and message else test or message or "failed without a message"
    return Failure(_fingerprint(test, message), title[:200], test, message, path, line)


def failure_in(excerpt: Excerpt) -> Failure | None:
    """The failure that a log's excerpt tells of; None if none of its lines tells of any."""
    marked = list(_marked(excerpt))
    if not any(mark.weight >= 5 for mark, _ in marked):
        return None
    at, test = next(
        (
            (at, name)
            for at, (mark, line) in enumerate(marked)
            if mark.family == "failed-test" and (name := _name_in(line))
        ),
        (0, ""),
    )
    around = [*marked[at:], *marked[:at]]  # what follows the test's name first
    message = next(
        (
            line.strip()
            for families in _TELLING
            for mark, line in around
            if mark.family in families and (mark.family != "exception" or not _name_in(line))
        ),
        "",
    )
    path, line = next(filter(None, (_place_in(text) for _, text in around)), ("", 0))
    return failure(test, re.sub(r"^E\s{2,}", "", message), path, line)


def _fingerprint(test: str, message: str) -> str:
    stable = template(_VOLATILE.sub("", message))
    return digest("failure/1", test, stable)


def _marked(excerpt: Excerpt) -> Iterator[tuple[Mark, str]]:
    for piece in excerpt.pieces:
        for line in piece.lines:
            mark = mark_of(line)
            if mark is not None:
                yield mark, line


def _name_in(line: str) -> str:
    for pattern in _NAMED:
        if found := pattern.match(line):
            return found[1].strip()
    return ""


def _place_in(line: str) -> tuple[str, int] | None:
    """The first place in a line that is the project's own."""
    for found in _PLACE.finditer(line):
        before = line[max(0, found.start() - 80) : found.end()]
        if not _FOREIGN.search(before):
            return _WORKSPACE.sub("", found["path"].removeprefix("./")), int(found["line"])
    return None


def _one_line(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())

"""JUnit XML, as most test runners write it: its failed tests.

The format has no standard of its own; what is read is what the runners share: `<testsuite>` in any depth,
`<testcase classname name file line>` with `<failure>` or `<error>` (`message`, `type`, text). Surefire's
`<rerunFailure>` and `<flakyFailure>` (a failure that passed when run again) are read too.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

from msgspec import Struct

from hundredfold.errors import SourceError
from hundredfold.sources.reports.files import content_of

MAX_BYTES = 200 * 10**6
MAX_CASES = 10_000  # failed ones of one report
_BAD = ("failure", "error")
_FLAKY = ("flakyFailure", "flakyError")


class FailedCase(Struct, frozen=True):
    """A failed test. `line` is 1-based or 0; `text` is what the runner printed; `flaky`: it passed later."""

    suite: str
    name: str
    path: str
    line: int
    message: str
    text: str
    flaky: bool


def failed_cases(path: Path) -> list[FailedCase]:
    """The failed tests of a report file, in its order.

    Raises:
        SourceError: it can't be read or is not JUnit XML; names the file and the line.
    """
    return failed_cases_in(content_of(path, MAX_BYTES), str(path))


def failed_cases_in(content: bytes, name: str) -> list[FailedCase]:
    """The failed tests of a report, in its order; `name` is what errors call it.

    Raises:
        SourceError: it is not JUnit XML; names it and the line.
    """
    if b"<!DOCTYPE" in content or b"<!ENTITY" in content or b"\0" in content[:4]:
        raise SourceError(
            f"{name} declares a document type or is not UTF-8", "JUnit reports need neither; write it anew."
        )
    try:
        root = ElementTree.fromstring(content)  # noqa: S314 - no document type, so no entities
    except ElementTree.ParseError as error:
        raise SourceError(f"{name} is not XML: {error}", "Write the report anew.") from error
    if root.tag not in ("testsuites", "testsuite"):
        raise SourceError(
            f"{name} is not JUnit XML: its root is <{root.tag[:40]}>",
            "Have the test runner write JUnit XML, e.g. pytest --junitxml=FILE.",
        )
    return list(_failed(root))[:MAX_CASES]


def _failed(root: ElementTree.Element) -> Iterator[FailedCase]:
    for case in root.iter("testcase"):
        for tag in (*_BAD, *_FLAKY):
            found = case.find(tag)
            if found is None:
                continue
            text = found.text or ""
            message = found.get("message") or next(iter(text.strip().split("\n")), "")
            yield FailedCase(
                suite=case.get("classname", ""),
                name=case.get("name", ""),
                path=case.get("file", ""),
                line=int(line) if (line := case.get("line", "")).isdecimal() and len(line) < 8 else 0,
                message=f"{found.get('type')}: {message}" if found.get("type") else message,
                text=text,
                flaky=tag in _FLAKY,
            )
            break

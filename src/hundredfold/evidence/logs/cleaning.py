"""Lines of a log as a person would have read them: no timestamps, no colours, no overwritten progress."""

from __future__ import annotations

import re

MAX_LINE = 4_000  # characters of a line that are looked at; what is beyond is data, not a message

#: ECMA-48 control sequences (colours, cursor moves), operating system commands (titles, links), two-character
#: escapes; the escape character may have been written as "^[" by a runner that makes it visible
_ESCAPES = re.compile(
    r"(?:\x1b|\^\[)(?:\[[0-?]{0,40}[ -/]{0,4}[@-~]|\][^\x07\x1b]{0,400}(?:\x07|\x1b\\)?|[@-Z\\^_])"
)
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
#: what runners put before each line: GitHub's job and step of `gh run view --log`, ISO times
_STAMP = re.compile(
    r"^\ufeff?(?:[^\t\n]{1,120}\t[^\t\n]{1,120}\t\ufeff?)?"
    r"\[?\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?"
    r"(?:Z|[+-]\d\d:?\d\d)?\]?:? ?"
)


def cleaned(line: str) -> str:
    """One line (without its end) without stamp, escapes and control characters; cut at `MAX_LINE`."""
    line = line[:MAX_LINE]
    if line[:1] in "\ufeff[0123456789" or "\t" in line:
        line = _STAMP.sub("", line, count=1)
    if "\r" in line:
        line = line.rstrip("\r").rpartition("\r")[2]
    if "\x1b" in line or "^[" in line:
        line = _ESCAPES.sub("", line)
    return line.rstrip() if line.isprintable() else _CONTROLS.sub("", line).rstrip()


_NUMBERS = re.compile(r"0x[0-9a-fA-F]+|\b[0-9a-f]{7,64}\b|\d+")


def template(line: str) -> str:
    """A cleaned line with its numbers and hashes replaced, so that repetitions of one message are alike."""
    return _NUMBERS.sub("#", line)

"""Whether a quote really stands in a file at the lines it names.

What is forgiven: the kind of line end, blanks at the ends of a line, and how many blanks (or tabs) stand
between two words. Nothing else: no case, no ellipsis, no line left out. Bytes that are not UTF-8 are compared
as U+FFFD, which is what an agent was shown.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

MAX_QUOTED_LINES = 120
LEAST_CHARACTERS = 4  # of a quote that is only a part of its lines, blanks not counted

Mismatch = Literal[
    "lines are not in the file",
    "too many lines quoted",
    "quote is empty",
    "quote is not at these lines",
]


class Quoted(Struct, frozen=True):
    """A quote that checked out: the whole lines it covers, 1-based and inclusive, and their verbatim text."""

    start_line: int
    end_line: int
    text: str


def file_lines(content: bytes) -> list[str]:
    """The lines of a file as text, without their ends. LF and CRLF end a line; a last LF begins none."""
    text = content.decode("utf-8", "replace").replace("\r\n", "\n")
    lines = text.split("\n")
    return lines[:-1] if lines[-1] == "" else lines


def verify(content: bytes, start_line: int, end_line: int, quote: str) -> Quoted | Mismatch:
    """Check that `quote` stands in lines `start_line` to `end_line` (1-based, inclusive) of a file.

    The quote may begin and end within a line. The answer covers just the lines that the quote touches.
    """
    lines = file_lines(content)
    if not 1 <= start_line <= end_line <= len(lines):
        return "lines are not in the file"
    if end_line - start_line >= MAX_QUOTED_LINES:
        return "too many lines quoted"
    wanted = [normalised(line) for line in quote.replace("\r\n", "\n").strip("\n").split("\n")]
    while wanted and not wanted[0]:
        wanted.pop(0)
    while wanted and not wanted[-1]:
        wanted.pop()
    if not wanted:
        return "quote is empty"
    there = [normalised(line) for line in lines[start_line - 1 : end_line]]
    for at in range(len(there) - len(wanted) + 1):
        if _stands(wanted, there[at : at + len(wanted)]):
            first = start_line + at
            last = first + len(wanted) - 1
            return Quoted(first, last, "\n".join(lines[first - 1 : last]))
    return "quote is not at these lines"


def normalised(line: str) -> str:
    """A line as it is compared: runs of blanks as one, none at its ends."""
    return " ".join(line.split())


def _stands(wanted: list[str], there: list[str]) -> bool:
    """Whether the wanted lines are these, the first possibly a line's end and the last a line's beginning."""
    if wanted == there:
        return True
    if sum(len(line.replace(" ", "")) for line in wanted) < LEAST_CHARACTERS:
        return False
    if len(wanted) == 1:
        return wanted[0] in there[0]
    return there[0].endswith(wanted[0]) and there[-1].startswith(wanted[-1]) and wanted[1:-1] == there[1:-1]

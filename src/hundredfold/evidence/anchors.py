"""Where a comment on a change can stand: on lines inside a hunk, else on the file, else nowhere.

Forges take a comment on a line only if the line is in the diff, and only on the side it is on: removed lines
on the old side, added ones and those around them on the new one.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from msgspec import Struct

from hundredfold.evidence.diffs import FileDiff, Hunk

Side = Literal["old", "new"]


class Anchor(Struct, frozen=True):
    """A place in a diff. Lines are 1-based, inclusive, inside one hunk, numbered on `side`; both are 0 if the
    comment stands on the file. `path` is where the file is now, or was if it is deleted."""

    path: str
    side: Side
    start_line: int = 0
    end_line: int = 0

    @property
    def on_file(self) -> bool:
        """Whether it names no lines."""
        return self.start_line == 0


def anchor(files: Iterable[FileDiff], path: str, side: Side, start_line: int, end_line: int) -> Anchor | None:
    """The place for a comment on these lines of `path` (the old or the new one); None if the diff has no such
    file.

    Of lines that are only partly in a hunk, those that are count. Lines of the old side that are still there
    are named by their new numbers. What is in no hunk is put on the file.
    """
    known = list(files)
    file = next((one for one in known if one.path == path), None)
    file = file or next((one for one in known if one.old_path == path), None)
    if file is None:
        return None
    for hunk in file.hunks:
        lines = _lines(hunk, side, start_line, end_line)
        if lines:
            return Anchor(file.path, *_best(lines, side))
    return Anchor(file.path, "old" if file.new_path is None else "new")


def _lines(hunk: Hunk, side: Side, start: int, end: int) -> list[tuple[int, int, bool]]:
    """The (old number, new number, whether still or newly there) of the hunk's lines that are asked for."""
    found = []
    for old, new, line in hunk.numbered():
        sign = line[:1]
        if sign == (b"+" if side == "old" else b"-"):
            continue
        if start <= (old if side == "old" else new) <= end:
            found.append((old, new, sign != b"-"))
    return found


def _best(lines: list[tuple[int, int, bool]], side: Side) -> tuple[Side, int, int]:
    """The side and the lines. Of the old side, removed lines if there are any: the others are context."""
    if side == "new":
        return "new", lines[0][1], lines[-1][1]
    removed = [old for old, _, there in lines if not there]
    if removed:
        return "old", removed[0], removed[-1]
    return "new", lines[0][1], lines[-1][1]

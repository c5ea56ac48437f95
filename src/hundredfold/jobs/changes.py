"""What a change touched, as jobs see it: parts of code (functions or regions), and why files are left out.

For the jobs here and for third parties'. `sorted_out` goes through the files of a diff, `parts_of` takes one
of them apart.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from msgspec import Struct

from hundredfold.evidence.kinds import Kind, kind_of
from hundredfold.evidence.quotes import file_lines
from hundredfold.vocabulary import Coverage, CoverageState, digest

if TYPE_CHECKING:
    from hundredfold.evidence.diffs import FileDiff

UNSEEN_KINDS: Mapping[Kind, str] = {
    "lock": "a lock file: its content is generated",
    "generated": "generated code",
    "vendored": "vendored code: it is not this project's",
    "binary": "a binary file",
    "data": "a data file, not code",
}
REMOVED = "the file was removed: nothing of it is left"


class Part(Struct, frozen=True):
    """A changed function or region as it is after the change.

    `first_line` is the 1-based number of `lines[0]`; `changed` are the numbers of the lines that were
    written. `removed` is what was taken out, see `removed_lines`.
    """

    path: str
    name: str
    is_test: bool
    first_line: int
    lines: tuple[str, ...]
    changed: frozenset[int]
    removed: tuple[tuple[int, int, str], ...] = ()

    @property
    def last_line(self) -> int:
        """The 1-based number of the last line."""
        return self.first_line + len(self.lines) - 1

    @property
    def content(self) -> str:
        """A digest of its code and of what changed in it, wherever in the file it stands."""
        written = ",".join(str(number - self.first_line) for number in sorted(self.changed))
        gone = [f"{number - self.first_line}:{text}" for _, number, text in self.removed]
        return digest("part", self.path, self.name, written, "\n".join(gone), "\n".join(self.lines))


def sorted_out(
    files: Sequence[FileDiff],
    exclude: Sequence[str],
    most: int,
    what: str,
    docs: tuple[CoverageState, str],
) -> Iterator[tuple[FileDiff, Coverage | None]]:
    """Each file with why it is not to be taken apart; None if it is.

    Files beyond the first `most` of the change (a `what`: commit, review) are not looked at. `docs` is how
    the job calls documentation: what it knows of it, and why.
    """
    for at, file in enumerate(files):
        if at < most:
            yield file, _left_out(file, exclude, docs)
        else:
            reason = f"beyond the bound of {most} files a {what}"
            yield file, Coverage(file.path, "", "not_looked_at", reason)


def parts_of(file: FileDiff, old: bytes | None, new: bytes, *, after: bool = False) -> list[Part]:
    """The parts of a file that the change touched, as they are in `new`, in order of lines.

    `after`: what was taken out right below a part counts as taken out of it, too.
    """
    from hundredfold.evidence.units import changed_units

    lines, gone = file_lines(new), removed_lines(file)
    is_test = kind_of(file.path) == "test"
    parts = []
    for unit in changed_units(file.path, old, new, file):
        start, end = max(1, unit.start_line), min(unit.end_line, len(lines))
        below = end + (after or end == len(lines))  # after the last line of the file nothing else stands
        parts.append(
            Part(
                path=file.path,
                name=unit.name,
                is_test=is_test,
                first_line=start,
                lines=tuple(lines[start - 1 : end]),
                changed=frozenset(n for n in unit.changed_lines if start <= n <= end),
                removed=tuple(one for one in gone if start <= one[1] <= below),
            )
        )
    return parts


def removed_lines(file: FileDiff) -> list[tuple[int, int, str]]:
    """(number before, number of the line that now stands there, text) of each line taken out."""
    return [
        (before, now, line[1:].decode("utf-8", "replace").rstrip("\r\n"))
        for hunk in file.hunks
        for before, now, line in hunk.numbered()
        if line[:1] == b"-"
    ]


def _left_out(file: FileDiff, exclude: Sequence[str], docs: tuple[CoverageState, str]) -> Coverage | None:
    path, kind = file.path, kind_of(file.path)
    state: CoverageState = "not_looked_at"
    pattern = next((glob for glob in exclude if fnmatchcase(path, glob)), None)
    if pattern is not None:
        reason = f"excluded by the configuration: {pattern}"
    elif file.submodule:
        reason = "a submodule: its commits are another repository's"
    elif kind == "docs":
        state, reason = docs
    elif kind in UNSEEN_KINDS:
        reason = UNSEEN_KINDS[kind]
    elif file.too_large:
        reason = "the change of this file is too large to read"
    elif file.binary:
        reason = UNSEEN_KINDS["binary"]
    elif not file.hunks:
        state = "screened"
        reason = REMOVED if file.new_path is None else f"{file.status}: no line of it was changed"
    else:
        return None
    return Coverage(path, "", state, reason)

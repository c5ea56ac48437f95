"""What a head changes against its base: files, parts of code (functions or regions), and what is left out.

The one module of this job that reads the repository's diffs and units.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from msgspec import Struct

from hundredfold.errors import RepositoryError
from hundredfold.evidence.kinds import kind_of
from hundredfold.evidence.quotes import file_lines
from hundredfold.vocabulary import Coverage, digest

if TYPE_CHECKING:
    from hundredfold.evidence.diffs import FileDiff
    from hundredfold.sources.git import Repository

MAX_FILES = 2_000  # of one head; further ones are reported as not looked at
UNSEEN_KINDS = {
    "lock": "a lock file: its content is generated",
    "generated": "generated code",
    "vendored": "vendored code: it is not this project's",
    "binary": "a binary file",
    "data": "a data file, not code",
    "docs": "documentation: this job reviews code",
}


class Part(Struct, frozen=True):
    """A changed function or region as it is at the head.

    `first_line` is the 1-based number of `lines[0]`; `changed` are the numbers of the lines that were
    written. `removed` is what was taken out: its number before, the number of the line that now stands there,
    its text.
    """

    path: str
    name: str
    is_test: bool
    first_line: int
    lines: tuple[str, ...]
    changed: frozenset[int]
    removed: tuple[tuple[int, int, str], ...]

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


class Change(Struct, frozen=True):
    """All that a head changes. `coverage` speaks of what is in no part."""

    files: tuple[FileDiff, ...]
    parts: tuple[Part, ...]
    coverage: tuple[Coverage, ...]


def read_change(repository: Repository, base: str, head: str, exclude: tuple[str, ...]) -> Change:
    """Read what `head` changes against `base`.

    Raises:
        RepositoryError: one of them is not in the repository.
    """
    diff = repository.between(base, head)
    parts: list[Part] = []
    coverage = [Coverage("", "", "not_looked_at", reason) for reason in diff.unseen]
    for at, file in enumerate(diff.files):
        if at >= MAX_FILES:
            coverage.append(
                Coverage(file.path, "", "not_looked_at", f"beyond the bound of {MAX_FILES} files a review")
            )
            continue
        left_out = _left_out(file, exclude)
        if left_out is not None:
            coverage.append(left_out)
            continue
        try:
            parts += _parts(repository, base, head, file)
        except RepositoryError as error:
            coverage.append(Coverage(file.path, "", "not_looked_at", f"can't be read: {error}"))
    return Change(diff.files, tuple(parts), tuple(coverage))


def _parts(repository: Repository, base: str, head: str, file: FileDiff) -> list[Part]:
    from hundredfold.evidence.units import changed_units

    new = repository.file(head, file.path)
    old = repository.file(base, file.old_path) if file.old_path else None
    lines = file_lines(new)
    gone = [
        (before, now, line[1:].decode("utf-8", "replace").rstrip("\r\n"))
        for hunk in file.hunks
        for before, now, line in hunk.numbered()
        if line[:1] == b"-"
    ]
    made = []
    for unit in changed_units(file.path, old, new, file):
        start, end = max(1, unit.start_line), min(unit.end_line, len(lines))
        made.append(
            Part(
                path=file.path,
                name=unit.name,
                is_test=kind_of(file.path) == "test",
                first_line=start,
                lines=tuple(lines[start - 1 : end]),
                changed=frozenset(n for n in unit.changed_lines if start <= n <= end),
                removed=tuple(one for one in gone if start <= one[1] <= end + (end == len(lines))),
            )
        )
    return made


def _left_out(file: FileDiff, exclude: tuple[str, ...]) -> Coverage | None:
    """Why a file is not taken apart; None if it is."""
    path = file.path
    kind = kind_of(path)
    pattern = next((glob for glob in exclude if fnmatchcase(path, glob)), None)
    if pattern is not None:
        return Coverage(path, "", "not_looked_at", f"excluded by the configuration: {pattern}")
    if file.submodule:
        return Coverage(path, "", "not_looked_at", "a submodule: its commits are another repository's")
    if kind in UNSEEN_KINDS:
        return Coverage(path, "", "not_looked_at", UNSEEN_KINDS[kind])
    if file.too_large or file.binary:
        reason = "the change of this file is too large to read" if file.too_large else UNSEEN_KINDS["binary"]
        return Coverage(path, "", "not_looked_at", reason)
    if file.new_path is None:
        return Coverage(path, "", "screened", "the file was removed: nothing of it is left")
    if not file.hunks:
        return Coverage(path, "", "screened", f"{file.status}: no line of it was changed")
    return None

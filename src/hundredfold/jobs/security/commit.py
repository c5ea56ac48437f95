"""What a commit changed, as the security job sees it: units of code, and what is left out and why.

The one module of this job that reads the repository's diffs and units.
"""

from __future__ import annotations

from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from msgspec import Struct

from hundredfold.errors import RepositoryError
from hundredfold.evidence.kinds import kind_of
from hundredfold.evidence.matchers import language_of
from hundredfold.evidence.quotes import file_lines
from hundredfold.vocabulary import Coverage

if TYPE_CHECKING:
    from hundredfold.evidence.diffs import FileDiff
    from hundredfold.sources.git import Repository

MAX_FILES = 5_000  # of one commit; further ones are reported as not looked at
UNSEEN_KINDS = {
    "lock": "a lock file: its content is generated",
    "generated": "generated code",
    "vendored": "vendored code: it is not this project's",
    "binary": "a binary file",
    "data": "a data file, not code",
}
HARMLESS_KINDS = {"docs": "documentation: no code in it"}

Screen = Callable[[str, bool, list[str]], str]
"""(path, whether a test, its lines and those taken out of it) → why no unit of it can matter, or ""."""


class ChangedUnit(Struct, frozen=True):
    """A function (or region) that the commit touched, as it is afterwards.

    `first_line` is the 1-based number of `lines[0]` in the file; `changed` are the numbers of the lines that
    the commit wrote; `removed` is what it took out, by the number of the line that now stands there.
    """

    path: str
    name: str
    language: str
    is_test: bool
    first_line: int
    lines: tuple[str, ...]
    changed: frozenset[int]
    removed: tuple[tuple[int, str], ...] = ()

    @property
    def last_line(self) -> int:
        """The 1-based number of the last line."""
        return self.first_line + len(self.lines) - 1


class RemovedText(Struct, frozen=True):
    """Lines that the commit took out of a file: (1-based number before, text)."""

    path: str
    lines: tuple[tuple[int, str], ...]


class Change(Struct, frozen=True):
    """All that a commit changed. `coverage` speaks of what is not among the units; `files` counts paths.

    `contents` are the files that units were taken from, as they are after the commit.
    """

    files: int
    units: tuple[ChangedUnit, ...]
    removed: tuple[RemovedText, ...]
    coverage: tuple[Coverage, ...]
    docs_only: bool
    contents: dict[str, bytes]
    parent: str


def read_change(repository: Repository, sha: str, exclude: tuple[str, ...], screen: Screen) -> Change:
    """Read what the commit `sha` changed; of a merge, only what the merge itself changed.

    A file that `screen` gives a reason for is left whole: taking a large commit apart for nothing is slow.

    Raises:
        RepositoryError: the commit or what it is compared with is not in the repository.
    """
    from hundredfold.evidence.units import changed_units

    diff = repository.diff(sha)
    parent = diff.parent or ""
    units: list[ChangedUnit] = []
    removed: list[RemovedText] = []
    coverage: list[Coverage] = [Coverage("", "", "not_looked_at", reason) for reason in diff.unseen]
    contents: dict[str, bytes] = {}
    kinds: set[str] = set()
    for at, file in enumerate(diff.files):
        path = file.new_path or file.old_path or ""
        if at >= MAX_FILES:
            coverage.append(
                Coverage(path, "", "not_looked_at", f"beyond the bound of {MAX_FILES} files a commit")
            )
            kinds.add("code")
            continue
        kind = kind_of(path)
        kinds.add(kind)
        reason = _left_out(path, file, kind, exclude)
        if reason is not None:
            coverage.append(reason)
            continue
        try:
            new = repository.file(sha, path) if file.status != "deleted" else None
        except RepositoryError as error:
            coverage.append(Coverage(path, "", "not_looked_at", f"can't be read: {error}"))
            continue
        taken_out = _removed_lines(file)
        if taken_out:
            removed.append(
                RemovedText(file.old_path or path, tuple((old_n, text) for old_n, _, text in taken_out))
            )
        if new is None:
            coverage.append(Coverage(path, "", "screened", "the file was removed: nothing of it is left"))
            continue
        lines = file_lines(new)
        harmless = screen(path, kind == "test", [*lines, *(text for _, _, text in taken_out)])
        if harmless:
            coverage.append(Coverage(path, "", "screened", harmless))
            continue
        contents[path] = new
        for unit in changed_units(path, None, new, file):
            start, end = max(1, unit.start_line), min(unit.end_line, len(lines))
            units.append(
                ChangedUnit(
                    path=path,
                    name=unit.name,
                    language=language_of(path),
                    is_test=kind == "test",
                    first_line=start,
                    lines=tuple(lines[start - 1 : end]),
                    changed=frozenset(n for n in unit.changed_lines if start <= n <= end),
                    removed=tuple((n, text) for _, n, text in taken_out if start <= n <= end + 1),
                )
            )
    return Change(
        files=len(diff.files),
        units=tuple(units),
        removed=tuple(removed),
        coverage=tuple(coverage),
        docs_only=bool(kinds) and kinds <= set(HARMLESS_KINDS),
        contents=contents,
        parent=parent,
    )


def _left_out(path: str, file: FileDiff, kind: str, exclude: tuple[str, ...]) -> Coverage | None:
    """Why a file is not taken apart into units; None if it is."""
    pattern = next((glob for glob in exclude if fnmatchcase(path, glob)), None)
    if pattern is not None:
        return Coverage(path, "", "not_looked_at", f"excluded by the configuration: {pattern}")
    if kind in HARMLESS_KINDS:
        return Coverage(path, "", "screened", HARMLESS_KINDS[kind])
    if file.submodule:
        return Coverage(path, "", "not_looked_at", "a submodule: its commits are another repository's")
    if kind in UNSEEN_KINDS:
        return Coverage(path, "", "not_looked_at", UNSEEN_KINDS[kind])
    if file.too_large:
        return Coverage(path, "", "not_looked_at", "the change of this file is too large to read")
    if file.binary:
        return Coverage(path, "", "not_looked_at", UNSEEN_KINDS["binary"])
    if not file.hunks:
        return Coverage(path, "", "screened", f"{file.status}: no line of it was changed")
    return None


def _removed_lines(file: FileDiff) -> list[tuple[int, int, str]]:
    """(number before, number of the line that now stands there, text) of each line taken out."""
    found = []
    for hunk in file.hunks:
        old, new = hunk.old_start, hunk.new_start
        for line in hunk.lines:
            text = line.decode("utf-8", "replace")
            if text.startswith("-"):
                found.append((old, new, text[1:].rstrip("\r\n")))
                old += 1
            elif text.startswith("+"):
                new += 1
            elif text.startswith(" "):
                old, new = old + 1, new + 1
    return found

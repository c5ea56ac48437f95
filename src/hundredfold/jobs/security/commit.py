"""What a commit changed, as the security job sees it: parts of code, and what is left out and why.

The one module of this job that reads the repository's diffs and units.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from msgspec import Struct

from hundredfold.errors import RepositoryError
from hundredfold.evidence.kinds import kind_of
from hundredfold.evidence.quotes import file_lines
from hundredfold.jobs.changes import REMOVED, Part, parts_of, removed_lines, sorted_out
from hundredfold.vocabulary import Coverage, CoverageState

if TYPE_CHECKING:
    from hundredfold.sources.git import Repository

MAX_FILES = 5_000  # of one commit; further ones are reported as not looked at
DOCS: tuple[CoverageState, str] = ("screened", "documentation: no code in it")

Screen = Callable[[str, bool, list[str]], str]
"""(path, whether a test, its lines and those taken out of it) → why no unit of it can matter, or ""."""


class RemovedText(Struct, frozen=True):
    """Lines that the commit took out of a file: (1-based number before, text)."""

    path: str
    lines: tuple[tuple[int, str], ...]


class Change(Struct, frozen=True):
    """All that a commit changed. `coverage` speaks of what is not among the units; `files` counts paths.

    `contents` are the files that units were taken from, as they are after the commit.
    """

    files: int
    units: tuple[Part, ...]
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
    diff = repository.diff(sha)
    units: list[Part] = []
    removed: list[RemovedText] = []
    coverage: list[Coverage] = [Coverage("", "", "not_looked_at", reason) for reason in diff.unseen]
    contents: dict[str, bytes] = {}
    for file, left_out in sorted_out(diff.files, exclude, MAX_FILES, "commit", DOCS):
        path = file.path
        if left_out is not None:
            coverage.append(left_out)
            continue
        try:
            new = repository.file(sha, path, file.new_oid) if file.status != "deleted" else None
        except RepositoryError as error:
            coverage.append(Coverage(path, "", "not_looked_at", f"can't be read: {error}"))
            continue
        gone = removed_lines(file)
        if gone:
            taken_out = tuple((before, text) for before, _, text in gone)
            removed.append(RemovedText(file.old_path or path, taken_out))
        if new is None:
            coverage.append(Coverage(path, "", "screened", REMOVED))
            continue
        touched = [*file_lines(new), *(text for _, _, text in gone)]
        harmless = screen(path, kind_of(path) == "test", touched)
        if harmless:
            coverage.append(Coverage(path, "", "screened", harmless))
            continue
        contents[path] = new
        units += parts_of(file, None, new, after=True)
    kinds = {kind_of(file.path) for file in diff.files}
    return Change(
        files=len(diff.files),
        units=tuple(units),
        removed=tuple(removed),
        coverage=tuple(coverage),
        docs_only=kinds == {"docs"} and len(diff.files) <= MAX_FILES,
        contents=contents,
        parent=diff.parent or "",
    )

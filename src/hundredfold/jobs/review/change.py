"""What a head changes against its base: files, parts of code, and what is left out.

The one module of this job that reads the repository's diffs and units.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from hundredfold.errors import RepositoryError
from hundredfold.jobs.changes import REMOVED, Part, parts_of, sorted_out
from hundredfold.vocabulary import Coverage, CoverageState

if TYPE_CHECKING:
    from hundredfold.evidence.diffs import FileDiff
    from hundredfold.sources.git import Repository

MAX_FILES = 2_000  # of one head; further ones are reported as not looked at
DOCS: tuple[CoverageState, str] = ("not_looked_at", "documentation: this job reviews code")


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
    for file, left_out in sorted_out(diff.files, exclude, MAX_FILES, "review", DOCS):
        if left_out is not None:
            coverage.append(left_out)
            continue
        if file.new_path is None:
            coverage.append(Coverage(file.path, "", "screened", REMOVED))
            continue
        try:
            new = repository.file(head, file.new_path, file.new_oid)
            old = repository.file(base, file.old_path, file.old_oid) if file.old_path else None
            parts += parts_of(file, old, new)
        except RepositoryError as error:
            coverage.append(Coverage(file.path, "", "not_looked_at", f"can't be read: {error}"))
    return Change(diff.files, tuple(parts), tuple(coverage))

"""Whether what was said about lines of code was acted on: a later commit changes those very lines.

For review comments (from the reviewed head to what was merged), findings and regressions (from the commit
they are about to the branch's tip). A change of the lines is no proof that it was because of what was said:
medium trust.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from hundredfold.errors import RepositoryError
from hundredfold.evidence.quotes import file_lines, normalised
from hundredfold.sources.git import Repository


class Place(Struct, frozen=True):
    """Lines of a file at a commit, 1-based and inclusive."""

    path: str
    revision: str
    start_line: int
    end_line: int


def places_in(evidence: Sequence[Any]) -> list[Place]:
    """The places of a finding's evidence."""
    return [Place(one.path, one.revision, one.start_line, one.end_line) for one in evidence]


def changed(repository: Repository, place: Place, tip: str) -> bool | None:
    """Whether the lines stand nowhere in the file at `tip` any more; None if that can't be told.

    Blanks don't count, and lines may have moved within the file. A file that is gone has changed.
    """
    try:
        before = file_lines(repository.file(place.revision, place.path))
    except RepositoryError:
        return None
    wanted = [normalised(line) for line in before[place.start_line - 1 : place.end_line]]
    wanted = [line for line in wanted if line]
    if not wanted:
        return None
    try:
        now = [normalised(line) for line in file_lines(repository.file(tip, place.path))]
    except RepositoryError:
        return True
    size = len(wanted)
    kept = [line for line in now if line]
    return not any(kept[at : at + size] == wanted for at in range(len(kept) - size + 1))

"""What git alone tells of a change: whether and how it came into a branch, was taken back, and still stands.

Rules, the surest first. It landed if the commit that the forge names is in the branch; if its last commit
is; if a commit says it was picked from one of it; if a commit's subject bears its pull request's number; if
a commit makes the same change (patch id: squashed, or rebased after a force-push). It was reverted if a
commit of the branch says it takes one of the landed commits back, or makes exactly the opposite change, and
stands itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

from hundredfold.errors import RepositoryError
from hundredfold.outcome import Strength
from hundredfold.sources.githistory import Entry, History, Kept, changed_paths, kept_lines, patch_id

MAX_PATHS = 100  # a change of more is not compared by its patch

How = Literal["merged", "in the branch", "picked", "squashed", "same change", "rebased"]


class Change(Struct, frozen=True):
    """What may have come into a branch: its commits, oldest first, all there is to know of it.

    `base` is what they stand on ("" if unknown), `pull` the number of its pull request (0: none), `merge` the
    commit that the forge says it was merged as ("" if it says none).
    """

    commits: tuple[str, ...]
    base: str = ""
    pull: int = 0
    merge: str = ""


class Landing(Struct, frozen=True):
    """How a change came into the branch: as which commits there, oldest first, and when (UTC
    microseconds).
    """

    how: How
    commits: tuple[str, ...]
    at_us: int
    strength: Strength


class Revert(Struct, frozen=True):
    """That a landed change was taken back, by which commit and when; `silent`: the commit does not say so."""

    sha: str
    at_us: int
    silent: bool = False


def landing(history: History, change: Change) -> Landing | None:
    """How the change came into the branch; None: nothing shows that it did."""
    last = change.commits[-1] if change.commits else ""
    if change.merge and history.contains(change.merge):
        return _landed(history, "merged", _of_merge(history, change.merge), "high")
    if last and history.contains(last):
        return _landed(history, "in the branch", change.commits, "high")
    picked = [one for sha in change.commits for one in history.picks_of(sha)]
    if picked:
        return _landed(history, "picked", tuple(one.sha for one in picked), "high")
    if change.pull and (named := history.of_pull(change.pull)):
        return _landed(history, "squashed", _of_named(history, named), "high")
    return _by_patch(history, change)


def revert(history: History, landed: Landing) -> Revert | None:
    """The commit that took the landed change back and stands; None: it stands itself, whole or in part."""
    for sha in reversed(landed.commits):
        standing = [one for one in history.reverts_of(sha) if not _taken_back(history, one)]
        own = history.by_sha.get(sha)
        again = [late.at_us for late in history.relands_of(own)] if own else []
        standing = [one for one in standing if not any(at >= one.at_us for at in again)]
        if standing:
            return Revert(standing[0].sha, history.arrived_us(standing[0].sha))
    return None


def silent_revert(history: History, landed: Landing, until_us: int) -> Revert | None:
    """A commit until then that makes exactly the opposite of one landed commit without saying so."""
    sha = landed.commits[-1]
    entry = history.by_sha.get(sha)
    if len(landed.commits) != 1 or entry is None or len(entry.parents) != 1:
        return None
    paths = changed_paths(history.repository, entry.parents[0], sha)
    if not 0 < len(paths) <= MAX_PATHS:
        return None
    back = patch_id(history.repository, sha, entry.parents[0])
    if back == patch_id(history.repository, entry.parents[0], sha):
        return None  # patch ids leave blanks out: a change of blanks is its own opposite
    opposite = history.same_patch(back, paths, entry.at_us, until_us)
    return Revert(opposite.sha, opposite.at_us, silent=True) if opposite is not None else None


def kept(history: History, landed: Landing, at_us: int) -> Kept | None:
    """Of the lines that the change added, those that stood in the branch at a time; None if that can't be
    told.
    """
    tip = history.at(at_us)
    commits = tuple(sha for sha in landed.commits if _has_one_parent(history, sha)) or landed.commits
    if not tip:
        return None
    try:
        return kept_lines(history.repository, commits, tip)
    except RepositoryError:
        return None


def _landed(history: History, how: How, commits: Sequence[str], strength: Strength) -> Landing:
    return Landing(how, tuple(commits), history.arrived_us(commits[-1]), strength)


def _of_merge(history: History, merge: str) -> tuple[str, ...]:
    """The commits that a merge brought, and the merge itself; of a squash, itself."""
    git = history.repository.reading
    header = git.run("rev-list", "--parents", "-n", "1", merge).stdout.decode("ascii").split()
    if len(header) < 3:
        return (merge,)
    brought = git.run("rev-list", "--reverse", "--no-merges", f"{header[1]}..{header[2]}")
    return (*brought.stdout.decode("ascii").split(), merge)


def _of_named(history: History, named: Sequence[Entry]) -> tuple[str, ...]:
    merges = [one for one in named if len(one.parents) > 1]
    return _of_merge(history, merges[0].sha) if merges else tuple(one.sha for one in named[:1])


def _by_patch(history: History, change: Change) -> Landing | None:
    """The change as a whole, else its last commit, by patch id."""
    if not change.commits or not change.base:
        return None
    last = change.commits[-1]
    repository = history.repository
    paths = changed_paths(repository, change.base, last)
    if not 0 < len(paths) <= MAX_PATHS:
        return None
    began = history.by_sha[change.base].at_us if change.base in history.by_sha else 0
    whole = history.same_patch(patch_id(repository, change.base, last), paths, began)
    if whole is not None:
        return _landed(history, "same change", (whole.sha,), "high")
    if len(change.commits) < 2:
        return None
    ends = zip((change.base, *change.commits), change.commits, strict=False)
    found = [history.same_patch(patch_id(repository, base, sha), paths, began) for base, sha in ends]
    rebased = [one.sha for one in found if one is not None]
    if len(rebased) * 2 < len(change.commits):
        return None
    return _landed(history, "rebased", rebased, "medium")


def _taken_back(history: History, one: Entry, depth: int = 0) -> bool:
    """Whether a commit was reverted by one that stands."""
    later = history.reverts_of(one.sha)
    return depth < 20 and any(not _taken_back(history, other, depth + 1) for other in later)


def _has_one_parent(history: History, sha: str) -> bool:
    entry = history.by_sha.get(sha)
    return entry is not None and len(entry.parents) == 1

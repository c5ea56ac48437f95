"""Open pull requests of the mirror, and a private git folder that their heads are fetched into.

The folder borrows the objects of the user's repository, so that only what is new comes over the network, and
nothing is ever written there. Views and checkouts borrow from it in turn. What was learned at a fetch (where
the base branches are, which heads could not be had) is kept beside the mirror, for `discover` to read.

Source: GitHub keeps the head of every pull request, also of a fork's, at `refs/pull/N/head` of the repository
it was opened against.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from hundredfold.errors import StorageError
from hundredfold.gitcommand import Git, in_git_folder, to_fetch

if TYPE_CHECKING:
    from hundredfold.sections import PullsSettings
    from hundredfold.sources.git import Repository
    from hundredfold.store.database import Database
    from hundredfold.store.mirrorrows import PullRow

FETCH_S = 300.0  # for one call of git; a slow line gets the rest with the next run
_BRANCH = re.compile(r"[^\x00-\x20~^:?*\[\\\x7f]{1,200}")
_NOT_THERE = "couldn't find remote ref"
_RESOURCE = "heads"
_CONFIG = """\
[core]
\trepositoryformatversion = {version}
\tbare = true
\tlogAllRefUpdates = false
[gc]
\tautoDetach = false
[extensions]
{extensions}
"""


class Chosen(Struct, frozen=True):
    """The pull requests to look at, newest change first; how many drafts and how many beyond the bound are
    left out."""

    pulls: tuple[PullRow, ...]
    drafts: int
    beyond: int


class Fetched(Struct, frozen=True):
    """What a fetch came to: how many heads are here, and why others are not, by number."""

    here: int
    missing: dict[int, str]


def choose(database: Database, project: str, settings: PullsSettings) -> Chosen:
    """The open pull requests of the mirror that the settings ask for."""
    from hundredfold.store import mirror

    found = mirror.pulls(database, project, state="open")
    wanted = [one for one in found if settings.drafts or not one.draft]
    kept = tuple(wanted[: settings.most])
    return Chosen(kept, len(found) - len(wanted), len(wanted) - len(kept))


def bases(database: Database, project: str, repository: str) -> dict[str, str]:
    """Where the forge's base branches were when heads were last fetched, by name."""
    from hundredfold.store import mirror

    kept = mirror.cursor(database, project, _RESOURCE)
    return dict(kept.state["bases"]) if kept is not None and kept.repository == repository else {}


class Heads:
    """The git folder at `folder`, made when first needed, for the user's `repository`."""

    def __init__(self, folder: Path, repository: Repository) -> None:
        self.folder = folder
        self._repository = repository

    def fetch(
        self, pulls: Iterable[PullRow], still_open: Iterable[int], address: str, authorization: str
    ) -> tuple[Fetched, dict[str, str]]:
        """Bring in the heads of `pulls` and their base branches, and forget those that are no longer open.

        Args:
            address: of the repository for git, over http or https. authorization: the header sent to it.

        Returns:
            What came of it, and where the base branches are.

        Raises:
            StorageError: the folder can't be written.
            UnavailableError: there is no git.
        """
        wanted = list(pulls)
        self._prepare()
        git = to_fetch(self.folder, address, authorization)
        heads = {f"refs/pull/{one.number}/head": one for one in wanted}
        branches = {f"refs/heads/{one.base_ref}" for one in wanted if _BRANCH.fullmatch(one.base_ref)}
        before = self._refs()
        asked = [ref for ref, one in heads.items() if before.get(ref) != one.head_sha]
        failed = _brought(git, address, [*asked, *sorted(branches)])
        refs = self._refs()
        self._forget(refs, {f"refs/pull/{number}/head" for number in still_open})
        self._repository.borrow(self.folder)
        missing = {}
        for ref, one in heads.items():
            if not self._repository.has(one.head_sha):
                moved = "it moved meanwhile: the next run sees where to"
                missing[one.number] = failed.get(ref, moved)
        tips = {
            ref.removeprefix("refs/heads/"): sha for ref, sha in refs.items() if ref.startswith("refs/heads/")
        }
        return Fetched(len(wanted) - len(missing), missing), tips

    def _prepare(self) -> None:
        format_ = self._repository.store.object_format
        sha256 = format_ != "sha1"
        config = _CONFIG.format(
            version=1 if sha256 else 0, extensions=f"\tobjectformat = {format_}" if sha256 else ""
        )
        files = {
            "HEAD": "ref: refs/heads/none\n",
            "config": config,
            "objects/info/alternates": f"{self._repository.store.objects}\n",
        }
        try:
            (self.folder / "refs").mkdir(parents=True, exist_ok=True, mode=0o700)
            for name, text in files.items():
                path = self.folder / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, "utf-8", "surrogateescape")
            (self.folder / "shallow").unlink(missing_ok=True)
            if self._repository.edge:
                shutil.copyfile(self._repository.store.shallow, self.folder / "shallow")
        except OSError as error:
            raise StorageError(
                f"{self.folder} can't be written: {error.strerror}",
                "Set HUNDREDFOLD_HOME to a folder you can write.",
            ) from error

    def _refs(self) -> dict[str, str]:
        listed = in_git_folder(self.folder).run("for-each-ref", "--format=%(refname) %(objectname)")
        return dict(line.split(" ", 1) for line in listed.stdout.decode("utf-8", "replace").splitlines())

    def _forget(self, refs: Iterable[str], kept: set[str]) -> None:
        """Let go of the heads that are not asked for any more; git removes their objects in its own time."""
        gone = [one for one in refs if one.startswith("refs/pull/") and one not in kept]
        lines = "".join(f"delete {one}\n" for one in gone)
        if gone:
            in_git_folder(self.folder).run("update-ref", "--stdin", stdin=lines.encode())


def keep_bases(database: Database, project: str, repository: str, tips: dict[str, str]) -> None:
    """Keep where the base branches are, for `bases`."""
    from hundredfold.store import mirror

    with database.write() as connection:
        mirror.keep_cursor(connection, database, project, _RESOURCE, repository, {"bases": tips})


def _brought(git: Git, address: str, refs: list[str]) -> dict[str, str]:
    """Fetch these refs; why those that could not be had were not. All at once, and one by one if one of them
    is not there."""
    failed = _fetch(git, address, refs) if refs else ""
    if _NOT_THERE in failed and len(refs) > 1:
        return {ref: why for ref in refs if (why := _fetch(git, address, [ref]))}
    return dict.fromkeys(refs, failed) if failed else {}


def _fetch(git: Git, address: str, refs: list[str]) -> str:
    """Fetch the refs to where they are there; "" or why not."""
    done = git.run(
        "fetch", "--quiet", "--force", "--no-tags", "--no-recurse-submodules", "--no-write-fetch-head",
        "--stdin", address,
        stdin="".join(f"+{one}:{one}\n" for one in refs).encode("utf-8", "surrogateescape"),
        timeout_s=FETCH_S,
    )  # fmt: skip
    if done.returncode == 0:
        return ""
    said = done.stderr.decode("utf-8", "replace").strip().splitlines()
    return (said[0] if said else "git fetch failed")[:300]

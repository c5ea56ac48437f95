"""The seam to the machine: a sandbox that runs a command, and a pool that lends workspaces."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Protocol

from msgspec import Struct

from hundredfold.vocabulary import CommandResult

#: empty folders that Codex's sandbox leaves in a workspace when it is killed: taken away, not called dirt
RESIDUE = (".agents", ".aws", ".codex")


class Sandbox(Protocol):
    """Runs commands that may see a workspace and the system's programs, and nothing else.

    No network, no home folder, no other workspace, no process left when it returns.
    """

    name: str

    async def run(
        self, argv: tuple[str, ...], workspace: Path, *, writable: bool, timeout_s: float
    ) -> CommandResult:
        """Run `argv` with the workspace as its current folder.

        Raises:
            UnavailableError: no sandbox works on this machine; commands are refused, not run bare.
        """
        ...


class Workspace(Struct, frozen=True):
    """A checkout of one revision, lent to one attempt."""

    path: Path
    revision: str


class WorkspacePool(Protocol):
    """A bounded pool of worktrees of one repository."""

    def lend(self, revision: str, attempt: str, *, writable: bool) -> AbstractAsyncContextManager[Workspace]:
        """Lend a clean checkout of `revision`; waits while all are lent.

        Leaving the block gives it back: if it was not writable it is proven byte-clean first.

        Raises:
            WorkspaceDirty: a read-only workspace was written to (on leaving; the tree is discarded).
            StorageError: the disk budget is used up or the disk refused.
            RepositoryError: the revision can't be checked out.
        """
        ...

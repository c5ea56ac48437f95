"""The pool of workspaces: few checkouts, many attempts, a bounded disk.

Attempts that only read share one checkout of their revision, proven byte-clean whenever one of them leaves; a
clean idle checkout moves to the next revision, which costs the difference instead of the whole. A writable
checkout is one attempt's alone and is thrown away afterwards: what is in it is somebody else's code.

A pool belongs to one event loop. Several processes may have a pool on the same folder: each slot is held by
exactly one. What a killed process held is found by the next pool: its attempts, when they are resumed, get
the same path again; `sweep` removes what nobody resumes.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import time
from collections.abc import AsyncIterator, Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from msgspec import Struct

from hundredfold.errors import StorageError
from hundredfold.tasks import to_the_end
from hundredfold.workspaces import checkout, processes
from hundredfold.workspaces.errors import WorkspaceDirty
from hundredfold.workspaces.protocol import Workspace
from hundredfold.workspaces.slot import Slot, find_slots, new_slot, read_record

T = TypeVar("T")

#: two checkouts at once keep a disk busy; more only compete
_DISK_THREADS = 2
#: left free on the disk for the database, the journal and everybody else
_SPARE_BYTES = 256 * 2**20
_REMEMBERED_REVISIONS = 512


class Swept(Struct, frozen=True):
    """What `sweep` found and ended: paths of checkouts, and commands of processes."""

    workspaces: tuple[str, ...] = ()
    processes: tuple[str, ...] = ()


class GitWorkspacePool:
    """Lends checkouts of one repository from `folder`: at most `size` of them, `disk_bytes` altogether.

    `heads`: a git folder of ours whose commits are lent too, once it is there (`config.Place.heads`).
    """

    def __init__(
        self, repository: Path, folder: Path, *, size: int, disk_bytes: int, heads: Path | None = None
    ) -> None:
        assert size > 0
        self.folder = folder.resolve()
        self.size = size
        self.disk_bytes = disk_bytes
        self._source = checkout.open_source(repository, heads)
        self._disk = ThreadPoolExecutor(_DISK_THREADS, thread_name_prefix="workspaces")
        self._changed = asyncio.Condition()
        self._facts: dict[str, checkout.TreeFacts] = {}
        self._slots: list[Slot] = []
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            found = find_slots(self.folder)
        except OSError as error:
            raise StorageError(
                f"{self.folder} can't be used: {error.strerror}",
                "Set HUNDREDFOLD_HOME to a folder you can write.",
            ) from error
        self._slots.extend(found)

    @contextlib.asynccontextmanager
    async def lend(self, revision: str, attempt: str, *, writable: bool) -> AsyncIterator[Workspace]:
        """Lend a clean checkout of `revision` (see `workspaces.protocol.WorkspacePool`)."""
        known = revision in self._facts
        sha = revision if known else await self._in_thread(checkout.resolve, self._source, revision)
        slot = await self._take(sha, attempt, writable=writable)
        try:
            yield Workspace(slot.tree, sha)
        except BaseException:
            with contextlib.suppress(WorkspaceDirty):  # the block's own error says more
                await to_the_end(self._give_back(slot, attempt))
            raise
        await to_the_end(self._give_back(slot, attempt))

    async def sweep(self, keep: Collection[str] = ()) -> Swept:
        """Remove what earlier processes left behind, but for the attempts in `keep`, which will be resumed.

        Processes that still work in a checkout nobody uses are ended; other living pools are left alone.
        """
        self._slots += await self._in_thread(find_slots, self.folder)
        left: list[Slot] = []
        for slot in self._slots:
            slot.awaited &= set(keep)
            if slot.idle and (slot.doubted or not slot.whole):
                left.append(slot)
        for slot in left:
            self._slots.remove(slot)
        swept = await self._remove_all(left)
        await self._notify()
        return swept

    async def close(self) -> Swept:
        """Remove the idle checkouts and end what still runs in them.

        What is lent, or awaited, stays on the disk and is found by the next pool.
        """
        slots, self._slots = self._slots, []
        for slot in slots:
            if not slot.idle:
                await self._in_thread(slot.release)
        swept = await self._remove_all([slot for slot in slots if slot.idle])
        self._disk.shutdown()
        return swept

    async def _remove_all(self, slots: list[Slot]) -> Swept:
        """Remove slots that can't be lent any more, after the processes that work in them."""
        found = await self._in_thread(processes.find_below, [slot.folder for slot in slots])
        await self._in_thread(processes.end, found)
        for slot in slots:
            await self._in_thread(slot.remove)
        return Swept(tuple(str(slot.tree) for slot in slots), tuple(leftover.command for leftover in found))

    # -------------------------------------------------------------- taking

    async def _take(self, sha: str, attempt: str, *, writable: bool) -> Slot:
        need = (await self._measure(sha)).disk_bytes
        if need > self.disk_bytes:
            raise StorageError(
                f"a checkout of {sha[:12]} takes {_mb(need)}, but all checkouts together may take "
                f"{_mb(self.disk_bytes)}",
                "Raise disk-gb in [workspaces].",
            )
        while True:
            async with self._changed:
                # Nothing is awaited between looking and taking, so no two attempts take the same.
                while (chosen := self._choose(sha, attempt, need, writable=writable)) is None:
                    await self._changed.wait()
            slot, doomed = chosen
            try:
                for old in doomed:
                    await self._in_thread(old.remove)
                if not slot.whole:
                    await self._prepare(slot, sha, need, writable=writable)
                if await self._trusted(slot, attempt):
                    slot.note_attempts()
                    await self._notify()
                    return slot
            except BaseException:
                await to_the_end(self._leave(slot, attempt))
                raise

    def _choose(self, sha: str, attempt: str, need: int, *, writable: bool) -> tuple[Slot, list[Slot]] | None:
        """A slot for the attempt, already marked as its own, and slots to remove first; None: wait."""
        for slot in self._slots:
            if attempt in slot.awaited and (slot.wanted, slot.writable) == (sha, writable):
                return self._marked(slot, attempt), []
        if not writable:
            same = [slot for slot in self._slots if slot.wanted == sha and not slot.writable]
            fit = next((slot for slot in same if slot.whole and slot.dirt is None), None)
            if fit is not None:
                return self._marked(fit, attempt), []
            if any(slot.dirt is None for slot in same):
                return None  # it is being checked out for another attempt right now
        room = self._room(need)
        if room is None:
            return None
        moved, doomed = room
        for slot in doomed:
            self._slots.remove(slot)
        slot = moved or new_slot(self.folder)
        if moved is None:
            self._slots.append(slot)
        slot.record, slot.wanted, slot.writable, slot.disk_bytes = None, sha, writable, need
        return self._marked(slot, attempt), doomed

    def _room(self, need: int) -> tuple[Slot | None, list[Slot]] | None:
        """How to make room for a checkout of `need` bytes: an idle slot to move to it (or None: make a new
        one), and slots to remove, least recently used first. None: wait until something is given back.

        Raises:
            StorageError: nothing will be given back.
        """
        lent = any(slot.attempts for slot in self._slots)
        idle = sorted((slot for slot in self._slots if slot.idle), key=lambda slot: slot.used_at)
        if not idle and not lent:
            # Only checkouts of a dead process are left: nobody would ever give one back.
            idle = sorted(self._slots, key=lambda slot: slot.used_at)
        moved = next((slot for slot in idle if slot.whole and not slot.writable and not slot.doubted), None)
        doomed: list[Slot] = []
        room = self.disk_bytes - sum(slot.disk_bytes for slot in self._slots) - self._foreign_bytes()
        places = self.size - len(self._slots)
        if moved is not None:
            room, places = room + moved.disk_bytes, places + 1
        for slot in idle:
            if room >= need and places > 0:
                break
            if slot is not moved:
                doomed.append(slot)
                room, places = room + slot.disk_bytes, places + 1
        if room >= need and places > 0:
            return moved, doomed
        if lent:
            return None
        raise StorageError(
            f"there is no room for a checkout of {_mb(need)} within {_mb(self.disk_bytes)}: other "
            "processes hold the rest",
            "Wait for them, or raise disk-gb in [workspaces].",
        )

    def _marked(self, slot: Slot, attempt: str) -> Slot:
        slot.attempts.add(attempt)
        slot.used_at = time.monotonic()
        return slot

    async def _prepare(self, slot: Slot, sha: str, need: int, *, writable: bool) -> None:
        free = shutil.disk_usage(self.folder).free
        if free < need + _SPARE_BYTES:
            raise StorageError(
                f"the disk of {self.folder} has {_mb(free)} left; a checkout takes {_mb(need)}",
                "Free some disk space, or set HUNDREDFOLD_HOME to a folder with room.",
            )
        await self._in_thread(lambda: slot.prepare(self._source, sha, writable=writable))

    async def _trusted(self, slot: Slot, attempt: str) -> bool:
        """Whether the checkout is good: one that an earlier process left is proven first.

        Raises:
            WorkspaceDirty: it is not, and the attempt, which is resumed, has been reading it.
        """
        if slot.doubted and not slot.writable:
            resumed = attempt in slot.awaited
            dirt = await self._prove(slot)
            if dirt is not None and resumed:
                raise WorkspaceDirty((attempt,), dirt)
            if dirt is not None:
                await self._leave(slot, attempt)
                return False
        slot.doubted = False
        slot.awaited.discard(attempt)
        return True

    async def _measure(self, sha: str) -> checkout.TreeFacts:
        if sha not in self._facts:
            facts = await self._in_thread(checkout.measure, self._source, sha)
            while len(self._facts) >= _REMEMBERED_REVISIONS:
                self._facts.pop(next(iter(self._facts)))
            self._facts[sha] = facts
        return self._facts[sha]

    def _foreign_bytes(self) -> int:
        """Disk that checkouts of other living processes take."""
        own = {slot.folder for slot in self._slots}
        records = (read_record(path) for path in self.folder.iterdir() if path not in own)
        return sum(record.manifest.disk_bytes for record in records if record)

    # -------------------------------------------------------------- giving back

    async def _give_back(self, slot: Slot, attempt: str) -> None:
        dirt = None if slot.writable else await self._prove(slot)
        # All that share it may have read altered bytes, so each of them hears of it when it leaves.
        sharing = tuple(sorted(slot.attempts))
        await self._leave(slot, attempt)
        if dirt is not None:
            raise WorkspaceDirty(sharing, dirt)

    async def _leave(self, slot: Slot, attempt: str) -> None:
        """Let the attempt go. The last one out removes a checkout that can't be lent again."""
        slot.attempts.discard(attempt)
        slot.used_at = time.monotonic()
        if slot.whole and not slot.writable and slot.dirt is None:
            with contextlib.suppress(StorageError):  # then a later process sweeps what it need not
                slot.note_attempts()
        elif not slot.attempts and slot in self._slots:
            self._slots.remove(slot)
            await self._in_thread(slot.remove)
        await self._notify()

    async def _prove(self, slot: Slot) -> tuple[str, ...] | None:
        """What differs from the revision, or None. A proof that begins after the call began serves it too."""
        begun = slot.proofs_begun
        async with slot.proving:
            if slot.dirt is None and slot.proofs_begun == begun:
                slot.proofs_begun += 1
                slot.dirt = await self._in_thread(slot.prove)
        return slot.dirt

    # -------------------------------------------------------------- small parts

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def _in_thread(self, function: Callable[..., T], *arguments: Any) -> T:
        """Run it in a thread of ours. If cancelled, it is not begun, or waited for, never left alone."""
        work = self._disk.submit(function, *arguments)
        return await to_the_end(asyncio.wrap_future(work), interrupt=work.cancel)


def _mb(count: int) -> str:
    return f"{count / 10**6:.0f} MB"

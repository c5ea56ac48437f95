"""One checkout on disk: `NAME/{tree,git,lock,record.json}`. Its lock says whose it is, its record what it is.

A record is there only while the tree is whole, and names the attempts that look at it. So after a kill at any
instant a slot is either without a record (rubbish), or known to be good for exactly those attempts.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import threading
import time
from asyncio import Lock
from pathlib import Path

import msgspec
from msgspec import Struct

from hundredfold.errors import RepositoryError, StorageError
from hundredfold.workspaces import checkout
from hundredfold.workspaces.checkout import Source
from hundredfold.workspaces.manifest import Manifest, scan
from hundredfold.workspaces.protocol import RESIDUE

_SHOWN_CHANGES = 10
_TRIES = 5
#: a file changed this shortly before the scan could change again within one tick of the file system's clock
_TICK_S = 0.02


class Record(Struct, frozen=True):
    """What `record.json` says of a whole tree."""

    revision: str
    writable: bool
    manifest: Manifest
    attempts: tuple[str, ...] = ()
    present: tuple[str, ...] = ()  # those of RESIDUE that are part of the revision


class Slot:
    """A checkout that this process holds the lock of. `attempts` look at it right now; `awaited` did when an
    earlier process died, and may be resumed. Methods that touch the disk block: call them from a thread."""

    def __init__(self, folder: Path, descriptor: int, record: Record | None) -> None:
        self.folder = folder
        self.tree = folder / "tree"
        self.git_dir = folder / "git"
        self.record = record
        self.attempts: set[str] = set()
        self.awaited: set[str] = set(record.attempts) if record else set()
        self.wanted = record.revision if record else ""
        self.writable = record.writable if record else True  # rubbish is never moved, only removed
        self.disk_bytes = record.manifest.disk_bytes if record else 0
        self.dirt: tuple[str, ...] | None = None
        self.doubted = record is not None  # an earlier process's word is proven before it is taken
        self.used_at = time.monotonic()
        self.proving = Lock()
        self.proofs_begun = 0
        self._writing = threading.Lock()
        self._descriptor = descriptor

    @property
    def whole(self) -> bool:
        """Whether the tree is completely checked out."""
        return self.record is not None

    @property
    def idle(self) -> bool:
        """Whether nobody looks at it or may come back to it."""
        return not self.attempts and not self.awaited

    def prepare(self, source: Source, sha: str, *, writable: bool) -> None:
        """Bring the tree to `sha`, making it if there is none.

        Raises:
            RepositoryError, StorageError: it can't be done; the slot is good for nothing but removal.
        """
        self._forget()
        if not self.tree.exists():
            checkout.create(source, self.git_dir, self.tree)
        checkout.check_out(source, self.git_dir, self.tree, sha)
        try:
            present = tuple(name for name in RESIDUE if (self.tree / name).exists())
            manifest = scan(self.tree, limit=10**7)
            fresh = time.time() - manifest.newest_ns / 1e9
            if 0 <= fresh < _TICK_S:
                time.sleep(_TICK_S - fresh)
            self._keep(Record(sha, writable, manifest, present=present))
        except OSError as error:
            raise _unwritable(self.folder, error) from error

    def note_attempts(self) -> None:
        """Write down who looks at the tree, so that a later process knows. Small enough for the event loop.

        Raises:
            StorageError: the disk refused.
        """
        if self.record is None:
            return
        try:
            self._keep(self.record)
        except OSError as error:
            raise _unwritable(self.folder, error) from error

    def prove(self) -> tuple[str, ...] | None:
        """None if the tree is byte for byte what was checked out, else up to ten lines on what differs."""
        assert self.record is not None
        before = self.record.manifest
        try:
            for name in RESIDUE:
                if name not in self.record.present:
                    with contextlib.suppress(OSError):  # not there, or not empty: then it is dirt
                        (self.tree / name).rmdir()
            now = scan(self.tree, limit=before.entries * 2 + 10_000)
            if now.strict == before.strict:
                return None
            found = [line for line, _ in zip(_changes(self), range(_SHOWN_CHANGES), strict=False)]
        except OSError as error:
            return (f"can't be read any more: {error}",)
        if found or now.shape != before.shape:
            return tuple(found) or ("permissions or empty folders",)
        self._keep(msgspec.structs.replace(self.record, manifest=now))
        return None

    def remove(self) -> None:
        """Remove the checkout from the disk and give the lock back.

        Raises:
            StorageError: something can't be removed.
        """
        self._forget()
        try:
            checkout.remove_tree(self.folder)
        finally:
            os.close(self._descriptor)

    def release(self) -> None:
        """Leave the checkout as it is for a later process, and give the lock back."""
        os.close(self._descriptor)

    def _forget(self) -> None:
        self.record = None
        (self.folder / "record.json").unlink(missing_ok=True)

    def _keep(self, record: Record) -> None:
        with self._writing:  # the event loop notes attempts while a thread proves
            record = msgspec.structs.replace(record, attempts=tuple(sorted(self.attempts | self.awaited)))
            scratch = self.folder / "record.new"
            scratch.write_bytes(msgspec.json.encode(record))
            scratch.replace(self.folder / "record.json")
            self.record = record
        self.disk_bytes = record.manifest.disk_bytes


def _unwritable(folder: Path, error: OSError) -> StorageError:
    return StorageError(f"{folder} can't be written: {error.strerror}", checkout.DISK_MEND)


def _changes(slot: Slot) -> list[str]:
    try:
        return list(checkout.changes(slot.git_dir, slot.tree))
    except RepositoryError as error:
        return [str(error)]


def new_slot(folder: Path) -> Slot:
    """A new slot without a tree, below `folder`.

    Raises:
        StorageError: the disk refused.
    """
    for _ in range(_TRIES):
        path = folder / secrets.token_hex(4)
        try:
            path.mkdir(mode=0o700, parents=True)
            descriptor = _lock(path)
        except FileNotFoundError:
            continue  # another process's sweep took the new folder for rubbish before it was locked
        except OSError as error:
            raise StorageError(f"{path} can't be made: {error.strerror}", "Free some disk space.") from error
        if descriptor is not None:
            return Slot(path, descriptor, None)
    raise StorageError(f"no checkout can be kept in {folder}", "Another process removes what is made there.")


def find_slots(folder: Path) -> list[Slot]:
    """The slots below `folder` that no living process holds."""
    found: list[Slot] = []
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        if not path.is_dir() or path.is_symlink():
            continue
        try:
            descriptor = _lock(path)
        except FileNotFoundError:
            continue  # its process removed it just now
        if descriptor is not None:
            found.append(Slot(path, descriptor, read_record(path)))
    return found


def read_record(path: Path) -> Record | None:
    """The record of the slot at `path`, whoever holds it; None if its tree is not whole."""
    try:
        return msgspec.json.decode((path / "record.json").read_bytes(), type=Record)
    except (OSError, msgspec.DecodeError):
        return None


def _lock(path: Path) -> int | None:
    descriptor = os.open(path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor

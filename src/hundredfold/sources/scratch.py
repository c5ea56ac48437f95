"""Private temporary folders that don't outlive their process for long, however it ends.

Each is locked by the process that uses it. The kernel gives the lock back when the process is gone, so a
folder that can be locked was left by a killed one, and goes when the next is made.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
import weakref
from pathlib import Path

_PREFIX = "hundredfold-view-"
_TRIES = 5


class Scratch:
    """A new folder (0700), removed by `close`, with the object, or when the process ends in order."""

    def __init__(self) -> None:
        """Make the folder, and remove those of this user whose process is dead.

        Raises:
            OSError: the temporary folder can't be written.
        """
        self.folder, descriptor = _made()
        self._finalizer = weakref.finalize(self, _remove, self.folder, descriptor)
        _sweep(self.folder.parent)

    def close(self) -> None:
        """Remove the folder."""
        self._finalizer()


def _made() -> tuple[Path, int]:
    for _ in range(_TRIES):
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
        # Another process's sweep may take it for a dead one's before it is locked.
        with contextlib.suppress(FileNotFoundError):
            descriptor = _locked(folder)
            if descriptor is not None and folder.exists():
                return folder, descriptor
            if descriptor is not None:
                os.close(descriptor)
    raise OSError(f"another process removes what is made in {tempfile.gettempdir()}")


def _sweep(parent: Path) -> None:
    for folder in parent.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):  # another user's, no folder, or gone meanwhile
            if folder.lstat().st_uid == os.geteuid() and (descriptor := _locked(folder)) is not None:
                _remove(folder, descriptor)


def _locked(folder: Path) -> int | None:
    """A descriptor that holds the folder's lock; None if a living process does."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    except OSError:  # the file system knows no locks
        os.close(descriptor)
        raise
    return descriptor


def _remove(folder: Path, descriptor: int) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    os.close(descriptor)

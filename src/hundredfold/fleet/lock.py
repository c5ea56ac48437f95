"""One run at a time on a project: a lock file that dies with its process and says who holds it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from hundredfold.errors import ProjectBusy, StorageError


@contextlib.contextmanager
def project_lock(state: Path) -> Iterator[None]:
    """Hold the project.

    Raises:
        ProjectBusy: another process holds it; the message says which and since when.
        StorageError: the folder can't be written.
    """
    try:
        state.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = FileLock(state / "run.lock", timeout=0)
        lock.acquire()
    except Timeout as error:
        raise ProjectBusy(
            f"another run works on this project ({_holder(state)})",
            "Wait for it, or stop it with Ctrl-C in its terminal; what it did is kept.",
        ) from error
    except OSError as error:
        raise StorageError(
            f"can't write {state}: {error.strerror}", "Set HUNDREDFOLD_HOME to a folder you can write."
        ) from error
    holder = state / "run.holder"
    try:
        holder.write_text(f"process {os.getpid()}, since {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC")
        yield
    finally:
        holder.unlink(missing_ok=True)
        lock.release()


def _holder(state: Path) -> str:
    try:
        return (state / "run.holder").read_text()
    except OSError:
        return "its process is starting"

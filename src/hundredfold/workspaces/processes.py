"""Finding and ending processes that work below a folder which nobody uses any more."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path

import psutil
from msgspec import Struct


class Leftover(Struct, frozen=True):
    """A process found below a folder: id, start (seconds since the epoch), and its command for people."""

    pid: int
    started: float
    command: str


def find_below(folders: Sequence[Path]) -> list[Leftover]:
    """Processes whose current folder or one of whose arguments is below one of the folders.

    This process and its ancestors are never among them.
    """
    if not folders:
        return []
    roots = [str(folder.resolve()) for folder in folders]
    own = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    found: list[Leftover] = []
    for process in psutil.process_iter():
        if process.pid in own:
            continue
        with contextlib.suppress(psutil.Error, OSError), process.oneshot():
            arguments = process.cmdline()
            places = [process.cwd(), *arguments] if arguments else []
            if any(place == root or place.startswith(f"{root}/") for place in places for root in roots):
                found.append(Leftover(process.pid, process.create_time(), " ".join(arguments)[:120]))
    return found


def end(leftovers: Sequence[Leftover], patience_s: float = 5.0) -> None:
    """Kill the processes, if they still are the ones that were found, and wait for their end."""
    killed: list[psutil.Process] = []
    for leftover in leftovers:
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            process = psutil.Process(leftover.pid)
            if process.create_time() == leftover.started:  # psutil's kill checks it again
                process.kill()
                killed.append(process)
    psutil.wait_procs(killed, timeout=patience_s)

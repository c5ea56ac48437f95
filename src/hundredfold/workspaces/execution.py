"""Runs one child process with bounded output, time, memory and number of processes.

Nothing here confines what the child may see: that is the sandbox's. The child is the leader of a session of
its own and the whole session is killed when it ends, overruns or its caller is cancelled.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil
from msgspec import Struct

#: how often a running command's processes and memory are added up; the first look is sooner
WATCH_S = 0.5
#: how long the kernel may take to end a killed session before we stop waiting for its pipe
REAP_S = 5.0

TOO_LONG = "took longer than its time limit"


class Bounds(Struct, frozen=True):
    """What one command may use. Sizes are bytes; `memory` is resident memory of all its processes."""

    memory: int = 4 * 10**9
    address_space: int = 16 * 10**9
    processes: int = 256
    file: int = 10**9
    temporary: int = 512 * 2**20
    output: int = 128 * 2**10


class Ended(Struct, frozen=True):
    """How a child ended. `exit_code` is None if it was killed by us; `killed` says why."""

    exit_code: int | None
    output: str
    seconds: float
    killed: str = ""
    timed_out: bool = False


class HeadAndTail:
    """Keeps the first and the last half of `limit` bytes of a stream and counts what was cut between."""

    def __init__(self, limit: int) -> None:
        self._half = max(1, limit // 2)
        self._head = bytearray()
        self._tail = bytearray()
        self._cut = 0

    def feed(self, data: bytes) -> None:
        """Take the next bytes of the stream."""
        room = self._half - len(self._head)
        if room > 0:
            self._head += data[:room]
            data = data[room:]
        self._tail += data
        excess = len(self._tail) - self._half
        if excess > 0:
            del self._tail[:excess]
            self._cut += excess

    def text(self) -> str:
        """What was kept, as text; bytes that are not UTF-8 become replacement characters."""
        cut = f"\n… {self._cut} bytes cut …\n".encode() if self._cut else b""
        return bytes(self._head + cut + self._tail).decode("utf-8", "replace")


async def execute(
    argv: Sequence[str | bytes | Path],
    *,
    cwd: Path,
    environment: Mapping[str, str],
    timeout_s: float,
    bounds: Bounds,
    descriptors: Sequence[int] = (),
    stdin: int = asyncio.subprocess.DEVNULL,
) -> Ended:
    """Run `argv` to its end, at most `timeout_s` seconds. Standard error is merged into the output.

    Raises:
        OSError: the program can't be started.
    """
    began = time.monotonic()
    process = await asyncio.create_subprocess_exec(
        *argv,
        cwd=cwd,
        env=environment,
        stdin=stdin,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
        pass_fds=descriptors,
    )
    output = HeadAndTail(bounds.output)
    assert process.stdout is not None
    reading = asyncio.ensure_future(_drain(process.stdout, output))
    try:
        killed = await _watch(process, reading, began + timeout_s, bounds)
    finally:
        _kill_session(process.pid)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(reading), REAP_S)
        reading.cancel()
        code = await process.wait()
    return Ended(
        exit_code=None if killed else code,
        output=output.text(),
        seconds=time.monotonic() - began,
        killed=killed,
        timed_out=killed == TOO_LONG,
    )


async def _drain(stream: asyncio.StreamReader, output: HeadAndTail) -> None:
    while data := await stream.read(65536):
        output.feed(data)


async def _watch(
    process: asyncio.subprocess.Process, reading: asyncio.Future[None], deadline: float, bounds: Bounds
) -> str:
    """Wait for the end of the child's output; the reason if it has to be killed, else ""."""
    pause = 0.1
    while True:
        remaining = deadline - time.monotonic()
        if remaining <= 0:
            return TOO_LONG
        done, _ = await asyncio.wait({reading}, timeout=min(pause, remaining))
        if done:
            # The pipe is closed: the child ended, or closed its output and works on within the deadline.
            try:
                await asyncio.wait_for(process.wait(), max(0.0, deadline - time.monotonic()))
            except TimeoutError:
                return TOO_LONG
            return ""
        if excess := _excess(process.pid, bounds):
            return excess
        pause = WATCH_S


def _excess(pid: int, bounds: Bounds) -> str:
    """What the processes below `pid` use too much of, or ""."""
    try:
        below = psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return ""
    if len(below) > bounds.processes:
        return f"started more than {bounds.processes} processes"
    resident = 0
    for process in below:
        with contextlib.suppress(psutil.Error):
            resident += process.memory_info().rss
    return f"used more than {bounds.memory // 10**6} MB of memory" if resident > bounds.memory else ""


def _kill_session(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)

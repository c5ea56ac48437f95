"""An app-server as attempts use it: connected to, reconnected, replaced when it died, left or ended."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import shutil
import subprocess
import time
from pathlib import Path

import msgspec
from msgspec import Struct

from hundredfold.agents.codex import process
from hundredfold.agents.codex.confinement import Sight
from hundredfold.agents.codex.home import PROFILE, Home
from hundredfold.agents.codex.locate import MEND
from hundredfold.agents.codex.rpc import CallFailed, Connection, Disconnected, connect
from hundredfold.errors import UnavailableError

#: until a new server must answer (an idle machine needs 0.2 s), and one that was found running
_START_S = 60.0
_FOUND_S = 15.0
_STARTS_IN_FLIGHT = 8
_PROBE_S = 20.0
_OWN = "own"


class _Ran(Struct, rename="camel"):
    stdout: str
    stderr: str


class Server:
    """An app-server and its folder. `live` threads run in it now; `begun` counts those of its whole life."""

    def __init__(self, home: Home, program: Path, sight: Sight, lock: int, *, confined: bool) -> None:
        self.id = home.folder.name
        self.home = home
        self.sight = sight
        self.confined = confined
        self.live = 0
        self.begun = 0
        #: whether it takes no new threads
        self.retired = False
        #: at most so many `thread/start` at once, or the server calls itself overloaded
        self.starting = asyncio.Semaphore(_STARTS_IN_FLIGHT)
        self._program = program
        self._lock = lock
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None
        self._connecting = asyncio.Lock()

    @property
    def alive(self) -> bool:
        """Whether its process runs."""
        if self._process is not None and self._process.poll() is not None:
            return False
        record = process.recorded(self.home)
        return record is not None and process.running(record)

    @property
    def unfinished(self) -> bool:
        """Whether threads of it were begun and not ended, by us or by an earlier life of ours."""
        return self.home.threads.is_dir() and any(self.home.threads.iterdir())

    async def connection(self) -> Connection:
        """The connection; made anew if it was lost, to a new process in the same home if the old one died.

        Raises:
            UnavailableError: Codex can't be started.
            StorageError: the disk refused.
        """
        async with self._connecting:
            if self._connection is not None and not self._connection.closed.done():
                return self._connection
            await self._disconnect()
            if self.alive:
                # It may be dying just now, or hang: then it is replaced.
                with contextlib.suppress(UnavailableError):
                    self._connection = await self._reach(_FOUND_S)
                    return self._connection
            await asyncio.to_thread(process.end, self.home, self._process)
            self._process = await asyncio.to_thread(
                process.start, self.home, self._program, self.sight, confined=self.confined
            )
            self._connection = await self._reach(_START_S)
            return self._connection

    async def confines(self) -> bool:
        """Whether a command of an attempt, really run, reads its own folder, but neither a sibling's file nor
        the server's own home."""
        connection = await self.connection()
        own, sibling = self.home.probe / "own", self.home.probe / "sibling"
        for folder, word in ((own, _OWN), (sibling, "sibling")):
            folder.mkdir(exist_ok=True)
            (folder / "file").write_text(word, encoding="utf-8")
        reads = ["/bin/cat", "file", str(sibling / "file"), str(self.home.codex / "config.toml")]
        try:
            raw = await connection.call(
                "command/exec",
                {"command": reads, "cwd": str(own), "permissionProfile": PROFILE, "timeoutMs": 10_000},
                timeout_s=_PROBE_S,
            )
        except (CallFailed, Disconnected):
            return False
        return msgspec.json.decode(raw, type=_Ran).stdout == _OWN

    async def release(self) -> None:
        """Let it run on: close the connection and let go of the folder."""
        await self._disconnect()
        os.close(self._lock)

    async def stop(self) -> None:
        """End its process and everything it started, and remove its folder."""
        self.retired = True
        async with self._connecting:
            await self._disconnect()
            await asyncio.to_thread(process.end, self.home, self._process)
            await asyncio.to_thread(shutil.rmtree, self.home.folder, ignore_errors=True)
        os.close(self._lock)

    async def _disconnect(self) -> None:
        if self._connection is not None:
            await self._connection.close()
            self._connection = None

    async def _reach(self, patience_s: float) -> Connection:
        until = time.monotonic() + patience_s
        while True:
            cause = "it does not listen"
            if socket := process.socket_of(self.home):
                try:
                    return await connect(socket)
                except Disconnected as error:
                    cause = str(error)
            if not self.alive or time.monotonic() > until:
                words = process.last_words(self.home)
                raise UnavailableError(f"Codex's server can't be reached: {cause}. {words}".strip(), MEND)
            await asyncio.sleep(0.02)


def claim(folder: Path, program: Path, sight: Sight, *, confined: bool) -> Server | None:
    """The server of that folder, new or left by an earlier life of ours (which then decides its sight and
    confinement); None if another process uses it.

    Raises:
        OSError: the folder can't be written.
    """
    home = Home(folder)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = os.open(home.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        return None
    record = process.recorded(home)
    if record is not None:
        sight, confined = record.sight, record.confined
    return Server(home, program, sight, lock, confined=confined)

"""A running app-server we are connected to, and the threads we have on it."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Raw, Struct

from hundredfold.agents.codex import process
from hundredfold.agents.codex.confinement import Sight
from hundredfold.agents.codex.events import TurnState
from hundredfold.agents.codex.home import PROFILE
from hundredfold.agents.codex.locate import Codex
from hundredfold.agents.codex.rpc import Connection, Disconnected, RpcError
from hundredfold.errors import UnavailableError

_START_TIMEOUT_S = 30.0
_LOOK_EVERY_S = 0.02
_PROBE_TIMEOUT_S = 20.0
_CLEAN_UP_TIMEOUT_S = 10.0

#: more `thread/start` at once than this and Codex answers that it is overloaded
_STARTS_AT_ONCE = 8
_OVERLOADED = -32001
_OVERLOADED_TRIES = 8
_OVERLOADED_PAUSE_S = 0.25

#: what the probe's two files hold
_OWN, _SIBLING = "own-file", "sibling-file"


class _Thread(Struct):
    id: str
    turns: list[TurnState] = []


class _Opened(Struct):
    thread: _Thread


class _Begun(Struct):
    turn: TurnState


class _Ran(Struct, rename="camel"):
    exit_code: int
    stdout: str
    stderr: str


class Server:
    """One app-server. `live` are the threads that attempts use now; `opened` counts all it ever had here."""

    def __init__(
        self, folder: Path, codex: Codex, sight: Sight, connection: Connection, *, confined: bool
    ) -> None:
        self.folder = folder
        self.codex = codex
        self.sight = sight
        self.confined = confined
        self.connection = connection
        self.live = 0
        self.opened = 0
        self._starts = asyncio.Semaphore(_STARTS_AT_ONCE)
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def home(self) -> Path:
        """Its CODEX_HOME."""
        return self.folder / "home"

    @property
    def lost(self) -> asyncio.Event:
        """Set once it is gone."""
        return self.connection.lost

    @classmethod
    async def start(cls, folder: Path, codex: Codex, sight: Sight, *, confined: bool) -> Server:
        """Start the server of a folder and wait until it answers.

        Raises:
            UnavailableError: it does not come up; says what it wrote last. Nothing of it is left running.
        """
        child = await asyncio.to_thread(process.start, folder, codex, sight, confined=confined)
        try:
            connection = await _connect(folder, child)
        except BaseException:
            await asyncio.to_thread(process.kill, process.processes_of(folder))
            child.wait()
            raise
        server = cls(folder, codex, sight, connection, confined=confined)
        server._child = child
        return server

    @classmethod
    async def attach(cls, folder: Path) -> Server | None:
        """Connect to a server that an earlier life of ours left running; None if it no longer runs."""
        record, socket = process.read_record(folder), process.socket_of(folder)
        if record is None or socket is None:
            return None
        try:
            connection = await Connection.open(socket)
        except Disconnected:
            return None
        codex = Codex(binary=record.binary, package=record.package)
        return cls(folder, codex, record.sight, connection, confined=record.confined)

    async def confines(self) -> bool:
        """Whether a command of an attempt, really run, reads its own folder but no sibling's file and not the
        server's own home."""
        own, sibling = self.folder / "probe" / "own", self.folder / "probe" / "sibling"
        for folder, word in ((own, _OWN), (sibling, _SIBLING)):
            folder.mkdir(exist_ok=True)
            (folder / "file").write_text(word, encoding="utf-8")
        script = 'cat file "$1" "$2"'
        command = ["/bin/sh", "-c", script, "sh", str(sibling / "file"), str(self.home / "config.toml")]
        try:
            raw = await self.connection.call(
                "command/exec",
                {"command": command, "cwd": str(own), "permissionProfile": PROFILE, "timeoutMs": 10_000},
                _PROBE_TIMEOUT_S,
            )
        except (RpcError, Disconnected, TimeoutError):
            return False
        ran = msgspec.json.decode(raw, type=_Ran)
        return ran.stdout == _OWN

    async def open_thread(self, settings: dict[str, Any]) -> str:
        """Start a thread and return its id.

        Raises:
            RpcError, Disconnected, TimeoutError: it could not be started.
        """
        async with self._starts:
            raw = await self._patiently("thread/start", settings)
        self.opened += 1
        return msgspec.json.decode(raw, type=_Opened).thread.id

    async def resume_thread(self, thread: str, settings: dict[str, Any]) -> TurnState | None:
        """Load a thread, or find it still loaded, and return its last turn (None: it has none yet).

        Raises:
            RpcError: there is no such thread.
            Disconnected, TimeoutError: the server is gone or does not answer.
        """
        async with self._starts:
            raw = await self._patiently("thread/resume", {"threadId": thread, **settings})
        self.opened += 1
        turns = msgspec.json.decode(raw, type=_Opened).thread.turns
        return turns[-1] if turns else None

    async def begin_turn(self, thread: str, settings: dict[str, Any]) -> str:
        """Start a turn and return its id.

        Raises:
            RpcError, Disconnected, TimeoutError: it could not be started.
        """
        raw = await self._patiently("turn/start", {"threadId": thread, **settings})
        return msgspec.json.decode(raw, type=_Begun).turn.id

    def listen(self, thread: str, listener: Callable[[str, Raw], None]) -> None:
        """Hand the thread's notifications to `listener`."""
        self.connection.listen(thread, listener)

    async def stop_turn(self, thread: str, turn: str | None) -> None:
        """End a turn and every command it left running. Never raises but for cancellation."""
        if turn is not None:
            await self._quietly("turn/interrupt", {"threadId": thread, "turnId": turn})
        await self._quietly("thread/backgroundTerminals/clean", {"threadId": thread})

    async def drop_thread(self, thread: str) -> None:
        """Unload a thread and forget it, its history on disk too: the memory it took comes back."""
        self.connection.forget(thread)
        await self._quietly("thread/delete", {"threadId": thread})

    async def end(self) -> None:
        """Kill it and everything it started, and remove its folder."""
        await self.connection.close()
        await asyncio.to_thread(process.end, self.folder)
        if self._child is not None:
            await asyncio.to_thread(self._child.wait)

    async def leave(self) -> None:
        """Let go of it; it runs on."""
        await self.connection.close()

    async def _patiently(self, method: str, params: dict[str, Any]) -> Raw:
        for left in reversed(range(_OVERLOADED_TRIES)):
            try:
                return await self.connection.call(method, params)
            except RpcError as error:
                if error.code != _OVERLOADED or not left:
                    raise
            await asyncio.sleep(_OVERLOADED_PAUSE_S * (_OVERLOADED_TRIES - left))
        raise AssertionError("unreachable: the last try returns or raises")

    async def _quietly(self, method: str, params: dict[str, Any]) -> None:
        with contextlib.suppress(RpcError, Disconnected, TimeoutError):
            await self.connection.call(method, params, _CLEAN_UP_TIMEOUT_S)


async def _connect(folder: Path, child: subprocess.Popen[bytes]) -> Connection:
    until = time.monotonic() + _START_TIMEOUT_S
    while time.monotonic() < until and child.poll() is None:
        socket = process.socket_of(folder)
        if socket is not None:
            with contextlib.suppress(Disconnected):
                return await Connection.open(socket)
        await asyncio.sleep(_LOOK_EVERY_S)
    raise UnavailableError(
        f"Codex's app-server does not come up: {process.last_words(folder) or 'it said nothing'}",
        "See `hundredfold doctor`; a Codex of another version may be the cause.",
    )

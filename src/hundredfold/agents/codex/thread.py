"""One attempt's thread: begun or found again, told what to do, waited for, and cleared away.

A turn whose server died goes on in the same thread, in a new process over the same home, as long as its
history was kept. What that needs (the attempt's address above all) lies in a private file of the server's
folder while the thread lives.
"""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from hundredfold.agents.codex.events import Turn
from hundredfold.agents.codex.home import thread_settings
from hundredfold.agents.codex.rpc import CallFailed, Connection, Disconnected
from hundredfold.agents.codex.server import Server
from hundredfold.agents.codex.turn import Watch
from hundredfold.agents.protocol import Gone, Outcome, WorkOrder
from hundredfold.errors import HundredfoldError
from hundredfold.workspaces.protocol import RESIDUE

#: how often a turn may lose its connection before it is given up
_MOST_LOSSES = 3
_CLEAR_S = 10.0

GO_ON = (
    "Your work was cut short by a restart; commands that ran were ended. Go on from where you were, and give "
    "your final answer in the form that was asked for."
)


class _Thread(Struct):
    id: str
    turns: list[Turn] = []


class _ThreadAnswer(Struct):
    thread: _Thread


class _Begun(Struct):
    turn: Turn


class Thread:
    """A thread on a server, for one order."""

    def __init__(self, server: Server, order: WorkOrder, watch: Watch) -> None:
        self.server = server
        self.order = order
        self.watch = watch
        self.id = ""
        self._turn = ""
        self._settings: dict[str, Any] = {}
        self._scratch = server.home.scratch / order.attempt

    async def begin(self) -> None:
        """Start the thread; no turn yet.

        Raises:
            Disconnected, CallFailed, UnavailableError, StorageError: as they say.
        """
        async with self.server.starting:
            connection = await self.server.connection()
            self._scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._settings = thread_settings(self.order, self._scratch)
            raw = await connection.call("thread/start", self._settings)
        self.id = msgspec.json.decode(raw, type=_ThreadAnswer).thread.id
        file = self._file
        file.touch(mode=0o600)
        file.write_bytes(msgspec.json.encode(self._settings))
        connection.listen(self.id, self.watch.hear)

    def recall(self, identity: str) -> None:
        """This is a thread of an earlier process.

        Raises:
            Gone: nothing is known of it any more.
        """
        self.id = identity
        try:
            self._settings = msgspec.json.decode(self._file.read_bytes(), type=dict[str, Any])
        except (OSError, msgspec.DecodeError):
            raise Gone(f"thread {identity} is not known") from None

    async def finish(self, *, resumed: bool) -> Outcome:
        """Have the turn done: start it, or find the one that runs; through a lost connection or server too.

        Raises:
            Gone: its history is lost.
            Stalled: the agent was silent for too long.
            CallFailed, UnavailableError, StorageError: as they say.
        """
        cause = "the connection was lost"
        for loss in range(_MOST_LOSSES + 1):
            try:
                connection = await self.server.connection()
                if resumed or loss:
                    await self._rejoin(connection)
                else:
                    await self._start_turn(connection, self.order.prompt)
                outcome = await self.watch.end_of(self._turn, self.order.stall_s, connection.closed)
                if outcome is not None:
                    self._turn = ""
                    return outcome
            except Disconnected as error:
                cause = str(error)
        return Outcome(
            "failed", error_kind="agent", error=f"Codex's server was lost again and again: {cause}"
        )

    async def clear(self) -> None:
        """Stop what still runs of the thread, forget it, and remove what it left in the workspace.

        If the server does not do as it is told it is retired: what its commands hold is ended with it.
        """
        try:
            if self.id and self.server.alive:
                connection = await self.server.connection()
                await self._stop(connection)
                connection.forget(self.id)
        except (CallFailed, Disconnected, HundredfoldError):
            self.server.retired = True
        finally:
            if self.id:
                self._file.unlink(missing_ok=True)
            shutil.rmtree(self._scratch, ignore_errors=True)
            for name in RESIDUE:
                with contextlib.suppress(OSError):
                    (self.order.workspace / name).rmdir()  # only if it is empty

    @property
    def _file(self) -> Path:
        return self.server.home.threads / f"{self.id}.json"

    async def _start_turn(self, connection: Connection, text: str) -> None:
        params: dict[str, Any] = {
            "threadId": self.id,
            # Text from outside may hold what UTF-8 can't.
            "input": [{"type": "text", "text": text.encode("utf-8", "replace").decode()}],
            "outputSchema": self.order.schema,
        }
        if self.order.effort:
            params["effort"] = self.order.effort
        self.watch.touch()
        raw = await connection.call("turn/start", params, timeout_s=self.order.stall_s)
        self._turn = msgspec.json.decode(raw, type=_Begun).turn.id

    async def _rejoin(self, connection: Connection) -> None:
        """Find the thread's last turn: over, running, cut short with its server, or not begun."""
        connection.listen(self.id, self.watch.hear)
        try:
            raw = await connection.call("thread/resume", {"threadId": self.id, **self._settings})
        except CallFailed as error:
            if error.code is None:
                raise
            raise Gone(f"thread {self.id}: {error}") from error
        turns = msgspec.json.decode(raw, type=_ThreadAnswer).thread.turns
        self.watch.touch()
        if not turns:
            await self._start_turn(connection, self.order.prompt)
        elif turns[-1].status == "inProgress":
            self._turn = turns[-1].id
        elif turns[-1].status == "interrupted":
            await self._start_turn(connection, GO_ON)
        else:
            self._turn = turns[-1].id
            self.watch.over(turns[-1])

    async def _stop(self, connection: Connection) -> None:
        thread = {"threadId": self.id}
        if self._turn:
            with contextlib.suppress(CallFailed):  # it may have ended by itself just now
                await connection.call("turn/interrupt", {**thread, "turnId": self._turn}, timeout_s=_CLEAR_S)
        await connection.call("thread/backgroundTerminals/clean", thread, timeout_s=_CLEAR_S)
        await connection.call("thread/delete", thread, timeout_s=_CLEAR_S)

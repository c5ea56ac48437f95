"""The Codex backend: an attempt is one turn of one thread on a shared app-server.

Servers outlive this process. A later one finds an attempt again by its session: the turn still runs, or ended
while nobody listened, or its server died and the thread is taken up again, from its history, in a new one.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import psutil
from msgspec import Struct

from hundredfold.agents.codex import process
from hundredfold.agents.codex.confinement import sight_of
from hundredfold.agents.codex.events import TurnState, last_message, outcome_of
from hundredfold.agents.codex.home import thread_settings, turn_settings
from hundredfold.agents.codex.locate import MEND, Codex, find_codex
from hundredfold.agents.codex.pool import ServerPool
from hundredfold.agents.codex.rpc import Disconnected, RpcError
from hundredfold.agents.codex.server import Server
from hundredfold.agents.codex.turn import Turn
from hundredfold.agents.protocol import Event, Gone, Outcome, Started, WorkOrder
from hundredfold.errors import UnavailableError
from hundredfold.workspaces.gitview import git_view

#: an attempt whose servers died this often is not taken up again
_LIVES = 3
#: what an attempt may take beyond its deadline to be stopped and cleaned up
_CLEAN_UP_S = 30.0

_CONTINUE = "You were interrupted. Go on with the task where you left off, then give the final answer."

#: empty folders that Codex leaves in a workspace when it is killed
_RESIDUE = (".agents", ".aws", ".codex", ".git")


class Session(Struct, frozen=True):
    """What finds an attempt again. It holds no address: that is a credential and stays in the state folder."""

    server: str
    thread: str


class CodexBackend:
    """Runs work orders on app-servers whose homes are below `state` (made if missing, mode 0700).

    `workspaces` is the folder that orders' workspaces are below (default: `workspaces` beside `state`): servers
    see it whole, an attempt's commands see their own workspace only. A server has at most `threads_per_server`
    attempts at once, and about `threads_per_life` in all before another takes over.
    """

    name = "codex"

    def __init__(
        self,
        state: Path,
        *,
        workspaces: Path | None = None,
        threads_per_server: int = 100,
        threads_per_life: int = 400,
    ) -> None:
        self._state = state.resolve()
        self._workspaces = (workspaces or state.parent / "workspaces").resolve()
        self._pool = ServerPool(
            self._state / "servers",
            threads_per_server=threads_per_server,
            threads_per_life=threads_per_life,
        )
        self._closed = False

    async def run(
        self, order: WorkOrder, report: Callable[[Event], None], resume: dict[str, Any] | None = None
    ) -> Outcome:
        """Run the order to its end (see `agents.protocol.Backend`).

        Raises:
            Gone: the thread to resume is nowhere.
            UnavailableError: there is no Codex, or it can't be run confined.
            asyncio.CancelledError: cancelled, or the backend was closed meanwhile.
        """
        codex = find_codex()
        if codex is None:
            raise UnavailableError("there is no Codex on this machine", MEND)
        session = _session(resume)
        deadline_at = time.monotonic() + order.deadline_s
        order = msgspec.structs.replace(order, workspace=order.workspace.resolve())
        try:
            async with asyncio.timeout(order.deadline_s + _CLEAN_UP_S):
                server = await self._server(codex, order, session)
                return await self._lives(server, order, session, report, deadline_at)
        except TimeoutError:
            return Outcome(status="failed", error_kind="deadline", error="the attempt's deadline passed")

    async def close(self, *, keep_running: bool = False) -> None:
        """End every server and all it started, or leave them running for a later process to resume."""
        self._closed = True
        await self._pool.close(keep_running=keep_running)

    async def _server(self, codex: Codex, order: WorkOrder, session: Session | None) -> Server:
        self._state.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._workspaces.mkdir(parents=True, exist_ok=True, mode=0o700)
        sight = sight_of(order, self._workspaces)
        if session is None:
            return await self._pool.take(codex, sight)
        server = await self._pool.take_named(session.server, sight)
        if server is None:
            raise Gone("its app-server's folder is no longer there")
        return server

    async def _lives(
        self,
        server: Server,
        order: WorkOrder,
        session: Session | None,
        report: Callable[[Event], None],
        deadline_at: float,
    ) -> Outcome:
        """Attend to the attempt, on a new server each time its server dies."""
        resumed = session is not None
        try:
            for _ in range(_LIVES):
                try:
                    attempt = await _Attempt.on(server, order, session, report)
                    outcome = await attempt.attend(deadline_at)
                except Disconnected as lost:
                    if session is None:
                        return _failed(f"the app-server died: {lost}")
                    outcome = None
                except TimeoutError:
                    return Outcome(status="failed", error_kind="stalled", error="the app-server is silent")
                except RpcError as error:
                    return _failed(f"the app-server refused: {error}")
                if outcome is not None:
                    return outcome
                if self._closed:
                    raise asyncio.CancelledError
                session = Session(server.folder.name, attempt.thread)
                again = await self._pool.take_named(session.server, server.sight)
                if again is None:
                    return _failed("the app-server died and its folder is gone")
                await self._pool.give_back(server)
                server = again
        except Gone as gone:
            if resumed:
                raise
            return _failed(str(gone))
        finally:
            await asyncio.shield(self._pool.give_back(server))
        return _failed(f"{_LIVES} app-servers died under it")


class _Attempt:
    """An attempt on a server it is known to: its thread is loaded and listened to."""

    def __init__(self, server: Server, order: WorkOrder, thread: str, turn: Turn) -> None:
        self.server = server
        self.order = order
        self.thread = thread
        self.turn = turn
        self._last: TurnState | None = None

    @classmethod
    async def on(
        cls, server: Server, order: WorkOrder, session: Session | None, report: Callable[[Event], None]
    ) -> _Attempt:
        """Open a thread for the order, or load the session's."""
        turn = Turn(report)
        address = order.gateway_url or (_kept_address(server, session.thread) if session else "")
        known = msgspec.structs.replace(order, gateway_url=address)
        settings = thread_settings(known, server.home, server.codex, _readable(order.workspace))
        if session is None:
            attempt = cls(server, order, await server.open_thread(settings), turn)
            _keep_address(server, attempt.thread, address)
            server.listen(attempt.thread, turn.hear)
        else:
            attempt = cls(server, order, session.thread, turn)
            server.listen(session.thread, turn.hear)
            try:
                attempt._last = await server.resume_thread(session.thread, settings)
            except RpcError as error:
                raise Gone(f"the thread can't be resumed: {error}") from error
        report(Started(msgspec.to_builtins(Session(server.folder.name, attempt.thread))))
        return attempt

    async def attend(self, deadline_at: float) -> Outcome | None:
        """See the turn to its end and clean up after it; None if the server died (nothing is cleaned then)."""
        outcome: Outcome | None = None
        try:
            outcome = await self._outcome(deadline_at)
        except Disconnected:
            return None
        except BaseException:
            await asyncio.shield(self._stop())
            raise
        if outcome is not None:
            await (self._finish() if self.turn.ended.done() else self._stop())
        return outcome

    async def _outcome(self, deadline_at: float) -> Outcome | None:
        last = self._last
        if last is not None and last.status in ("completed", "failed"):
            self.turn.hear_end(last)
            return outcome_of(last, last_message(last))
        if last is not None and last.status == "inProgress":
            self.turn.id = last.id
        else:
            text = self.order.prompt if last is None else _CONTINUE
            self.turn.id = await self.server.begin_turn(self.thread, turn_settings(self.order, text))
        return await self.turn.outcome(self.server.lost, stall_s=self.order.stall_s, deadline_at=deadline_at)

    async def _stop(self) -> None:
        """Stop the turn and all that its commands left running."""
        await self.server.stop_turn(self.thread, self.turn.id)
        await self._finish()
        await asyncio.to_thread(_kill_strays, self.server.folder, self.order.workspace)

    async def _finish(self) -> None:
        await self.server.drop_thread(self.thread)
        _address_file(self.server, self.thread).unlink(missing_ok=True)
        for name in _RESIDUE:
            with contextlib.suppress(OSError):  # not there, or not empty, hence not Codex's
                (self.order.workspace / name).rmdir()


def _session(resume: dict[str, Any] | None) -> Session | None:
    if resume is None:
        return None
    try:
        return msgspec.convert(resume, Session)
    except msgspec.ValidationError as error:
        raise Gone(f"not a session of this backend: {error}") from error


def _readable(workspace: Path) -> list[Path]:
    """What an attempt may read besides its workspace: the git folder and objects that belong to it."""
    return [path for path in git_view(workspace).visible if not path.is_relative_to(workspace)]


def _kill_strays(folder: Path, workspace: Path) -> None:
    """Kill what a server's processes still run in a workspace."""
    strays: list[psutil.Process] = []
    for running in process.processes_of(folder):
        with contextlib.suppress(psutil.Error, OSError):
            if Path(running.cwd()).is_relative_to(workspace):
                strays.append(running)
    process.kill(strays)


def _address_file(server: Server, thread: str) -> Path:
    return server.folder / "threads" / thread


def _keep_address(server: Server, thread: str, address: str) -> None:
    file = _address_file(server, thread)
    file.parent.mkdir(mode=0o700, exist_ok=True)
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
        opened.write(address)


def _kept_address(server: Server, thread: str) -> str:
    try:
        return _address_file(server, thread).read_text(encoding="utf-8")
    except OSError as error:
        raise Gone("the attempt's address is not kept any more") from error


def _failed(error: str) -> Outcome:
    return Outcome(status="failed", error_kind="agent", error=error)

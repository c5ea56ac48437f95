"""The Codex backend: work orders as turns in the threads of shared, detached app-servers.

`run` is the whole story of an attempt: a place on a server, a thread, a turn, its end. The watchdogs are
ours because Codex has none: it waits for ever for the first byte of an answer, and retries a refused
connection for ever.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from hundredfold.agents.codex.confinement import sight_of
from hundredfold.agents.codex.locate import find_codex
from hundredfold.agents.codex.pool import Servers
from hundredfold.agents.codex.rpc import CallFailed, Disconnected
from hundredfold.agents.codex.server import Server
from hundredfold.agents.codex.thread import Thread
from hundredfold.agents.codex.turn import Stalled, Watch
from hundredfold.agents.protocol import Event, Gone, Outcome, Started, WorkOrder
from hundredfold.tasks import to_the_end

#: threads at once on one server
THREADS_PER_SERVER = 100
#: threads in a server's whole life: it does not give back all of its memory, so it is replaced
THREADS_PER_LIFE = 400


class CodexBackend:
    """Runs work orders with Codex. All it keeps is below `state` (0700); servers left there are used again.

    `workspaces` is the folder that orders' workspaces are below (default: `workspaces` beside `state`):
    servers see it whole, an attempt's commands see their own workspace only.
    """

    name = "codex"

    def __init__(
        self,
        state: Path,
        *,
        workspaces: Path | None = None,
        threads_per_server: int = THREADS_PER_SERVER,
        threads_per_life: int = THREADS_PER_LIFE,
    ) -> None:
        folder = state.resolve()
        self._workspaces = (workspaces or folder.parent / "workspaces").resolve()
        self._servers = Servers(
            folder / "servers", find_codex(), threads=threads_per_server, life=threads_per_life
        )

    async def run(
        self, order: WorkOrder, report: Callable[[Event], None], resume: dict[str, Any] | None = None
    ) -> Outcome:
        """Run the order to its end (see `agents.protocol.Backend`).

        Raises:
            Gone: the server and the thread's history of `resume` are no more.
            UnavailableError: Codex is not installed, can't be started, or can't be run safely.
            StorageError: the disk refused.
        """
        order = replace(order, workspace=order.workspace.resolve())
        server = await self._server(order, resume)
        thread = Thread(server, order, Watch(report, resumed=resume is not None))
        try:
            async with asyncio.timeout(order.deadline_s):
                return await _worked(thread, report, resume)
        except TimeoutError:
            error = f"not done after {order.deadline_s:.0f} s"
            return Outcome("failed", error_kind="deadline", error=error)
        except Stalled as stalled:
            return Outcome("failed", error_kind="stalled", error=str(stalled))
        except (CallFailed, Disconnected) as failed:
            return Outcome("failed", error_kind="agent", error=f"Codex's server: {failed}")
        finally:
            await to_the_end(self._leave(thread))

    async def close(self, *, keep_running: bool = False) -> None:
        """End every server of ours and what it started, or leave them running to be found again."""
        await self._servers.close(keep_running=keep_running)

    async def _server(self, order: WorkOrder, resume: dict[str, Any] | None) -> Server:
        if resume is None:
            return await self._servers.borrow(sight_of(order, self._workspaces))
        server = await self._servers.find(str(resume.get("server")))
        if server is None:
            raise Gone(f"the server {resume.get('server')} is no more")
        return server

    async def _leave(self, thread: Thread) -> None:
        try:
            await thread.clear()
        finally:
            await self._servers.give_back(thread.server)


async def _worked(thread: Thread, report: Callable[[Event], None], resume: dict[str, Any] | None) -> Outcome:
    if resume is None:
        await thread.begin()
    else:
        thread.recall(str(resume.get("thread")))
    report(Started({"server": thread.server.id, "thread": thread.id}))
    return await thread.finish(resumed=resume is not None)

"""The app-servers of one state folder: which attempt goes where, and how long each server lives.

A server costs about 80 MB before its first thread and keeps a little of each it ever had. So few servers
have many threads each, and one that has had its share takes no more and ends with its last.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from hundredfold.agents.codex import process
from hundredfold.agents.codex.confinement import Sight
from hundredfold.agents.codex.locate import MEND, Codex
from hundredfold.agents.codex.server import Server
from hundredfold.errors import UnavailableError
from hundredfold.workspaces.bubblewrap import locate_bubblewrap


class ServerPool:
    """Starts, finds and ends the servers below `folder`. One process at a time may use a folder."""

    def __init__(self, folder: Path, *, threads_per_server: int, threads_per_life: int) -> None:
        self._folder = folder
        self._most_live = threads_per_server
        self._most_opened = threads_per_life
        self._servers: dict[str, Server] = {}
        self._lock = asyncio.Lock()
        self._adopted = False
        #: how servers are confined on this machine; None until one was really tried
        self._confined: bool | None = None

    async def take(self, codex: Codex, sight: Sight) -> Server:
        """A server with that sight and room for a thread, started if there is none; give it back.

        Raises:
            UnavailableError: no server comes up, or none that keeps attempts from each other's files.
        """
        async with self._lock:
            await self._adopt()
            for server in self._servers.values():
                if self._has_room(server) and server.sight.covers(sight):
                    break
            else:
                server = await self._start(codex, sight)
            server.live += 1
            return server

    async def take_named(self, name: str, sight: Sight) -> Server | None:
        """The server of that name, started again from its folder if it died; None if its folder is gone."""
        async with self._lock:
            await self._adopt()
            server = self._servers.get(name)
            if server is None or server.lost.is_set():
                server = await self._revive(name, sight)
            if server is not None:
                server.live += 1
            return server

    async def give_back(self, server: Server) -> None:
        """The attempt on it is over. A server that has had its share, or died, ends with its last attempt."""
        server.live -= 1
        if server.live > 0 or (not server.lost.is_set() and server.opened < self._most_opened):
            return
        async with self._lock:
            if server.live == 0 and self._servers.get(server.folder.name) is server:
                del self._servers[server.folder.name]
                await server.end()

    async def close(self, *, keep_running: bool) -> None:
        """End every server below the folder, also those that only an earlier life of ours knew; or let go."""
        async with self._lock:
            servers, self._servers = list(self._servers.values()), {}
            for server in servers:
                await (server.leave() if keep_running else server.end())
            if not keep_running:
                for folder in self._folders():
                    await asyncio.to_thread(process.end, folder)

    def _has_room(self, server: Server) -> bool:
        return (
            not server.lost.is_set()
            and server.live < self._most_live
            and server.opened + server.live < self._most_opened + self._most_live
            and server.opened < self._most_opened
        )

    async def _start(self, codex: Codex, sight: Sight) -> Server:
        """Start a server as confined as this machine allows, and prove it by a command that tries to cheat."""
        ways = [self._confined] if self._confined is not None else [True, False]
        if locate_bubblewrap() is None:
            ways = [False]
        trouble = "its sandbox does not work"
        for confined in ways:
            folder = process.make_folder(self._folder)
            try:
                server = await Server.start(folder, codex, sight, confined=confined)
            except UnavailableError as error:
                trouble = str(error)
                await asyncio.to_thread(process.end, folder)
                continue
            except BaseException:
                await asyncio.to_thread(process.end, folder)
                raise
            if await server.confines():
                self._confined = confined
                self._servers[folder.name] = server
                return server
            await server.end()
        raise UnavailableError(
            f"Codex can't be run safely here: {trouble}",
            f"Allow unprivileged user namespaces, or use the native agent. {MEND}",
        )

    async def _revive(self, name: str, sight: Sight) -> Server | None:
        dead = self._servers.pop(name, None)
        if dead is not None:
            await dead.leave()
        folder = self._folder / name
        record = process.read_record(folder)
        if record is None:
            return None
        await asyncio.to_thread(process.kill, process.processes_of(folder))
        both = Sight(record.sight.roots | sight.roots, record.sight.read | sight.read)
        codex = Codex(binary=record.binary, package=record.package)
        server = await Server.start(folder, codex, both, confined=record.confined)
        self._servers[name] = server
        return server

    async def _adopt(self) -> None:
        """Once: connect to the servers that still run, reap what is left of those that don't."""
        if self._adopted:
            return
        self._adopted = True
        for folder in self._folders():
            server = await Server.attach(folder)
            if server is not None:
                self._servers[folder.name] = server
            else:
                # Its threads may still be resumed from its folder, which `close` removes.
                await asyncio.to_thread(process.kill, process.processes_of(folder))

    def _folders(self) -> list[Path]:
        return sorted(path for path in self._folder.glob("*/") if (path / "home").is_dir())

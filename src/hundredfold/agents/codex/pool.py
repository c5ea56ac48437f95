"""The servers of one state folder: found again, filled, retired after enough threads, ended.

A server costs some 80 MB before its first thread and keeps a little of each it ever had. So few servers have
many threads each, and one that has had its share takes no more and ends with its last.
"""

from __future__ import annotations

import asyncio
import secrets
from pathlib import Path

from hundredfold.agents.codex.confinement import Sight
from hundredfold.agents.codex.locate import MEND
from hundredfold.agents.codex.server import Server, claim
from hundredfold.errors import StorageError, UnavailableError
from hundredfold.workspaces.bubblewrap import locate_bubblewrap

#: seconds between two attempts' starts. A fleet that starts at one moment sends its requests and runs its
#: commands at one moment too, and each sandbox that is being set up takes 6 MB (100 at once: 800 MB together,
#: spaced: 500) and a part of the provider's minute.
_SPACING_S = 0.06


class Servers:
    """Places threads on servers. All methods belong to one event loop."""

    def __init__(self, folder: Path, program: Path | None, *, threads: int, life: int) -> None:
        self._folder = folder
        self._program = program
        self._threads = threads
        self._life = life
        self._servers: dict[str, Server] = {}
        self._lock = asyncio.Lock()
        self._opened = False
        self._next_start = 0.0
        #: whether servers can be confined as a whole here; None until one was really tried
        self._confined: bool | None = None

    async def borrow(self, sight: Sight) -> Server:
        """A server with that sight and room for one more thread, started if there is none; give it back.

        Raises:
            UnavailableError: no server comes up, or none that keeps attempts from each other's files.
            StorageError: the disk refused.
        """
        await self._spaced()
        async with self._lock:
            await self._open()
            room = [server for server in self._servers.values() if self._has_room(server, sight)]
            server = max(room, key=lambda one: one.live) if room else await self._new(sight)
            server.live += 1
            server.begun += 1
            return server

    async def find(self, identity: str) -> Server | None:
        """The server of that id, left by an earlier life of ours; None if it is no more. Give it back.

        Raises:
            UnavailableError: Codex is not installed.
            StorageError: the disk refused.
        """
        async with self._lock:
            await self._open()
            server = self._servers.get(identity)
            if server is not None:
                server.live += 1
            return server

    async def give_back(self, server: Server) -> None:
        """The thread is over. A server that has had its share ends with its last one."""
        server.live -= 1
        done = server.retired or server.begun >= self._life
        ours = self._servers.get(server.id) is server
        if ours and done and server.live == 0 and not server.unfinished:
            del self._servers[server.id]
            await server.stop()

    async def close(self, *, keep_running: bool) -> None:
        """End all servers, also those that an earlier life of ours left; or let all of them run on."""
        async with self._lock:
            if not keep_running and self._folder.is_dir() and self._program is not None:
                await self._open()
            servers, self._servers = list(self._servers.values()), {}
            self._opened = False
            await asyncio.gather(*(one.release() if keep_running else one.stop() for one in servers))

    def _ways(self) -> tuple[bool, ...]:
        if locate_bubblewrap() is None:
            return (False,)
        return (True, False) if self._confined is None else (self._confined,)

    async def _spaced(self) -> None:
        now = asyncio.get_running_loop().time()
        start, self._next_start = self._next_start, max(now, self._next_start) + _SPACING_S
        await asyncio.sleep(max(0.0, start - now))

    def _has_room(self, server: Server, sight: Sight) -> bool:
        return (
            not server.retired
            and server.live < self._threads
            and server.begun < self._life
            and server.sight.covers(sight)
        )

    async def _open(self) -> None:
        """Once: take up the servers that an earlier life left with threads to resume, end the others."""
        if self._opened:
            return
        if self._program is None:
            raise UnavailableError("Codex is not installed", MEND)
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            for path in sorted(self._folder.iterdir()):
                server = claim(path, self._program, Sight(), confined=True)
                if server is not None and server.unfinished:
                    # How many threads it has had is not known, so it takes no new ones.
                    server.retired = True
                    self._servers[server.id] = server
                elif server is not None:
                    await server.stop()
        except OSError as error:
            raise _refused(self._folder, error) from error
        self._opened = True

    async def _new(self, sight: Sight) -> Server:
        """Start a server as confined as this machine allows, and have it prove that commands are."""
        assert self._program is not None
        trouble = "its sandbox lets commands read what they must not, or does not work at all"
        for confined in self._ways():
            folder = self._folder / secrets.token_hex(4)
            try:
                server = claim(folder, self._program, sight, confined=confined)
            except OSError as error:
                raise _refused(folder, error) from error
            assert server is not None, "a new folder is nobody's"
            try:
                if await server.confines():
                    self._confined = confined
                    self._servers[server.id] = server
                    return server
            except UnavailableError as error:
                trouble = str(error)
            finally:
                if server.id not in self._servers:
                    await asyncio.shield(server.stop())
        raise UnavailableError(
            f"Codex can't be run safely here: {trouble}",
            "Allow unprivileged user namespaces and install bubblewrap, or use the native agent.",
        )


def _refused(folder: Path, error: OSError) -> StorageError:
    return StorageError(
        f"can't write {folder}: {error.strerror}",
        "Free some disk space, or set HUNDREDFOLD_HOME to a folder you can write.",
    )

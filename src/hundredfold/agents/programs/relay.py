"""The only way out of an agent's sandbox: what connects inside is carried to the gateway, nowhere else."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable

_CHUNK = 65536


@contextlib.asynccontextmanager
async def relayed(
    door: socket.socket, host: str, port: int, heard: Callable[[], None]
) -> AsyncIterator[None]:
    """Carry what connects to `door` (a listening socket of the sandbox's own network) to `host`:`port` while
    the block lasts; `heard` is called whenever something comes back. Owns `door`.
    """
    open_ends: set[asyncio.StreamWriter] = set()

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        open_ends.add(writer)
        try:
            back, forth = await asyncio.open_connection(host, port)
        except OSError:  # the agent sees its connection closed, as if there were nobody
            open_ends.discard(writer)
            writer.transport.abort()
            return
        open_ends.add(forth)
        try:
            await asyncio.gather(_pump(reader, forth, None), _pump(back, writer, heard))
        finally:
            for end in (writer, forth):
                open_ends.discard(end)
                end.close()

    server = await asyncio.start_server(carry, sock=door)
    try:
        yield
    finally:
        server.close()
        for end in list(open_ends):
            end.transport.abort()


async def _pump(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, heard: Callable[[], None] | None
) -> None:
    """Carry bytes until either end is gone; an end that only stopped sending may still be answered."""
    with contextlib.suppress(OSError):
        while data := await reader.read(_CHUNK):
            if heard is not None:
                heard()
            writer.write(data)
            await writer.drain()
        if heard is not None:  # the gateway closed: so does the agent's connection
            writer.close()
        elif writer.can_write_eof():
            writer.write_eof()
        return
    writer.transport.abort()

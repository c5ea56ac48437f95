"""Running a simulated forge: in a thread of this process, or for good in the process that calls `serve`."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Iterator

from aiohttp import web

from hundredfold.errors import UnavailableError
from hundredfold.simulation.forge.hub import Hub
from hundredfold.simulation.forge.server import Server

START_TIMEOUT_S = 20.0


@contextlib.asynccontextmanager
async def serving(hub: Hub, port: int = 0) -> AsyncIterator[str]:
    """Serve the hub on loopback in the running loop; yields its address, like http://127.0.0.1:8080."""
    runner = web.AppRunner(
        Server(hub).application(), access_log=None, keepalive_timeout=75, shutdown_timeout=0.2
    )
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", port, backlog=1024)
        await site.start()
        hub.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield hub.url
    finally:
        await runner.cleanup()


@contextlib.contextmanager
def in_thread(hub: Hub, port: int = 0) -> Iterator[str]:
    """Serve the hub from a thread of its own, for callers with and without a loop; yields its address.

    Raises:
        UnavailableError: it does not start.
    """
    ready, stop = threading.Event(), asyncio.Event()
    loop = asyncio.new_event_loop()
    failed: list[BaseException] = []

    async def work() -> None:
        try:
            async with serving(hub, port):
                ready.set()
                await stop.wait()
        except OSError as error:
            failed.append(error)
            ready.set()

    def run() -> None:
        try:
            loop.run_until_complete(work())
        finally:
            loop.close()

    thread = threading.Thread(target=run, name="simulated forge", daemon=True)
    thread.start()
    if not ready.wait(START_TIMEOUT_S) or failed:
        raise UnavailableError(
            f"the simulated forge did not start: {failed or 'no answer'}", "Is the port free?"
        )
    try:
        yield hub.url
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(START_TIMEOUT_S)

"""The gateway's process: one per state folder, on loopback, on the same port after every restart."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import logging.handlers
import os
import resource
import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import StreamReader
from filelock import FileLock, Timeout

from hundredfold.errors import HundredfoldError, StorageError, UnavailableError
from hundredfold.gateway.admittance import Admittance
from hundredfold.gateway.control import Control
from hundredfold.gateway.dialects.chat import Chat
from hundredfold.gateway.dialects.messages import Messages
from hundredfold.gateway.dialects.protocol import Dialect
from hundredfold.gateway.dialects.responses import Responses
from hundredfold.gateway.exchange import Books
from hundredfold.gateway.journal import Journal
from hundredfold.gateway.limiting import Limiting
from hundredfold.gateway.poster import Poster
from hundredfold.gateway.proxy import MOST_BODY_BYTES, Proxy, storage_problem
from hundredfold.gateway.settings import Address, StateFolder
from hundredfold.gateway.tally import Tally
from hundredfold.gateway.upstreams import providers
from hundredfold.prices.book import load_book
from hundredfold.store.database import open_database
from hundredfold.usage.ledger import Ledger

HOST = "127.0.0.1"
#: in this order: Messages tells its clients' calls for models from OpenAI's by a header
DIALECTS: tuple[Dialect, ...] = (Messages(), Responses(), Chat())
LAST_REQUESTS_S = 5.0
LAST_FLUSH_S = 10.0
IDLE_CHECK_S = 1.0
PORT_WAIT_S = 5.0
#: some 10 MB of them, were none freed without
GARBAGE_OBJECTS = 20_000
LOG_BYTES = 4 * 1024 * 1024
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "[::1]"})

log = logging.getLogger(__name__)


def serve(folder: Path) -> int:
    """Serve `folder` until told to stop; the exit code. If another process serves it, end quietly."""
    os.umask(0o077)
    most_files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most_files, most_files))  # two sockets a request
    state = StateFolder(folder)
    try:
        state.make()
        _log_to(state.log)
        with FileLock(state.lock, timeout=0):
            asyncio.run(_Gateway(state).run())
    except Timeout:
        return 0
    except HundredfoldError as error:
        log.error("%s. %s", error, error.mend)
        return error.exit_code
    except Exception:
        log.exception("the gateway ended by a fault")
        return 1
    return 0


class _Gateway:
    """All parts of one gateway, put together once."""

    def __init__(self, state: StateFolder) -> None:
        self._state = state
        self._config = state.read_config()
        self._last_word_s = time.monotonic()

    async def run(self) -> None:
        config, secret = self._config, self._state.secret()
        ended = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, ended.set)
        journal = Journal(self._state.journal)
        dead = journal.settle_dead()
        if dead:
            log.warning("%d requests were in flight when the gateway died: kept at their worst case", dead)
        database = open_database(config.database_url, migrate=False)
        lookups, posting = ThreadPoolExecutor(4, "lookup"), ThreadPoolExecutor(1, "posting")
        ledger = Ledger(database)
        poster = Poster(journal, ledger, posting)
        book = load_book([Path(file) for file in config.prices])
        known = providers(config, os.environ)
        tally = Tally()
        books = Books(
            config=config,
            prices=book,
            journal=journal,
            limiting=Limiting(book, ledger, poster),
            tally=tally,
        )
        self._providers = known
        self._admittance = Admittance(database, lookups, lambda: poster.started)
        self._proxy = Proxy(books, known, DIALECTS)
        fingerprint = config.fingerprint(os.environ, secret)
        self._control = Control(secret, fingerprint, tally, poster, known, ended.set)
        task = asyncio.create_task(poster.run())
        try:
            await self._listen(ended)
        finally:
            task.cancel()
            with contextlib.suppress(StorageError, TimeoutError):
                await asyncio.wait_for(poster.flush(), LAST_FLUSH_S)
            for provider in known.values():
                await provider.close()
            journal.close()
            for threads in (lookups, posting):
                threads.shutdown(wait=False, cancel_futures=True)

    async def _listen(self, ended: asyncio.Event) -> None:
        server = web.Server(
            self._handle,
            request_factory=_request,
            handler_cancellation=True,
            auto_decompress=False,
            access_log=None,
        )
        runner = web.ServerRunner(server, shutdown_timeout=LAST_REQUESTS_S)
        await runner.setup()
        listening = await _socket(self._state.read_address())
        await web.SockSite(runner, listening, backlog=1024).start()
        port = listening.getsockname()[1]
        started_s = psutil.Process().create_time()
        self._state.write_address(Address(port=port, pid=os.getpid(), started_s=started_s))
        _spare_the_collector()
        log.info("listening on http://%s:%d, process %d", HOST, port, os.getpid())
        while not ended.is_set() and not self._idle():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(ended.wait(), IDLE_CHECK_S)
        log.info("ending: %s", "told to" if ended.is_set() else "nobody has asked for anything")
        await runner.cleanup()

    def _idle(self) -> bool:
        if any(provider.in_flight for provider in self._providers.values()):
            self._last_word_s = time.monotonic()
        return time.monotonic() - self._last_word_s > self._config.idle_exit_seconds

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        host = request.headers.get("Host", "").lower()
        if host.rpartition(":")[0] not in _LOOPBACK and host not in _LOOPBACK:
            return _nothing_here()  # a name that was rebound to loopback
        parts = request.rel_url.raw_path.split("/", 4)
        if parts[1:] == ["healthz"]:
            return web.Response(text="ok\n")
        if len(parts) == 3 and parts[1] == "control" and self._control.allows(request):
            self._last_word_s = time.monotonic()
            return await self._control.answer(request.method, parts[2]) or _nothing_here()
        if len(parts) < 5 or parts[1] != "a" or parts[3] != "v1":
            return _nothing_here()
        path = "/" + parts[4]
        try:
            granted = await self._admittance.find(parts[2])
        except StorageError as error:
            return self._proxy.failed(request, path, storage_problem(error))
        if granted is None:
            return _nothing_here()
        self._last_word_s = time.monotonic()
        return await self._proxy.forward(request, granted, path)


def _spare_the_collector() -> None:
    """Have Python look for garbage in cycles seldom, and never among what was there at the start: most of a
    request is freed without, and the looking took an eighth of the gateway's time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE_OBJECTS, *gc.get_threshold()[1:])


def _nothing_here() -> web.Response:
    """One answer for every wrong address, so that none can be told from another."""
    return web.Response(status=404, text="not found\n")


def _request(
    message: RawRequestMessage,
    payload: StreamReader,
    protocol: web.RequestHandler,
    writer: AbstractStreamWriter,
    task: asyncio.Task[None],
) -> web.BaseRequest:
    loop = asyncio.get_running_loop()
    return web.BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=MOST_BODY_BYTES)


async def _socket(last: Address | None) -> socket.socket:
    """A listening socket on the port of last time; running agents know no other.

    Raises:
        UnavailableError: another program holds that port.
    """
    port = last.port if last else 0
    deadline = time.monotonic() + PORT_WAIT_S
    while True:
        found = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            found.bind((HOST, port))
        except OSError as error:
            found.close()
            if time.monotonic() > deadline:
                raise UnavailableError(
                    f"the gateway's port {port} is taken by another program: {error.strerror}",
                    "End that program, or delete the project's gateway/address.json when no agent runs.",
                ) from error
            await asyncio.sleep(0.1)
        else:
            return found


def _log_to(path: Path) -> None:
    handler = logging.handlers.RotatingFileHandler(path, maxBytes=LOG_BYTES, backupCount=1)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    root = logging.getLogger("hundredfold")
    root.addHandler(handler)
    root.setLevel(logging.INFO)

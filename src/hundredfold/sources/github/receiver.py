"""Taking in GitHub's webhooks: signature checked, replays refused, bursts told once.

A delivery is kept in one transaction: that it came, and what it changes. Only its body is signed, so a
replay is known by the body, under whatever delivery id and event it comes. What a burst changed is told once
for each item, when it has been quiet for a moment.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from hundredfold.errors import StorageError, UnavailableError
from hundredfold.sources.github.bodies import OddBody
from hundredfold.sources.github.deliveries import Change, change_of, repository_of
from hundredfold.store import mirror as store
from hundredfold.store.database import Database
from hundredfold.vocabulary import digest

if TYPE_CHECKING:
    from aiohttp import web

LARGEST_BODY = 25 * 2**20  # GitHub's own bound
QUIET_S, LONGEST_WAIT_S = 2.0, 20.0
MOST_WAITING = 10_000
Told = Callable[[tuple[str, ...]], Awaitable[None]]


class Tally(Struct):
    """What came so far."""

    taken: int = 0
    refused: int = 0
    replayed: int = 0
    ignored: int = 0
    told: int = 0


class Receiver:
    """Takes one repository's webhooks in.

    Args:
        secret: that of the webhook; not empty.
        told: called with the names of the items that changed (see `deliveries.Change`), each once a burst.
        quiet_s: how long it must be quiet before; a burst without end is told after `longest_wait_s`.
    """

    def __init__(
        self,
        database: Database,
        project: str,
        repository: str,
        secret: str,
        told: Told,
        *,
        quiet_s: float = QUIET_S,
        longest_wait_s: float = LONGEST_WAIT_S,
    ) -> None:
        assert secret, "without a secret anybody could write to the mirror"
        self._database, self._project, self._repository = database, project, repository
        self._secret, self._told = secret.encode(), told
        self._quiet_s, self._longest_wait_s = quiet_s, longest_wait_s
        self.tally = Tally()
        self._waiting: dict[str, None] = {}
        self._first = self._last = 0.0
        self._something = asyncio.Event()

    @contextlib.asynccontextmanager
    async def serving(self, host: str, port: int) -> AsyncIterator[str]:
        """Listen; yields the address. What waits to be told is told before the block is left.

        Raises:
            UnavailableError: the port can't be had.
        """
        from aiohttp import web

        application = web.Application(client_max_size=LARGEST_BODY)
        application.router.add_post("/", self.take)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=2.0)
        await runner.setup()
        teller = asyncio.create_task(self._tell())
        try:
            try:
                await web.TCPSite(runner, host, port, backlog=512).start()
            except OSError as error:
                raise UnavailableError(
                    f"webhooks can't be taken at {host}:{port}: {error.strerror}",
                    "Choose another [forge] webhook-port, or end what uses it.",
                ) from error
            yield f"http://{host}:{runner.addresses[0][1]}/"
        finally:
            await runner.cleanup()
            teller.cancel()
            await asyncio.gather(teller, return_exceptions=True)
            await self._flush()

    async def take(self, http: web.Request) -> web.Response:
        """One delivery.

        202 taken, or of no concern · 401 not signed by the secret · 409 seen before · 413, 415, 422 no
        payload of GitHub's · 503 the database refuses: to be delivered again.
        """
        from aiohttp import web

        body = await http.read()
        if not self._signed(body, http.headers.get("X-Hub-Signature-256", "")):
            self.tally.refused += 1
            return web.Response(status=401, text="The signature is missing or wrong.\n")
        event, delivery = http.headers.get("X-GitHub-Event", ""), http.headers.get("X-GitHub-Delivery", "")
        if not event or not delivery or http.content_type != "application/json":
            self.tally.refused += 1
            return web.Response(status=415, text="The webhook's content type must be application/json.\n")
        try:
            payload = msgspec.json.decode(body, type=dict[str, Any])
            change = self._change(event, payload)
        except (msgspec.DecodeError, OddBody) as error:
            self.tally.refused += 1
            return web.Response(status=422, text=f"The payload can't be read: {error}\n")
        try:
            new = await asyncio.to_thread(self._keep, event, delivery, digest(body), change)
        except StorageError:
            return web.Response(status=503, text="It can't be kept now; deliver it again.\n")
        if not new:
            self.tally.replayed += 1
            return web.Response(status=409, text="This was delivered before.\n")
        if change is None:
            self.tally.ignored += 1
            return web.Response(status=202, text="Of no concern here.\n")
        self.tally.taken += 1
        self._wait(change.items)
        return web.Response(status=202, text="Taken in.\n")

    def _signed(self, body: bytes, signature: str) -> bool:
        wanted = "sha256=" + hmac.new(self._secret, body, hashlib.sha256).hexdigest()
        return hmac.compare_digest(wanted.encode(), signature.encode("utf-8", "replace"))

    def _change(self, event: str, payload: dict[str, Any]) -> Change | None:
        """What it changes; None if it is of no concern: another repository's, or nothing that is mirrored."""
        if repository_of(payload).lower() != self._repository.lower():
            return None
        change = change_of(event, payload)
        return change if change.rows or change.gone or change.items else None

    def _keep(self, event: str, delivery: str, body: str, change: Change | None) -> bool:
        with self._database.write() as connection:
            if not store.take_delivery(connection, self._database, self._project, delivery, body, event):
                return False
            for gone in change.gone if change else ():
                store.drop(connection, self._project, gone.kind, **gone.key)
            store.keep(connection, self._database, self._project, change.rows if change else ())
        return True

    # ------------------------------------------------------------------ telling

    def _wait(self, items: tuple[str, ...]) -> None:
        if not items:
            return
        self._last = time.monotonic()
        if not self._waiting:
            self._first = self._last
        for one in items[: MOST_WAITING - len(self._waiting)]:
            self._waiting[one] = None
        self._something.set()

    async def _tell(self) -> None:
        while True:
            await self._something.wait()
            now = time.monotonic()
            due = min(self._last + self._quiet_s, self._first + self._longest_wait_s)
            if now < due:
                await asyncio.sleep(due - now)
                continue
            await self._flush()

    async def _flush(self) -> None:
        items, self._waiting = tuple(self._waiting), {}
        self._something.clear()
        if items:
            self.tally.told += len(items)
            await self._told(items)

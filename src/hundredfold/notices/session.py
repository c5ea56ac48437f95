"""Notices while a command runs: said in passing, delivered beside it, and never in its way."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING

from hundredfold.errors import ConfigError, HundredfoldError
from hundredfold.notices.delivery import Delivered, Delivery
from hundredfold.notices.discord import Webhook, checked_url

if TYPE_CHECKING:
    from hundredfold.settings import NoticesSettings
    from hundredfold.store.blobs import Blobs
    from hundredfold.store.database import Database

EVERY_S = 15.0  # between two words on how far a run is
DELIVER_EVERY_S = 2.0
LAST_WORDS_S = 10.0  # for what is left when the command ends; the rest goes with the next one
log = logging.getLogger(__name__)


def webhook_url(settings: NoticesSettings) -> str:
    """The configured webhook's URL; "" if none is configured or its variable is empty.

    Raises:
        ConfigError: the variable does not hold a webhook's URL.
    """
    variable = settings.discord.webhook_env
    value = os.environ.get(variable, "") if variable else ""
    return checked_url(value, variable) if value else ""


async def deliver_once(
    database: Database, project: str, blobs: Blobs, url: str, within_s: float
) -> Delivered:
    """Deliver what is due now."""
    import aiohttp

    async with aiohttp.ClientSession() as session:
        return await Delivery(database, project, blobs, Webhook(url, session)).deliver(within_s)


class Pulse:
    """Calls `tell` when it is due; what goes wrong in it is logged and harms nothing."""

    def __init__(self, tell: Callable[[str], Awaitable[None]]) -> None:
        self._tell = tell
        self._next = 0.0

    async def beat(self, end: str = "") -> None:
        """Tell if it is time, or if it is the `end`."""
        now = time.monotonic()
        if not end and now < self._next:
            return
        self._next = now + EVERY_S
        try:
            await self._tell(end)
        except Exception:
            log.warning("a notice could not be made", exc_info=True)


@contextlib.asynccontextmanager
async def delivering(
    database: Database, project: str, blobs: Blobs, url: str, beat: Callable[[], Awaitable[None]]
) -> AsyncIterator[None]:
    """Deliver beside the block, calling `beat` before each look; on leaving, for a bounded time, the rest.

    Without a `url` there is only the beat.
    """
    import aiohttp

    async with aiohttp.ClientSession() as session:
        delivery = Delivery(database, project, blobs, Webhook(url, session)) if url else None

        async def work() -> None:
            while True:
                await beat()
                await _quietly(delivery, 60.0)
                await asyncio.sleep(DELIVER_EVERY_S)

        task = asyncio.ensure_future(work())
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            await _quietly(delivery, LAST_WORDS_S)


async def _quietly(delivery: Delivery | None, within_s: float) -> None:
    if delivery is None:
        return
    try:
        told = await delivery.deliver(within_s)
    except (HundredfoldError, OSError):
        log.warning("notices could not be delivered", exc_info=True)
        return
    if told.why:
        log.warning("a notice was not delivered: %s", told.why)


def no_webhook(settings: NoticesSettings) -> ConfigError:
    """The error for a command that needs a webhook where none is."""
    variable = settings.discord.webhook_env
    if variable:
        return ConfigError(f"${variable} is not set", f"export {variable}=https://discord.com/api/webhooks/…")
    return ConfigError(
        "no webhook is configured",
        'Write webhook-env = "DISCORD_WEBHOOK" under [notices.discord] and put its URL into that variable.',
    )

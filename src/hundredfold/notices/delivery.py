"""Delivers the outbox, oldest first, at the service's pace. Nothing here raises because a delivery failed.

A message is posted at least once: killed between the answer and its record, it is posted again. What the
service refuses for good is kept as refused, with its words; everything else is tried again, later and later.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from msgspec import Struct

from hundredfold.errors import StorageError
from hundredfold.notices.discord import MAX_PICTURE, Sent, Webhook
from hundredfold.notices.embed import message
from hundredfold.notices.pace import Pace
from hundredfold.store import notices
from hundredfold.store.blobs import Blobs
from hundredfold.store.database import Database, now_us
from hundredfold.store.notices import NoticeRow
from hundredfold.tasks import to_the_end

CHANNEL = "discord"
FIRST_RETRY_S = 5.0
LONGEST_RETRY_S = 3600.0
GONE = (401, 403, 404)  # the webhook itself is no more, or not ours
NEVER = (400, 413)  # this message will never be taken


class Delivered(Struct, frozen=True):
    """What one delivery came to. `why` is the newest failure's words, "" if there was none."""

    sent: int = 0
    failed: int = 0
    left: int = 0
    why: str = ""


class Delivery:
    """Delivers one project's outbox to one webhook; one at a time."""

    def __init__(
        self,
        database: Database,
        project: str,
        blobs: Blobs,
        webhook: Webhook,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._database = database
        self._project = project
        self._blobs = blobs
        self._webhook = webhook
        self._pace = Pace(clock)
        self._clock = clock
        self._sleep = sleep
        self._alone = asyncio.Lock()

    async def deliver(self, within_s: float) -> Delivered:
        """Send what is due, for at most `within_s` seconds; what is left stays in the outbox."""
        until = self._clock() + within_s
        sent = failed = 0
        why = ""
        async with self._alone:
            rows = await asyncio.to_thread(notices.due, self._database, self._project, CHANNEL, now_us())
            for row in rows:
                answer = await self._one(row, until)
                if answer is None:
                    break
                if answer.ok:
                    sent += 1
                    continue
                failed, why = failed + 1, answer.error
                if answer.status in (0, *GONE) or answer.status >= 500:
                    break  # it is not this message: the others would fare no better
        left = await asyncio.to_thread(notices.counts, self._database, self._project, CHANNEL)
        return Delivered(sent, failed, sum(left.get(state, 0) for state in notices.OPEN), why)

    async def _one(self, row: NoticeRow, until: float) -> Sent | None:
        """Send one; None if there was no time for it."""
        while True:
            wait = self._pace.wait_s()
            if self._clock() + wait > until:
                return None
            if wait:
                await self._sleep(wait)
                continue
            if (answer := await to_the_end(self._tried(row))) is not None:
                return answer

    async def _tried(self, row: NoticeRow) -> Sent | None:
        """One request and its record, not to be torn apart; None if it is to be tried again at once."""
        answer = await self._call(row)
        self._pace.sent()
        self._pace.told(
            retry_after_s=answer.retry_after_s, remaining=answer.remaining, reset_s=answer.reset_s
        )
        if answer.status == 429:
            if not answer.retry_after_s:
                self._pace.told(retry_after_s=FIRST_RETRY_S)
            return None
        if answer.status == 404 and row.slot and row.state == "waiting" and await self._slot(row):
            forget = notices.forget_message
            await asyncio.to_thread(forget, self._database, self._project, CHANNEL, row.slot)
            return None
        await asyncio.to_thread(self._record, row, answer)
        return answer

    async def _slot(self, row: NoticeRow) -> str:
        return await asyncio.to_thread(notices.message_of, self._database, self._project, CHANNEL, row.slot)

    async def _call(self, row: NoticeRow) -> Sent:
        if row.state == "withdrawing":
            gone = await self._webhook.delete(row.message)
            return Sent(204) if gone.status == 404 else gone
        picture = await asyncio.to_thread(self._picture, row.told.picture)
        payload = message(row.kind, row.told, picture=picture is not None)
        there = await self._slot(row) if row.slot else ""
        if there:
            return await self._webhook.edit(there, payload, picture)
        return await self._webhook.post(payload, picture)

    def _picture(self, key: str) -> bytes | None:
        if not key:
            return None
        try:
            content = self._blobs.get(key)
        except StorageError:
            return None  # the words are worth sending without it
        return content if content.startswith(b"\x89PNG") and len(content) <= MAX_PICTURE else None

    def _record(self, row: NoticeRow, answer: Sent) -> None:
        if answer.ok and row.state == "withdrawing":
            notices.settle(self._database, row.id, "withdrawn")
        elif answer.ok:
            notices.settle(self._database, row.id, "sent", message=answer.message)
            if row.slot:
                notices.tidy(self._database, self._project, CHANNEL, row.slot, keep=row.id)
        elif answer.status in NEVER:
            notices.settle(self._database, row.id, "refused", error=answer.error)
        else:
            wait = min(LONGEST_RETRY_S, FIRST_RETRY_S * 2.0 ** min(row.tries, 12))
            if answer.status in GONE:
                wait = LONGEST_RETRY_S
            notices.postpone(self._database, row.id, now_us() + int(wait * 1e6), answer.error)

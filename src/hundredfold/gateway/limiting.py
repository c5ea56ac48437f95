"""Budgets at the wire: counters seeded from ledger and journal, and reservations for requests in flight."""

from __future__ import annotations

import asyncio
import logging
import time

from hundredfold.budgets.limits import CounterKey, Counters, Refusal, Reservation, counter_key
from hundredfold.errors import StorageError
from hundredfold.gateway.grants import Granted
from hundredfold.gateway.poster import Poster
from hundredfold.prices.book import PriceBook
from hundredfold.usage.ledger import Ledger
from hundredfold.vocabulary import Limit

#: other machines and imports write to the same ledger, so what was spent is read again this often
FRESH_S = 60.0


class Limiting:
    """The limits of all attempts of this gateway."""

    def __init__(self, book: PriceBook, ledger: Ledger, poster: Poster) -> None:
        self._book = book
        self._ledger = ledger
        self._poster = poster
        self._counters = Counters()
        self._seeding = asyncio.Lock()
        self._refresh: asyncio.Task[None] | None = None

    async def reserve(self, granted: Granted, amount: int, at_us: int) -> Reservation | Refusal:
        """Hold `amount` picodollars under all of the attempt's limits, or say which one it would pass.

        Raises:
            StorageError: what was spent so far can't be read.
        """
        wanted = {counter_key(limit, at_us): limit for limit in granted.limits}
        now_s = time.monotonic()
        due = self._counters.unseeded(tuple(wanted), now_s - FRESH_S)
        if due:
            new = [key for key in due if not self._counters.known(key)]
            if new:
                await self._seed_new({key: wanted[key] for key in new}, granted)
            elif self._refresh is None or self._refresh.done():
                self._refresh = asyncio.create_task(self._refresh_all({key: wanted[key] for key in due}))
        return self._counters.reserve(granted.limits, amount, at_us)

    def settle(self, reservation: Reservation, actual: int) -> None:
        """Replace a reservation by what the request cost."""
        self._counters.settle(reservation, actual)

    async def _seed_new(self, wanted: dict[CounterKey, Limit], granted: Granted) -> None:
        async with self._seeding:
            wanted = {key: limit for key, limit in wanted.items() if not self._counters.known(key)}
            own = f"attempt:{granted.attempt}"
            for key in [key for key in wanted if key[0] == own and granted.fresh]:
                # Nothing of a fresh attempt is in the ledger, and all since the start went through here.
                self._counters.seed(key, 0, 0, time.monotonic())
                del wanted[key]
            if wanted:
                await self._seed(wanted)

    async def _refresh_all(self, wanted: dict[CounterKey, Limit]) -> None:
        try:
            await self._seed(wanted)
        except StorageError as error:
            logging.getLogger(__name__).warning("what was spent can't be read again: %s", error)

    async def _seed(self, wanted: dict[CounterKey, Limit]) -> None:
        def mark() -> dict[CounterKey, int]:
            return {key: self._counters.mark(key) for key in wanted}

        def look() -> dict[CounterKey, int]:
            return {key: self._ledger.spent(self._book, limit) for key, limit in wanted.items()}

        marks, spent = await self._poster.consistent(mark, look)
        for key, amount in spent.items():
            self._counters.seed(key, marks[key], amount, time.monotonic())

"""Who may start: the budget must leave room for what an attempt is expected to cost, and a throttled
provider is given its pause.

The gateway stops what passes a hard limit; admission keeps attempts from starting that could not end.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager

from hundredfold.errors import LimitReached
from hundredfold.fleet.routing import limits_of
from hundredfold.prices.book import Cost, PriceBook
from hundredfold.prices.money import dollars_text
from hundredfold.settings import Settings
from hundredfold.store.database import now_us
from hundredfold.vocabulary import AgentTask, Item, Limit, Route

SPENT_IS_FRESH_S = 2.0
STAGGER_S = 2.0
LONGEST_PAUSE_S = 600.0


class Admission:
    """Reservations of this process, over what the ledger says is spent.

    Args:
        spent: picodollars spent so far under a limit (its scope and window).
        paused_until: epoch seconds until which a provider asked for a pause (0: not paused).
    """

    def __init__(
        self,
        settings: Settings,
        book: PriceBook,
        spent: Callable[[Limit], int],
        paused_until: Callable[[str], float],
    ) -> None:
        self._settings = settings
        self._book = book
        self._spent = spent
        self._paused_until = paused_until
        self._reserved: dict[tuple[str, str], int] = {}
        self._known: dict[tuple[str, str], tuple[float, int]] = {}
        self._places = {name: asyncio.Semaphore(one.max_attempts) for name, one in settings.provider.items()}

    @contextlib.asynccontextmanager
    async def admitted(
        self, item: Item, task: AgentTask, route: Route, *, running: bool = False
    ) -> AsyncIterator[None]:
        """Take one of the provider's places, wait out its pause, and reserve the expected cost until the
        block is left. An attempt that is `running` already (found again) waits for nothing.

        Raises:
            LimitReached: a limit leaves less than the attempt is expected to cost.
        """
        if running:
            with self._holding(self._limits(item), self.expected_cost(task, route)):
                yield
            return
        async with self._places[route.provider]:
            await self._wait_out_pause(route.provider)
            with await self._reserved_for(item, task, route):
                yield

    def _limits(self, item: Item) -> list[Limit]:
        return [one for one in limits_of(self._settings, item, item.id) if one.window != "ever"]

    async def _reserved_for(self, item: Item, task: AgentTask, route: Route) -> AbstractContextManager[None]:
        expected = self.expected_cost(task, route)
        limits = self._limits(item)
        for limit in limits:
            key = (limit.scope, limit.window)
            spent = await self._spent_under(limit)
            held = self._reserved.get(key, 0)
            if spent + held + expected > limit.picodollars:
                raise LimitReached(
                    f"the {limit.window}'s limit of {dollars_text(limit.picodollars)} for {limit.scope} is "
                    f"reached: {dollars_text(spent)} spent, {dollars_text(held)} reserved, and the next "
                    f"attempt is expected to cost {dollars_text(expected)}",
                    "Raise it under [budgets] in hundredfold.toml or wait; nothing that was done is lost.",
                )
        return self._holding(limits, expected)

    def expected_cost(self, task: AgentTask, route: Route) -> int:
        """Picodollars the task is expected to cost; an unpriced model by the stated worst case."""
        family = self._settings.provider[route.provider].prices or route.provider
        cost = self._book.cost(
            prices=family, model=route.model, tier=route.tier, usage=task.expected, at_us=now_us()
        )
        if isinstance(cost, Cost):
            return cost.picodollars
        return self._book.worst_case(
            prices=family, model=route.model, tier=route.tier, usage=task.expected, at_us=now_us()
        )

    @contextlib.contextmanager
    def _holding(self, limits: list[Limit], amount: int) -> Iterator[None]:
        keys = [(one.scope, one.window) for one in limits]
        for key in keys:
            self._reserved[key] = self._reserved.get(key, 0) + amount
        try:
            yield
        finally:
            for key in keys:
                self._reserved[key] -= amount

    async def _spent_under(self, limit: Limit) -> int:
        key, now = (limit.scope, limit.window), time.monotonic()
        known = self._known.get(key)
        if known is None or now - known[0] > SPENT_IS_FRESH_S:
            known = (now, await asyncio.to_thread(self._spent, limit))
            self._known[key] = known
        return known[1]

    async def _wait_out_pause(self, provider: str) -> None:
        """Waits are staggered: a hundred attempts that start in one instant are throttled again."""
        waited = 0.0
        while (left := self._paused_until(provider) - time.time()) > 0 and waited < LONGEST_PAUSE_S:
            pause = min(left, 30.0) + random.uniform(0.0, STAGGER_S)  # noqa: S311
            await asyncio.sleep(pause)
            waited += pause

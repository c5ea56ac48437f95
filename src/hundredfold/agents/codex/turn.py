"""Listening to one thread: what was last heard, which turns are over, what the agent last said."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Raw

from hundredfold.agents.codex import events
from hundredfold.agents.codex.events import Turn
from hundredfold.agents.protocol import Event, Outcome, Retrying, Spent
from hundredfold.vocabulary import Usage


class Stalled(Exception):
    """Nothing was heard of the agent for as long as silence is allowed."""


class Watch:
    """Hears one thread's notifications and reports them. Retries are reported, but are no sign of life."""

    def __init__(self, report: Callable[[Event], None], *, resumed: bool) -> None:
        self._report = report
        self._clock = asyncio.get_running_loop().time
        self._heard_at = self._clock()
        self._over: dict[str, Turn] = {}
        self._news = asyncio.Event()
        self._message: str | None = None
        self._trouble = ""
        # Of a resumed thread some tokens were reported in an earlier life: its first total is the base.
        self._total: Usage | None = None if resumed else Usage()

    def hear(self, method: str, params: Raw) -> None:
        """Take in one notification. What can't be read is passed over, so that a new field breaks nothing."""
        try:
            self._hear(method, params)
        except msgspec.DecodeError as error:
            self._trouble = f"unreadable {method}: {error}"

    def touch(self) -> None:
        """Begin the allowed silence anew."""
        self._heard_at = self._clock()

    def over(self, turn: Turn) -> None:
        """The turn was found to be over."""
        self._over[turn.id] = turn
        self._news.set()

    async def end_of(self, turn: str, stall_s: float, closed: asyncio.Future[None]) -> Outcome | None:
        """Wait for the turn's end. None: the connection was lost first.

        Raises:
            Stalled: nothing was heard for `stall_s` seconds.
        """
        while turn not in self._over:
            if closed.done():
                return None
            left = self._heard_at + stall_s - self._clock()
            if left <= 0:
                raise Stalled(f"nothing was heard for {stall_s:.0f} s. {self._trouble}".rstrip())
            self._news.clear()
            news = asyncio.ensure_future(self._news.wait())
            both: set[asyncio.Future[Any]] = {news, closed}
            try:
                await asyncio.wait(both, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            finally:
                news.cancel()
        return events.outcome_of(self._over[turn], self._message)

    def _hear(self, method: str, params: Raw) -> None:
        if method == "error":
            error, again = events.error_of(params)
            self._trouble = error.message
            if again:
                self._report(Retrying(events.status_of(error), None, error.message[:500]))
            return
        self.touch()
        if method == "item/started":
            item = events.item_of(params)
            if item.type in ("commandExecution", "fileChange", "mcpToolCall", "dynamicToolCall"):
                self._report(events.progress_of(item))
        elif method == "item/completed":
            item = events.item_of(params)
            if item.type == "agentMessage":
                self._message = item.text
            if item.type in ("agentMessage", "reasoning"):
                self._report(events.progress_of(item))
        elif method == "thread/tokenUsage/updated":
            self._spend(events.total_of(params))
        elif method == "turn/started":
            self._message = None
        elif method == "turn/completed":
            self.over(events.turn_of(params))

    def _spend(self, total: Usage) -> None:
        before, self._total = self._total, total
        if before is None or before == total:
            return
        self._report(
            Spent(
                Usage(
                    max(0, total.input - before.input),
                    max(0, total.cached - before.cached),
                    max(0, total.cache_write - before.cache_write),
                    max(0, total.output - before.output),
                    max(0, total.reasoning - before.reasoning),
                )
            )
        )

"""Carries the journal into the ledger, in the background, in batches, and removes what has arrived.

It reads the journal's files, so however long the database is away, memory stays as it is. Appending is
idempotent, so a restart posts what is left from its beginning.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import Executor
from typing import TypeVar

from hundredfold.errors import StorageError
from hundredfold.gateway.journal import Journal, Position, Row
from hundredfold.usage.ledger import Booking, Entry, Ledger, WireRoute

EVERY_S = 0.25
LONGEST_BACKOFF_S = 5.0

log = logging.getLogger(__name__)
Marked = TypeVar("Marked")
Seen = TypeVar("Seen")


class Poster:
    """One per journal; `run` is its background task."""

    def __init__(self, journal: Journal, ledger: Ledger, thread: Executor) -> None:
        self._journal = journal
        self._ledger = ledger
        self._thread = thread
        self._posted = journal.start
        self._lock = asyncio.Lock()
        #: why the last batch could not be posted; "" when all is well
        self.trouble = ""
        #: whether all that an earlier process left is in the ledger
        self.started = False

    @property
    def caught_up(self) -> bool:
        """Whether all of the journal is in the ledger."""
        return self._posted >= self._journal.end

    async def run(self) -> None:
        """Post until cancelled."""
        pause = EVERY_S
        while True:
            await asyncio.sleep(pause)
            if self.caught_up:
                continue
            try:
                await self.flush()
                pause = EVERY_S
            except StorageError as error:
                pause = min(LONGEST_BACKOFF_S, pause * 2)
                log.warning("requests wait in the journal: %s", error)

    async def flush(self) -> None:
        """Post all that is in the journal now.

        Raises:
            StorageError: the ledger or the journal can't be used; nothing is lost, it is tried again.
        """
        async with self._lock:
            await self._drain(self._journal.end)

    async def consistent(self, mark: Callable[[], Marked], look: Callable[[], Seen]) -> tuple[Marked, Seen]:
        """Call `mark` at an instant and `look` (in a thread) while the ledger holds exactly what was in the
        journal at that instant.

        Raises:
            StorageError: as `flush`.
        """
        async with self._lock:
            marked, end = mark(), self._journal.end
            await self._drain(end)
            return marked, await asyncio.get_running_loop().run_in_executor(self._thread, look)

    async def _drain(self, end: Position) -> None:
        loop = asyncio.get_running_loop()
        try:
            while self._posted < end:
                self._posted = await loop.run_in_executor(self._thread, self._post, self._posted, end)
                self._journal.retire(self._posted)
        except (StorageError, OSError) as error:
            self.trouble = str(error)
            if isinstance(error, OSError):
                raise StorageError(
                    f"the journal can't be read: {error}",
                    "Is its disk there and readable? The gateway tries again; nothing is lost.",
                ) from error
            raise
        self.trouble = ""
        self.started = True

    def _post(self, position: Position, end: Position) -> Position:
        rows, following = self._journal.read(position, end)
        if rows:
            self._ledger.append([entry_of(row) for row in rows])
        return following


def entry_of(row: Row) -> Entry:
    """A journal's row as the ledger keeps it, keyed by the response's id where the answer named one."""
    intent = row.intent
    interval = row.status in ("cut", "unsettled")
    return Entry(
        key=row.response_id or f"intent:{intent.id}",
        source="wire",
        status=row.status,
        at_us=intent.at_us,
        attempt=intent.attempt,
        booking=Booking(
            project=intent.project,
            job=intent.job,
            agent=intent.agent,
            person=intent.person,
            payer=intent.payer,
            cost_centre=intent.cost_centre,
        ),
        route=WireRoute(
            provider=intent.prices,
            dialect=intent.dialect,
            model=intent.model,
            served_model=row.served_model,
            tier=intent.tier,
            served_tier=row.served_tier,
            simulated=intent.simulated,
        ),
        usage=row.usage,
        floor_input=row.floor.input if interval else None,
        floor_output=row.floor.output if interval else None,
        http_status=row.http_status,
        error=row.error or None,
        first_byte_ms=row.first_byte_ms,
        total_ms=row.total_ms,
    )

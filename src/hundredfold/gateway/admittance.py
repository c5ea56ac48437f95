"""Who may call: tokens looked up in the store, remembered for less than the second in which a closed grant
must be honoured."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Executor

import msgspec

from hundredfold.errors import StorageError
from hundredfold.gateway.grants import Granted, find_grant, token_digest
from hundredfold.store.database import Database

REMEMBERED_S = 0.5
LOOKUP_WAIT_S = 5.0
#: while the store is away nobody can close a grant, so one that was good goes on
STALE_FOR_S = 600.0
MOST_REMEMBERED = 4096


class Admittance:
    """Looks grants up."""

    def __init__(self, database: Database, threads: Executor, ledger_whole: Callable[[], bool]) -> None:
        """`ledger_whole` says whether the ledger has all that earlier processes journalled: only then
        does an attempt without rows count as fresh."""
        self._ledger_whole = ledger_whole
        self._database = database
        self._threads = threads
        self._known: OrderedDict[str, tuple[float, Granted | None]] = OrderedDict()
        self._asking: dict[str, asyncio.Future[Granted | None]] = {}

    async def find(self, token: str) -> Granted | None:
        """The grant of a token, None if there is none or it is closed.

        Raises:
            StorageError: the store is away and the token was not seen lately.
        """
        digest = token_digest(token)
        known = self._known.get(digest)
        if known is not None and time.monotonic() - known[0] < REMEMBERED_S:
            return known[1]
        try:
            granted = await asyncio.wait_for(asyncio.shield(self._ask(digest)), LOOKUP_WAIT_S)
        except (StorageError, TimeoutError) as error:
            if known is not None and known[1] and time.monotonic() - known[0] < STALE_FOR_S:
                return known[1]
            raise StorageError(
                "the gateway can't look up this attempt: its database does not answer",
                "Check that the database is reachable; nothing that was stored is lost.",
            ) from error
        return granted

    def _ask(self, digest: str) -> asyncio.Future[Granted | None]:
        """One lookup at a time per token."""
        asking = self._asking.get(digest)
        if asking is None:
            loop = asyncio.get_running_loop()
            asking = loop.run_in_executor(self._threads, self._look, digest, self._ledger_whole())
            self._asking[digest] = asking
            asked_s = time.monotonic()  # what is remembered is as old as the question
            asking.add_done_callback(lambda done: self._remember(digest, asked_s, done))
        return asking

    def _look(self, digest: str, whole: bool) -> Granted | None:
        granted = find_grant(self._database, digest)
        return granted if granted is None or whole else msgspec.structs.replace(granted, fresh=False)

    def _remember(self, digest: str, asked_s: float, done: asyncio.Future[Granted | None]) -> None:
        self._asking.pop(digest, None)
        if done.cancelled() or done.exception() is not None:
            return
        self._known[digest] = (asked_s, done.result())
        self._known.move_to_end(digest)
        if len(self._known) > MOST_REMEMBERED:
            self._known.popitem(last=False)

"""The ledger: one row per model request, append-only, the same row at most once.

A row is unique by provider, key, source and status, where the key is the provider's response id or, where an
answer named none, the gateway's own. A later or better row supersedes an earlier one of the same provider and
key: the view `current_requests` shows the one that counts (wire before rollout before usage API, then the
newest). The ledger keeps tokens; money is computed from it with a price book (`usage.pricing`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Literal, TypeVar

import msgspec
import sqlalchemy as sa
from msgspec import Struct

from hundredfold.prices.book import PriceBook
from hundredfold.store.database import Database, insert_ignore, now_us
from hundredfold.store.schema import attempts, bookings, requests, routes
from hundredfold.usage.pricing import priced_groups
from hundredfold.vocabulary import Limit, RequestStatus, Tier, Usage

Source = Literal["usage_api", "rollout", "wire"]
#: what the number in `requests.status` stands for; never reorder
STATUSES: tuple[RequestStatus, ...] = ("settled", "cut", "error", "refused", "unsettled")
#: what the number in `requests.source` stands for: 1 is the least trusted
SOURCES: tuple[Source, ...] = ("usage_api", "rollout", "wire")
BATCH = 500

Dimension = TypeVar("Dimension", bound=Struct)


class Booking(Struct, frozen=True):
    """Who a request is booked to."""

    project: str
    job: str = ""
    agent: str = ""
    person: str = ""
    payer: str = ""
    cost_centre: str = ""


class WireRoute(Struct, frozen=True):
    """The way a request went. `provider` names its price rows; what was served is "" if not said."""

    provider: str
    dialect: str
    model: str
    served_model: str = ""
    tier: Tier = "standard"
    served_tier: str = ""
    simulated: bool = False


class Entry(Struct, frozen=True, kw_only=True):
    """One request. For "cut" and "unsettled" the usage is the worst case and the floors are the least."""

    key: str
    source: Source
    status: RequestStatus
    at_us: int
    attempt: int | None
    booking: Booking
    route: WireRoute
    usage: Usage
    floor_input: int | None = None
    floor_output: int | None = None
    http_status: int | None = None
    error: str | None = None
    first_byte_ms: int | None = None
    total_ms: int | None = None


class Ledger:
    """Appends to the ledger and says what limits need to know. Safe from several threads and processes."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._booking_ids: dict[Booking, int] = {}
        self._route_ids: dict[WireRoute, int] = {}

    def append(self, entries: Sequence[Entry]) -> None:
        """Keep the entries; those that are there already are left as they are.

        Raises:
            StorageError: the database refused; nothing of the batch may be taken as kept, append it again.
        """
        for start in range(0, len(entries), BATCH):
            batch = entries[start : start + BATCH]
            # Ids are remembered only once they are committed: a rolled-back id would point at nothing.
            with self._database.write() as connection:
                booked = self._interned(connection, bookings, {e.booking for e in batch}, self._booking_ids)
                routed = self._interned(connection, routes, {e.route for e in batch}, self._route_ids)
                connection.execute(
                    insert_ignore(self._database, requests),
                    [_row(e, booked[e.booking], routed[e.route]) for e in batch],
                )
            self._booking_ids.update(booked)
            self._route_ids.update(routed)

    def spent(self, book: PriceBook, limit: Limit) -> int:
        """Picodollars spent so far under the limit, at list price by the served tier; what is not known
        (cut, unsettled, unpriced) counts by its worst case. Simulated requests count like real ones."""
        condition = _under(limit.scope)
        if (since := _window_start(limit.window)) is not None:
            condition = sa.and_(condition, sa.column("at_us") >= since)
        with self._database.read() as connection:
            groups = priced_groups(connection, book, by=(), where=condition)
            return sum(group.money.most + group.money.unpriced_worst for group in groups)

    def _interned(
        self,
        connection: sa.Connection,
        table: sa.Table,
        wanted: Iterable[Dimension],
        known: dict[Dimension, int],
    ) -> dict[Dimension, int]:
        found: dict[Dimension, int] = {}
        for one in wanted:
            if (identity := known.get(one)) is None:
                values = msgspec.structs.asdict(one)
                connection.execute(insert_ignore(self._database, table).values(**values))
                same = sa.and_(*(table.c[name] == value for name, value in values.items()))
                identity = connection.execute(sa.select(table.c.id).where(same)).scalar_one()
            found[one] = identity
        return found


def _row(entry: Entry, booking: int, route: int) -> dict[str, Any]:
    usage = entry.usage
    return {
        "provider": entry.route.provider,
        "key": entry.key,
        "source": SOURCES.index(entry.source) + 1,
        "status": STATUSES.index(entry.status),
        "at_us": entry.at_us,
        "attempt": entry.attempt,
        "booking": booking,
        "route": route,
        "input": usage.input,
        "cached": usage.cached,
        "cache_write": usage.cache_write,
        "output": usage.output,
        "reasoning": usage.reasoning,
        "floor_input": entry.floor_input,
        "floor_output": entry.floor_output,
        "http_status": entry.http_status,
        "error": entry.error,
        "first_byte_ms": entry.first_byte_ms,
        "total_ms": entry.total_ms,
    }


def _under(scope: str) -> sa.ColumnElement[bool]:
    """The condition for rows that a limit's scope adds up."""
    kind, _, name = scope.partition(":")
    match kind:
        case "attempt":
            number = sa.select(attempts.c.number).where(attempts.c.id == name).scalar_subquery()
            return sa.column("attempt") == number
        case "project":
            return bookings.c.project == name
        case "job":
            project, _, job = name.rpartition("/")
            return sa.and_(bookings.c.project == project, bookings.c.job == job)
        case "payer":
            return bookings.c.payer == name
    raise ValueError(f"a limit's scope can't be {scope!r}")


def _window_start(window: Literal["day", "month", "ever"]) -> int | None:
    """When the current UTC day or month began, in microseconds."""
    if window == "ever":
        return None
    today = datetime.fromtimestamp(now_us() / 1_000_000, UTC).replace(
        hour=0, minute=0, second=0, microsecond=0
    )
    start = today.replace(day=1) if window == "month" else today
    return int(start.timestamp()) * 1_000_000

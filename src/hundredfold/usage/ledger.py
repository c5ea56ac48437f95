"""The ledger: one row per model request, append-only, the same row at most once.

A row is unique by provider, key, source and status, where the key is the provider's response id or, where an
answer named none, the gateway's own. A better row supersedes a worse one of the same provider and key,
whichever came first: the view `current_requests` shows the one that counts (wire before rollout before usage
API, then settled before cut before error before refused before unsettled). The ledger keeps tokens; money is
computed from it with a price book (`usage.pricing`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeVar

import msgspec
import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy.dialects import postgresql

from hundredfold.prices.book import PriceBook
from hundredfold.store.database import Database, insert_ignore, now_us
from hundredfold.store.tables.ledger import bookings, requests, routes
from hundredfold.store.tables.work import attempts
from hundredfold.store.text import storable
from hundredfold.usage.pricing import STATUSES as STATUSES
from hundredfold.usage.pricing import current, priced_groups
from hundredfold.vocabulary import Limit, RequestStatus, Tier, Usage

Source = Literal["usage_api", "rollout", "wire"]
#: what the number in `requests.source` stands for: 1 is the least trusted
SOURCES: tuple[Source, ...] = ("usage_api", "rollout", "wire")
BATCH = 2000
#: more than any request can use; a larger figure is nonsense and would not fit the sums
MOST_TOKENS = 10**12

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
            # In one order everywhere, so that processes with the same rows never wait in a circle.
            batch = sorted(entries[start : start + BATCH], key=lambda e: (e.route.provider, e.key))
            # Ids are remembered only once they are committed: a rolled-back id would point at nothing.
            with self._database.write() as connection:
                booked = self._interned(connection, bookings, {e.booking for e in batch}, self._booking_ids)
                routed = self._interned(connection, routes, {e.route for e in batch}, self._route_ids)
                rows = [_row(e, booked[e.booking], routed[e.route]) for e in batch]
                if self._database.is_sqlite:
                    connection.exec_driver_sql(_INSERT_SQLITE, rows)
                else:
                    columns = [list(column) for column in zip(*rows, strict=True)]
                    connection.exec_driver_sql(_INSERT_POSTGRESQL, tuple(columns))
            self._booking_ids.update(booked)
            self._route_ids.update(routed)

    def spent(self, book: PriceBook, limit: Limit) -> int:
        """Picodollars spent so far under the limit, at list price by the served tier; what is not known
        (cut, unsettled, unpriced) counts by its worst case. Simulated requests count like real ones."""
        conditions = [_under(limit.scope)]
        if since := limit.period_start_us(now_us()):
            conditions.append(current.c.at_us >= since)
        with self._database.read() as connection:
            groups = priced_groups(connection, book, where=conditions)
        return sum(group.money.most + group.money.unpriced_worst for group in groups)

    def _interned(
        self,
        connection: sa.Connection,
        table: sa.Table,
        wanted: set[Dimension],
        known: dict[Dimension, int],
    ) -> dict[Dimension, int]:
        found = {one: known[one] for one in wanted if one in known}
        for one in sorted(wanted - found.keys(), key=repr):  # in one order, as above
            values = {
                name: storable(value) if isinstance(value, str) else value
                for name, value in msgspec.structs.asdict(one).items()
            }
            connection.execute(insert_ignore(self._database, table).values(**values))
            same = sa.and_(*(table.c[name] == value for name, value in values.items()))
            found[one] = connection.execute(sa.select(table.c.id).where(same)).scalar_one()
        return found


#: PostgreSQL's types of the columns, which are all but `seq`
_COLUMNS = {
    column.name: column.type.compile(postgresql.dialect())  # type: ignore[no-untyped-call]
    for column in requests.columns
    if column.name != "seq"
}
# Whole columns in one statement, not a statement a row.
_INSERT_POSTGRESQL = (
    f"INSERT INTO requests ({', '.join(_COLUMNS)}) SELECT * FROM unnest("  # noqa: S608
    f"{', '.join(f'%s::{type_}[]' for type_ in _COLUMNS.values())}) ON CONFLICT DO NOTHING"
)
_INSERT_SQLITE = (
    f"INSERT INTO requests ({', '.join(_COLUMNS)}) VALUES "  # noqa: S608
    f"({', '.join('?' for _ in _COLUMNS)}) ON CONFLICT DO NOTHING"
)


def _row(entry: Entry, booking: int, route: int) -> tuple[str | int | None, ...]:
    """The row's values in the order of `_COLUMNS`."""
    usage = consistent(entry.usage)
    return (
        entry.route.provider,
        storable(entry.key),
        SOURCES.index(entry.source) + 1,
        STATUSES.index(entry.status),
        entry.at_us,
        entry.attempt,
        booking,
        route,
        usage.input,
        usage.cached,
        usage.cache_write,
        usage.output,
        usage.reasoning,
        None if entry.floor_input is None else min(max(entry.floor_input, 0), usage.input),
        None if entry.floor_output is None else min(max(entry.floor_output, 0), usage.output),
        entry.http_status,
        entry.error and storable(entry.error),
        entry.first_byte_ms,
        entry.total_ms,
    )


def consistent(usage: Usage) -> Usage:
    """The usage as it must be to have a price: no negative or absurd count, and no part above its whole.

    A provider that contradicts itself is taken at the larger figure: the whole grows to hold its parts. What
    is consistent passes unchanged.
    """
    cached, cache_write, reasoning = map(_bounded, (usage.cached, usage.cache_write, usage.reasoning))
    return Usage(
        input=max(_bounded(usage.input), cached + cache_write),
        cached=cached,
        cache_write=cache_write,
        output=max(_bounded(usage.output), reasoning),
        reasoning=reasoning,
    )


def _bounded(tokens: int) -> int:
    return min(max(tokens, 0), MOST_TOKENS)


def _under(scope: str) -> sa.ColumnElement[bool]:
    """The condition for rows that a limit's scope adds up."""
    kind, _, name = scope.partition(":")
    booked = sa.select(bookings.c.id)
    match kind:
        case "attempt":
            number = sa.select(attempts.c.number).where(attempts.c.id == name).scalar_subquery()
            return current.c.attempt == number
        case "project":
            return current.c.booking.in_(booked.where(bookings.c.project == name))
        case "job":
            project, _, job = name.rpartition("/")
            return current.c.booking.in_(booked.where(bookings.c.project == project, bookings.c.job == job))
        case "payer":
            return current.c.booking.in_(booked.where(bookings.c.payer == name))
    raise ValueError(f"a limit's scope can't be {scope!r}")

"""The ledger: one row per model request, append-only, the same row at most once.

A row is unique by provider, key, source and status, where the key is the provider's response id or, where an
answer named none, the gateway's own. A better row supersedes a worse one of the same provider and key,
whichever came first: the view `current_requests` shows the one that counts (wire before rollout before usage
API, then settled before cut before error before refused before unsettled). The ledger keeps tokens; money is
computed from it with a price book (`usage.pricing`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal, TypeVar

import msgspec
import sqlalchemy as sa
from msgspec import Struct

from hundredfold.prices.book import PriceBook
from hundredfold.store.database import Database, insert_ignore, now_us
from hundredfold.store.shortkeys import shortened
from hundredfold.store.tables.ledger import bookings, providers, requests, routes
from hundredfold.store.text import storable
from hundredfold.usage.consistency import consistent as consistent
from hundredfold.usage.deltas import SUMMED, Deltas
from hundredfold.usage.pricing import priced_groups
from hundredfold.usage.rollups import edges_of, lock_ledger
from hundredfold.usage.rollups import write as write_rollups
from hundredfold.usage.sums import STATUSES as STATUSES
from hundredfold.usage.sums import Scope, Window
from hundredfold.vocabulary import Limit, RequestStatus, Tier, Usage

Source = Literal["usage_api", "rollout", "wire"]
#: what the number in `requests.source` stands for: 1 is the least trusted
SOURCES: tuple[Source, ...] = ("usage_api", "rollout", "wire")
#: entries of one transaction
BATCH = 20_000

Dimension = TypeVar("Dimension", bound=Struct)


class Booking(Struct, frozen=True):
    """Who a request is booked to."""

    project: str
    job: str = ""
    agent: str = ""
    person: str = ""
    payer: str = ""
    cost_centre: str = ""
    #: what allocation rules may know it by: the folder it was made in, the provider's id of the API key,
    #: a label
    path: str = ""
    api_key: str = ""
    label: str = ""


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


class Appended(Struct, frozen=True):
    """What became of entries: how many were `new`, and how many of those took another row's place."""

    new: int
    superseded: int


class Ledger:
    """Appends to the ledger and says what limits need to know. Safe from several threads and processes."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._booking_ids: dict[Booking, int] = {}
        self._route_ids: dict[WireRoute, int] = {}
        self._provider_ids: dict[_Provider, int] = {}

    def append(self, entries: Sequence[Entry]) -> Appended:
        """Keep the entries; those that are there already are left as they are. Hand over as many as there
        are: a transaction takes up to `BATCH`, and larger ones cost less per entry.

        Raises:
            StorageError: the database refused; nothing of the batch may be taken as kept, append it again.
        """
        new = superseded = 0
        for start in range(0, len(entries), BATCH):
            batch = entries[start : start + BATCH]
            # Ids are remembered only once they are committed: a rolled-back id would point at nothing.
            with self._database.write() as connection:
                lock_ledger(self._database, connection)
                booked = self._interned(connection, bookings, {e.booking for e in batch}, self._booking_ids)
                routed = self._interned(connection, routes, {e.route for e in batch}, self._route_ids)
                names = {_Provider(one.provider) for one in routed}
                named = self._interned(connection, providers, names, self._provider_ids)
                numbers = {one.name: number for one, number in named.items()}
                rows = [_row(e, numbers[e.route.provider], booked[e.booking], routed[e.route]) for e in batch]
                kept, better = self._kept(connection, rows)
            self._booking_ids.update(booked)
            self._route_ids.update(routed)
            self._provider_ids.update(named)
            new += kept
            superseded += better
        return Appended(new, superseded)

    def spent(self, book: PriceBook, limit: Limit) -> int:
        """Picodollars spent so far under the limit, at list price by the served tier; what is not known
        (cut, unsettled, unpriced) counts by its worst case. Simulated requests count like real ones."""
        since_us = limit.period_start_us(now_us()) or None
        with self._database.read() as connection:
            groups = priced_groups(connection, book, scope=_under(limit.scope), window=Window(since_us))
        return sum(group.money.most + group.money.unpriced_worst for group in groups)

    def _kept(self, connection: sa.Connection, rows: Sequence[_Row]) -> tuple[int, int]:
        """Insert the rows that are not there yet and bring the rollups in step; how many, and how many of
        them took another's place."""
        best: dict[_Identity, _Row] = {}
        there: set[_Unique] = set()
        for row in self._existing(connection, [row[0] for row in rows]):
            identity = row[:2]
            there.add(row[:4])
            if identity not in best or best[identity][2:4] < row[2:4]:
                best[identity] = row
        deltas, new, superseded = Deltas(edges_of(connection)), list[_Row](), 0
        for row in rows:
            if row[:4] in there:
                continue
            there.add(row[:4])
            new.append(row)
            before = best.get(row[:2])
            if before is None or before[2:4] < row[2:4]:
                best[row[:2]] = row
                deltas.add((row,))
                if before is not None:
                    superseded += 1
                    deltas.take((before,))
        if new:
            if self._database.is_sqlite:
                connection.exec_driver_sql(_INSERT_SQLITE, new)
            else:
                columns = [list(column) for column in zip(*new, strict=True)]
                connection.exec_driver_sql(_INSERT_POSTGRESQL, tuple(columns))
            write_rollups(self._database, connection, deltas)
        return len(new), superseded

    def _existing(self, connection: sa.Connection, keys: Sequence[bytes]) -> Iterator[_Row]:
        """The rows with these keys, of any provider."""
        if not self._database.is_sqlite:
            yield from map(_as_row, connection.exec_driver_sql(_SELECT_POSTGRESQL, (list(keys),)))
            return
        for start in range(0, len(keys), _VARIABLES):
            some = list(keys[start : start + _VARIABLES])
            some += [b""] * (_VARIABLES - len(some))  # one statement, prepared once; no key is empty
            yield from map(_as_row, connection.exec_driver_sql(_SELECT_SQLITE, tuple(some)))

    def _interned(
        self,
        connection: sa.Connection,
        table: sa.Table,
        wanted: set[Dimension],
        known: dict[Dimension, int],
    ) -> dict[Dimension, int]:
        found = {one: known[one] for one in wanted if one in known}
        for one in sorted(wanted - found.keys(), key=repr):  # in one order, so that runs are alike
            values = {
                name: storable(value) if isinstance(value, str) else value
                for name, value in msgspec.structs.asdict(one).items()
            }
            connection.execute(insert_ignore(self._database, table).values(**values))
            same = sa.and_(*(table.c[name] == value for name, value in values.items()))
            found[one] = connection.execute(sa.select(table.c.id).where(same)).scalar_one()
        return found


class _Provider(Struct, frozen=True):
    name: str


#: what is stored of a row, in the order of `_COLUMNS`
_Row = tuple[Any, ...]
_Identity = tuple[Any, ...]  # key, provider
_Unique = tuple[Any, ...]  # key, provider, source, status
#: PostgreSQL's types of the columns, which are all but `seq`; its dialect's module costs more than a bill
_COLUMNS = {
    column.name: str(column.type).replace("BLOB", "BYTEA")
    for column in requests.columns
    if column.name != "seq"
}
_NAMES = tuple(_COLUMNS)
# Whole columns in one statement, not a statement a row.
_INSERT_POSTGRESQL = (
    f"INSERT INTO requests ({', '.join(_NAMES)}) SELECT * FROM unnest("  # noqa: S608
    f"{', '.join(f'%s::{type_}[]' for type_ in _COLUMNS.values())})"
)
_INSERT_SQLITE = f"INSERT INTO requests ({', '.join(_NAMES)}) VALUES ({', '.join('?' for _ in _NAMES)})"  # noqa: S608
#: SQLite before 3.32 takes no more in one statement
_VARIABLES = 500
_SELECT = f"SELECT {', '.join(_NAMES)} FROM requests WHERE key"  # noqa: S608
_SELECT_SQLITE = f"{_SELECT} IN ({', '.join('?' for _ in range(_VARIABLES))})"
_SELECT_POSTGRESQL = f"{_SELECT} = ANY(%s)"
_AT, _ATTEMPT = _NAMES.index("at_us"), _NAMES.index("attempt")
assert _NAMES[:4] == ("key", "provider", "source", "status")
assert _NAMES[_AT : _AT + 4] == ("at_us", "attempt", "booking", "route")
assert _NAMES[_AT + 4 : _AT + 12] == SUMMED


def _row(entry: Entry, provider: int, booking: int, route: int) -> _Row:
    """The row's values in the order of `_COLUMNS`."""
    usage = consistent(entry.usage)
    return (
        shortened(storable(entry.key)),
        provider,
        SOURCES.index(entry.source) + 1,
        STATUSES.index(entry.status),
        entry.at_us,
        entry.attempt,
        booking,
        route,
        usage.input,
        usage.cached,
        usage.cache_write,
        usage.cache_write_1h,
        usage.output,
        usage.reasoning,
        None if entry.floor_input is None else min(max(entry.floor_input, 0), usage.input),
        None if entry.floor_output is None else min(max(entry.floor_output, 0), usage.output),
        entry.http_status,
        entry.error and storable(entry.error),
        entry.first_byte_ms,
        entry.total_ms,
    )


def _as_row(found: Any) -> _Row:
    return (bytes(found[0]), *found[1:])


def _under(scope: str) -> Scope:
    """What a limit's scope adds up."""
    kind, _, name = scope.partition(":")
    match kind:
        case "attempt":
            return Scope(attempts=(name,))
        case "project":
            return Scope(project=name)
        case "job":
            project, _, job = name.rpartition("/")
            return Scope(project=project, job=job)
        case "payer":
            return Scope(payer=name)
    raise ValueError(f"a limit's scope can't be {scope!r}")

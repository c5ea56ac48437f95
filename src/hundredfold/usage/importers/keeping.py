"""Putting what was read into the ledger, in bulk: rows, rollups, threads and cursors in one transaction.

It keeps what `usage.ledger` promises (a better source counts, whichever came first; rollups are in step) with
set-wise statements over temporary tables, since the rows of a large log are many. Several sightings of one
request in logs make one row: it has the largest output seen and the earliest time, whatever was read first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from operator import itemgetter
from typing import Any

from msgspec import Struct

from hundredfold.store.shortkeys import shortened
from hundredfold.store.statements import Statements, Store
from hundredfold.store.text import storable
from hundredfold.usage.importers.protocol import Place, Row, Thread
from hundredfold.usage.importers.reading import Cursor

#: the numbers of `usage.ledger`: source "rollout", status "settled"
ROLLOUT, SETTLED = 2, 4
_COUNTED = ("input", "cached", "cache_write", "cache_write_1h", "output", "reasoning")
_FLOORS = ("floor_input", "floor_output")
_BOOKED = ("project", "job", "agent", "person", "payer", "cost_centre", "path", "api_key", "label")
_ROUTED = ("provider", "dialect", "model", "served_model", "tier", "served_tier", "simulated")
_INCOMING = ("key", "provider", "at_us", "attempt", "booking", "route", *_COUNTED)
_MOVED = ("sign", "at_us", "attempt", "booking", "route", "status", *_COUNTED, *_FLOORS)
_KEYED = ("slot", "attempt", "booking", "route", "status", "band", "kinds")
_SUMS = ("requests", *_COUNTED, *_FLOORS)
_QUARTER_US, _QUARTERS_A_DAY = 900_000_000, 96

# As `usage.rollups.kinds_of`.
_KINDS = (
    "CASE WHEN input > cached + cache_write THEN 1 ELSE 0 END + CASE WHEN cached > 0 THEN 2 ELSE 0 END"
    " + CASE WHEN cache_write > cache_write_1h THEN 4 ELSE 0 END"
    " + CASE WHEN cache_write_1h > 0 THEN 8 ELSE 0 END + CASE WHEN output > 0 THEN 16 ELSE 0 END"
)


class Booked(Struct, frozen=True):
    """Who rows of a place are booked to: the columns of `bookings`."""

    project: str
    job: str = ""
    agent: str = ""
    person: str = ""
    payer: str = ""
    cost_centre: str = ""
    path: str = ""
    api_key: str = ""
    label: str = ""


class Kept(Struct):
    """What became of rows. `read` counts each request once per batch; `grown` are those seen larger."""

    read: int = 0
    new: int = 0
    grown: int = 0
    #: new, but another source says better what they used
    outranked: int = 0


#: key, provider, at_us, booking, route, then as `_COUNTED`
_Line = tuple[Any, ...]


class Keeper:
    """Collects what was read and keeps it, batch by batch."""

    def __init__(self, store: Store, booked: Callable[[Place], Booked], attempt: int | None = None) -> None:
        self._store, self._booked, self._attempt = store, booked, attempt
        self._ids: dict[Place, tuple[int, int, int]] = {}
        self._places: dict[Place, int] = {}
        #: by provider and key: the request, its place's number among `_places` in place of the log's
        self._rows: dict[str, dict[str, Row]] = {}
        self._cursors: list[Cursor] = []
        self._threads: dict[str, Thread] = {}
        self.kept = Kept()

    @property
    def waiting(self) -> int:
        """How many rows are collected and not yet kept."""
        return sum(map(len, self._rows.values()))

    def add(self, rows: Iterable[Row], places: Sequence[Place]) -> None:
        """Collect rows; a request that is there already keeps its largest output and earliest time."""
        numbers = [self._places.setdefault(place, len(self._places)) for place in places]
        tables = [self._rows.setdefault(place.provider, {}) for place in places]
        for key, place, *rest in rows:
            there = tables[place]
            row: Row = (key, numbers[place], *rest)  # type: ignore[assignment]
            there[key] = _larger(there[key], row) if key in there else row

    def stand(self, cursor: Cursor, threads: Iterable[Thread]) -> None:
        """Where a file stands whose rows were all added."""
        self._cursors.append(cursor)
        self._threads |= {one.thread: one for one in threads}

    def flush(self) -> None:
        """Keep all that was collected.

        Raises:
            StorageError: the database refused; nothing of it is kept.
        """
        if not (self._rows or self._cursors):
            return
        waiting = self.waiting
        with self._store.transaction() as statements:
            if waiting:
                self._keep(statements)
            _write_threads(statements, self._threads.values())
            _write_cursors(statements, self._cursors)
        self.kept.read += waiting
        self._rows, self._places, self._cursors, self._threads = {}, {}, [], {}

    def _keep(self, statements: Statements) -> None:
        _lock(statements)
        ids = [self._interned(statements, place) for place in self._places]
        attempt = self._attempt
        lines: list[_Line] = []
        for rows in self._rows.values():
            for key, place, at_us, *counts in rows.values():
                provider, booking, route = ids[place]
                raw = shortened(key if key.isascii() and "\0" not in key else storable(key))
                lines.append((raw, provider, at_us, attempt, booking, route, *counts))
        lines.sort(key=itemgetter(0))  # the order of the index they go into
        _temporary_tables(statements)
        statements.many(_insert("incoming", _INCOMING), lines)
        there = statements.all(_THERE)
        if there:
            self._reconcile(statements, lines, there)
        self.kept.new += statements.run(_TAKE_IN)
        _roll_up(statements)

    def _reconcile(
        self, statements: Statements, lines: Sequence[_Line], there: Sequence[tuple[Any, ...]]
    ) -> None:
        """Deal with requests that the ledger knows, and take them out of what is incoming."""
        known: dict[tuple[bytes, int], list[tuple[Any, ...]]] = {}
        for row in there:
            known.setdefault((bytes(row[0]), row[1]), []).append(row)
        by_identity = {line[:2]: line for line in lines if line[:2] in known}
        moved: list[tuple[Any, ...]] = []
        fresh: list[_Line] = []
        for identity, rows in known.items():
            line = by_identity[identity]
            best = max(rows, key=lambda row: (row[2], row[3]))
            ours = next((row for row in rows if row[2:4] == (ROLLOUT, SETTLED)), None)
            if ours is None:
                fresh.append(line)
                if (best[2], best[3]) < (ROLLOUT, SETTLED):
                    moved += [_signed(-1, best), (1, *line[2:6], SETTLED, *line[6:], 0, 0)]
                else:
                    self.kept.outranked += 1
                continue
            grown = (line[10], line[6:]) > (ours[12], tuple(ours[8:14]))
            at_us = min(line[2], ours[4])
            if not grown and at_us == ours[4]:
                continue
            counts = line[6:] if grown else tuple(ours[8:14])
            values = (at_us, *counts, identity[0], identity[1], ROLLOUT, SETTLED)
            statements.run(_GROW, values)
            self.kept.grown += 1
            if best is ours:
                moved += [_signed(-1, ours), (1, at_us, *ours[5:8], SETTLED, *counts, 0, 0)]
        statements.many("DELETE FROM incoming WHERE key = ? AND provider = ?", list(known))
        if fresh:
            rows_in = [(line[0], line[1], ROLLOUT, SETTLED, *line[2:]) for line in fresh]
            statements.many(_insert("requests", _NEW), rows_in)
            self.kept.new += len(fresh)
        if moved:
            statements.many(_insert("moved", _MOVED), moved)

    def _interned(self, statements: Statements, place: Place) -> tuple[int, int, int]:
        """The numbers of the place's provider, booking and route."""
        found = self._ids.get(place)
        if found is None:
            booked = self._booked(place)
            route = (place.provider, place.dialect, place.model, "", place.tier, place.served_tier, False)
            found = self._ids[place] = (
                _number(statements, "providers", ("name",), (place.provider,)),
                _number(statements, "bookings", _BOOKED, tuple(getattr(booked, one) for one in _BOOKED)),
                _number(statements, "routes", _ROUTED, route),
            )
        return found


def _larger(one: Row, other: Row) -> Row:
    """Of two sightings of a request the one with the larger output, at the earlier time."""
    larger = max(one, other, key=lambda row: (row[7], row[3:]))
    first = min(one[2], other[2])
    return larger if larger[2] == first else (larger[0], larger[1], first, *larger[3:])


_NEW = ("key", "provider", "source", "status", *_INCOMING[2:])
_THERE = (
    "SELECT r.key, r.provider, r.source, r.status, r.at_us, r.attempt, r.booking, r.route, "  # noqa: S608
    + ", ".join(f"r.{name}" for name in (*_COUNTED, *_FLOORS))
    + " FROM incoming AS i JOIN requests AS r ON r.key = i.key AND r.provider = i.provider"
)
_TAKE_IN = (
    f"INSERT INTO requests ({', '.join(_NEW)}) SELECT key, provider, {ROLLOUT}, {SETTLED}, "  # noqa: S608
    f"{', '.join(_INCOMING[2:])} FROM incoming"
)
_ALL_MOVED = (
    f"(SELECT {', '.join(_MOVED)} FROM moved UNION ALL SELECT 1, at_us, attempt, booking, route, {SETTLED}, "  # noqa: S608
    f"{', '.join(_COUNTED)}, 0, 0 FROM incoming) AS m"
)
_GROW = (
    f"UPDATE requests SET at_us = ?, {', '.join(f'{name} = ?' for name in _COUNTED)} "  # noqa: S608
    "WHERE key = ? AND provider = ? AND source = ? AND status = ?"
)


def _signed(sign: int, row: Sequence[Any]) -> tuple[Any, ...]:
    """A row as `_THERE` gives it, as one of `moved`."""
    return (sign, *row[4:8], row[3], *row[8:14], row[14] or 0, row[15] or 0)


def _insert(table: str, names: Sequence[str]) -> str:
    return f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join('?' for _ in names)})"  # noqa: S608


def _lock(statements: Statements) -> None:
    """As `usage.rollups.lock_ledger`: SQLite has one writer anyway."""
    if statements.binary == "BYTEA":
        statements.run("SELECT pg_advisory_xact_lock(7355609)")


def _temporary_tables(statements: Statements) -> None:
    numbers = ", ".join(f"{name} BIGINT" for name in _INCOMING[1:])
    statements.run(f"CREATE TEMPORARY TABLE IF NOT EXISTS incoming (key {statements.binary}, {numbers})")
    numbers = ", ".join(f"{name} BIGINT" for name in _MOVED)
    statements.run(f"CREATE TEMPORARY TABLE IF NOT EXISTS moved ({numbers})")
    numbers = ", ".join(f"{name} BIGINT" for name in (*_KEYED, *_SUMS))
    statements.run(f"CREATE TEMPORARY TABLE IF NOT EXISTS folded ({numbers})")
    for table in ("incoming", "moved", "folded"):
        statements.run(f"DELETE FROM {table}")  # noqa: S608


def _roll_up(statements: Statements) -> None:
    """Bring the rollups in step with what moved: by quarter hour, by day, by day and attempt."""
    edges = [int(row[0]) for row in statements.all("SELECT over FROM rollup_edges")]
    band = " + ".join(f"CASE WHEN input > {edge} THEN 1 ELSE 0 END" for edge in edges) or "0"
    sums = ", ".join(f"sum(sign * {name})" for name in (*_COUNTED, *_FLOORS))
    statements.run(
        f"INSERT INTO folded ({', '.join((*_KEYED, *_SUMS))}) "  # noqa: S608
        f"SELECT at_us / {_QUARTER_US}, coalesce(attempt, 0), booking, route, status, {band}, {_KINDS}, "
        f"sum(sign), {sums} FROM {_ALL_MOVED} GROUP BY 1, 2, 3, 4, 5, 6, 7"
    )
    rest = ", ".join(_KEYED[2:])
    totals = ", ".join(f"sum({name})" for name in _SUMS)
    added = ", ".join(f"{name} = rollups.{name} + excluded.{name}" for name in _SUMS)
    for grain, slot, attempt in (
        (0, "slot", "0"),
        (1, f"slot / {_QUARTERS_A_DAY}", "0"),
        (2, f"slot / {_QUARTERS_A_DAY}", "attempt"),
    ):
        statements.run(
            f"INSERT INTO rollups (grain, {', '.join((*_KEYED, *_SUMS))}) "  # noqa: S608
            f"SELECT {grain}, {slot}, {attempt}, {rest}, {totals} FROM folded WHERE true "
            f"GROUP BY 2, 3, {', '.join(str(one) for one in range(4, 9))} "
            f"ON CONFLICT (grain, {', '.join(_KEYED)}) DO UPDATE SET {added}"
        )


def _number(statements: Statements, table: str, names: Sequence[str], values: Sequence[Any]) -> int:
    """The id of the row with these values, which is made if it is not there."""
    stored = tuple(storable(one) if isinstance(one, str) else one for one in values)
    same = " AND ".join(f"{name} = ?" for name in names)
    query = f"SELECT id FROM {table} WHERE {same}"  # noqa: S608
    if not statements.all(query, stored):
        statements.run(_insert(table, names) + " ON CONFLICT DO NOTHING", stored)
    return int(statements.all(query, stored)[0][0])


def _write_threads(statements: Statements, threads: Iterable[Thread]) -> None:
    statements.many(
        _insert("import_threads", ("thread", "parent", "counted_from", "chain"))
        + " ON CONFLICT (thread) DO UPDATE SET chain = excluded.chain, counted_from = excluded.counted_from "
        "WHERE length(excluded.chain) >= length(import_threads.chain)",
        [(storable(one.thread), storable(one.parent), one.counted_from, one.chain) for one in threads],
    )


def _write_cursors(statements: Statements, cursors: Sequence[Cursor]) -> None:
    names = Cursor.__struct_fields__
    quoted = [f'"{name}"' for name in names]
    changed = ", ".join(f"{name} = excluded.{name}" for name in quoted[2:])
    statements.many(
        _insert("import_cursors", quoted) + f" ON CONFLICT (format, path) DO UPDATE SET {changed}",
        [tuple(getattr(one, name) for name in names) for one in cursors],
    )

"""Putting what was read into the ledger, in bulk: rows, rollups, threads and cursors in one transaction.

It keeps what `usage.ledger` promises: a better source counts, whichever came first, and rollups are in step.
Several sightings of one request in logs make one row: it has the largest output seen and the earliest time,
whatever was read first. Rows go in by the order of their keys, which is that of the index.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from operator import itemgetter
from typing import Any

from msgspec import Struct

from hundredfold.store.shortkeys import shortened
from hundredfold.store.statements import Statements, Store
from hundredfold.store.text import storable
from hundredfold.usage.deltas import UPSERT, Deltas
from hundredfold.usage.importers.protocol import Place, Row, Thread, merged
from hundredfold.usage.importers.reading import Cursor

#: the numbers of `usage.ledger`: source "rollout", status "settled"
ROLLOUT, SETTLED = 2, 4
_COUNTED = ("input", "cached", "cache_write", "cache_write_1h", "output", "reasoning")
_FLOORS = ("floor_input", "floor_output")
_BOOKED = ("project", "job", "agent", "person", "payer", "cost_centre", "path", "api_key", "label")
_ROUTED = ("provider", "dialect", "model", "served_model", "tier", "served_tier", "simulated")
_NEW = ("key", "provider", "source", "status", "at_us", "attempt", "booking", "route", *_COUNTED)
#: keys asked for in one statement; SQLite before 3.32 takes no more values
_ASKED = 500


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


#: a row of `requests`: as `_NEW`, of one that is there also `_FLOORS`
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
        for key, place, at_us, *counts in rows:
            row: Row = (key, numbers[place], at_us, *counts)  # type: ignore[assignment]
            there = tables[place].setdefault(key, row)
            if there is not row:
                tables[place][key] = merged(there, row)

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
                lines.append((raw, provider, ROLLOUT, SETTLED, at_us, attempt, booking, route, *counts))
        lines.sort(key=itemgetter(0))
        there = _there(statements, [line[0] for line in lines])
        new, counted, gone = self._reconcile(statements, lines, there) if there else (lines, lines, [])
        self.kept.new += len(new)
        statements.many(_insert("requests", _NEW), new)
        deltas = Deltas(
            [int(row[0]) for row in statements.all("SELECT over FROM rollup_edges ORDER BY over")]
        )
        deltas.add(counted)
        deltas.take(gone)
        statements.many(UPSERT, list(deltas.rows()))

    def _reconcile(
        self, statements: Statements, lines: Iterable[_Line], there: dict[_Line, list[_Line]]
    ) -> tuple[list[_Line], list[_Line], list[_Line]]:
        """Which lines are new, which rows are to be counted and which no more; rows that grow are written."""
        new: list[_Line] = []
        counted: list[_Line] = []
        gone: list[_Line] = []
        for line in lines:
            rows = there.get(line[:2])
            if rows is None:
                new.append(line)
                counted.append(line)
                continue
            best = max(rows, key=itemgetter(2, 3))
            ours = next((row for row in rows if row[2:4] == line[2:4]), None)
            if ours is None:
                new.append(line)
                if best[2:4] < line[2:4]:
                    counted.append(line)
                    gone.append(best)
                else:
                    self.kept.outranked += 1
                continue
            grown = (line[12], line[8:]) > (ours[12], ours[8:14])
            at_us = min(line[4], ours[4])
            if not grown and at_us == ours[4]:
                continue
            counts = line[8:] if grown else ours[8:14]
            statements.run(_GROW, (at_us, *counts, *line[:4]))
            self.kept.grown += 1
            if best is ours:
                counted.append((*ours[:4], at_us, *ours[5:8], *counts))
                gone.append(ours)
        return new, counted, gone

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


_GROW = (
    f"UPDATE requests SET at_us = ?, {', '.join(f'{name} = ?' for name in _COUNTED)} "  # noqa: S608
    "WHERE key = ? AND provider = ? AND source = ? AND status = ?"
)
_THERE = (
    f"SELECT {', '.join((*_NEW, *_FLOORS))} FROM requests "  # noqa: S608
    f"WHERE key IN ({', '.join('?' for _ in range(_ASKED))})"
)


def _there(statements: Statements, keys: Sequence[bytes]) -> dict[_Line, list[_Line]]:
    """The rows that the ledger has with these keys, by key and provider."""
    found: dict[_Line, list[_Line]] = {}
    if not statements.all("SELECT 1 FROM requests LIMIT 1"):
        return found
    for start in range(0, len(keys), _ASKED):
        some = keys[start : start + _ASKED]
        for row in statements.all(_THERE, (*some, *[b""] * (_ASKED - len(some)))):  # no key is empty
            key = bytes(row[0])
            found.setdefault((key, row[1]), []).append((key, *row[1:]))
    return found


def _insert(table: str, names: Sequence[str]) -> str:
    return f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join('?' for _ in names)})"  # noqa: S608


def _lock(statements: Statements) -> None:
    """As `usage.rollups.lock_ledger`: SQLite has one writer anyway."""
    if statements.binary == "BYTEA":
        statements.run("SELECT pg_advisory_xact_lock(7355609)")


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

"""Putting what was read into the ledger, in bulk: rows, rollups, threads and cursors in one transaction.

It keeps what `usage.ledger` promises: a better source counts, whichever came first, and rollups are in step.
Several sightings of one request in logs make one row: it has the largest output seen and the earliest time,
whatever was read first. Rows go in by the order of their keys, which is that of the index.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any, cast

from msgspec import Struct

from hundredfold.store.statements import Statements, Store, insert, insert_all
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
#: marks of `_Own`: with 100,000 keys one in 40 others is looked for in vain
_SLOTS = 1 << 22
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
        #: places by their numbers, which are not kept yet
        self._places: dict[int, Place] = {}
        #: of each place that is kept: the numbers of its provider, booking and route
        self._ids: dict[int, tuple[int, int, int]] = {}
        #: by provider and key
        self._rows: dict[str, dict[bytes, Row]] = {}
        #: of each place, those of its provider
        self._tables: dict[int, dict[bytes, Row]] = {}
        self._cursors: list[Cursor] = []
        self._threads: dict[str, Thread] = {}
        self._own = _Own()
        self.kept = Kept()

    @property
    def waiting(self) -> int:
        """How many rows are collected and not yet kept."""
        return sum(map(len, self._rows.values()))

    def add(self, rows: Iterable[Row], places: Mapping[int, Place]) -> None:
        """Collect rows and places that were not there before; a request that is there already keeps its
        largest output and earliest time."""
        self._places |= places
        self._tables |= {number: self._rows.setdefault(one.provider, {}) for number, one in places.items()}
        tables = self._tables
        for row in rows:
            key, table = row[0], tables[row[1]]
            there = table.setdefault(key, row)
            if there is not row:
                table[key] = merged(there, row)

    def stand(self, cursor: Cursor, threads: Iterable[Thread]) -> None:
        """Where a file stands whose rows were all added."""
        self._cursors.append(cursor)
        self._threads |= {one.thread: one for one in threads}

    def flush(self) -> None:
        """Keep all that was collected.

        Raises:
            StorageError: the database refused; nothing of it is kept.
        """
        if not self._cursors:
            return
        waiting = self.waiting
        with self._store.transaction() as statements:
            if waiting:
                self._keep(statements)
            _write_threads(statements, self._threads.values())
            _write_cursors(statements, self._cursors)
        self.kept.read += waiting
        for rows in self._rows.values():
            rows.clear()
        self._cursors, self._threads = [], {}

    def _keep(self, statements: Statements) -> None:
        _lock(statements)
        self._ids |= {number: self._interned(statements, place) for number, place in self._places.items()}
        self._places = {}
        lines = self._lines()
        there = _there(statements, sorted(self._own.among(statements, [line[0] for line in lines])))
        new, counted, gone = self._reconcile(statements, lines, there) if there else (lines, lines, [])
        self.kept.new += len(new)
        deltas = Deltas(
            [int(row[0]) for row in statements.all("SELECT over FROM rollup_edges ORDER BY over")]
        )
        deltas.add(counted)
        deltas.take(gone)
        statements.many(UPSERT, list(deltas.rows()))
        insert_all(statements, "requests", _NEW, sorted(new, key=itemgetter(0)))
        self._own.add(statements, [line[0] for line in new])

    def _lines(self) -> list[_Line]:
        """The rows as the ledger has them."""
        attempt, ids = self._attempt, self._ids
        lines: list[_Line] = []
        line = lines.append
        for rows in self._rows.values():
            for key, place, at_us, input_, cached, write, write_1h, output, reasoning in rows.values():
                provider, booking, route = ids[place]
                booked = (attempt, booking, route)
                used = (input_, cached, write, write_1h, output, reasoning)
                line((key, provider, ROLLOUT, SETTLED, at_us, *booked, *used))
        return lines

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
        booked = self._booked(place)
        route = (place.provider, place.dialect, place.model, "", place.tier, place.served_tier, False)
        return (
            _number(statements, "providers", ("name",), (place.provider,)),
            _number(statements, "bookings", _BOOKED, tuple(getattr(booked, one) for one in _BOOKED)),
            _number(statements, "routes", _ROUTED, route),
        )


class _Own:
    """Which keys need not be looked for, as long as the ledger holds nothing but what this import put there.

    A slot is marked for each key of ours, so one without a mark is not there; with a mark it may be.
    """

    def __init__(self) -> None:
        self._marks: bytearray | None = bytearray(_SLOTS)
        self._newest: int | None = None

    def among(self, statements: Statements, keys: Sequence[bytes]) -> Sequence[bytes]:
        """Those of the keys that may be there."""
        if _newest(statements) != self._newest:
            self._marks = None
        marks = self._marks
        return keys if marks is None else [key for key in keys if marks[hash(key) % _SLOTS]]

    def add(self, statements: Statements, keys: Iterable[bytes]) -> None:
        """These keys were put there, after `among` was asked in the same transaction."""
        marks = self._marks
        if marks is not None:
            self._newest = _newest(statements)
            for key in keys:
                marks[hash(key) % _SLOTS] = 1


def _newest(statements: Statements) -> int | None:
    """The number of the ledger's newest row; it is append-only."""
    return cast("int | None", statements.all("SELECT max(seq) FROM requests")[0][0])


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
    for start in range(0, len(keys), _ASKED):
        some = keys[start : start + _ASKED]
        for row in statements.all(_THERE, (*some, *[b""] * (_ASKED - len(some)))):  # no key is empty
            key = bytes(row[0])
            found.setdefault((key, row[1]), []).append((key, *row[1:]))
    return found


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
        statements.run(insert(table, names) + " ON CONFLICT DO NOTHING", stored)
    return int(statements.all(query, stored)[0][0])


def _write_threads(statements: Statements, threads: Iterable[Thread]) -> None:
    statements.many(
        insert("import_threads", ("thread", "parent", "counted_from", "chain"))
        + " ON CONFLICT (thread) DO UPDATE SET chain = excluded.chain, counted_from = excluded.counted_from "
        "WHERE length(excluded.chain) >= length(import_threads.chain)",
        [(storable(one.thread), storable(one.parent), one.counted_from, one.chain) for one in threads],
    )


def _write_cursors(statements: Statements, cursors: Sequence[Cursor]) -> None:
    names = Cursor.__struct_fields__
    quoted = [f'"{name}"' for name in names]
    changed = ", ".join(f"{name} = excluded.{name}" for name in quoted[2:])
    statements.many(
        insert("import_cursors", quoted) + f" ON CONFLICT (format, path) DO UPDATE SET {changed}",
        [tuple(getattr(one, name) for name in names) for one in cursors],
    )

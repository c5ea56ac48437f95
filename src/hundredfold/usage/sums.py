"""Sums of tokens out of the ledger, by what a price depends on and by what a bill is grouped by.

They come from the rollups: whole UTC days from the grain of days; what is left at the edges of a window, and
what falls on another day in the asked zone than in UTC, from quarter hours (of all bookings together, if
nobody asks for them). Rollups tell apart what some book may; sums only what this one does, so they are far
fewer. Where rollups can't answer (a threshold that matters is not among their edges, single attempts,
attempts by days of a zone) the same sums are made from the rows themselves, slower.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from operator import add, sub
from typing import Any, Literal

import msgspec
import sqlalchemy as sa
from msgspec import Struct

from hundredfold.prices.book import PriceBook, Steps
from hundredfold.prices.rows import KINDS
from hundredfold.store.tables.ledger import bookings, current_requests, routes
from hundredfold.store.tables.work import attempts
from hundredfold.usage.consistency import END_US, FIRST_US
from hundredfold.usage.deltas import (
    DAY,
    DAY_AND_ATTEMPT,
    QUARTER,
    QUARTER_OF_ALL,
    QUARTER_US,
    SUMMED,
)
from hundredfold.usage.rollups import DAY_US, edges_of, raw_sums
from hundredfold.vocabulary import RequestStatus, Tier, Usage

#: what the number in `requests.status` stands for, the best last: it supersedes those before it
STATUSES: tuple[RequestStatus, ...] = ("unsettled", "refused", "error", "cut", "settled")
#: by what sums can be told apart, besides what a price depends on; "day" is one of the zone's
Part = Literal["day", "booking", "attempt"]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: more days than any ledger covers; bounds the work for a window without a beginning
_MOST_DAYS = 40_000
#: rows fetched at once
_AT_ONCE = 5_000


class Window(Struct, frozen=True):
    """From `since_us` until before `until_us`, UTC microseconds on quarter hours; None is no bound but 2000
    and 2099: a request that is dated outside of them is in no sum."""

    since_us: int | None = None
    until_us: int | None = None


class Scope(Struct, frozen=True):
    """Which requests: those that have all that is not None. `attempts` are ids, few of them."""

    project: str | None = None
    job: str | None = None
    payer: str | None = None
    run: str | None = None
    attempts: tuple[str, ...] | None = None


class Booked(Struct, frozen=True):
    """A row of `bookings`."""

    id: int
    project: str
    job: str
    agent: str
    person: str
    payer: str
    cost_centre: str
    path: str
    api_key: str
    label: str


class Routed(Struct, frozen=True):
    """A row of `routes`."""

    id: int
    provider: str
    dialect: str
    model: str
    served_model: str
    tier: Tier
    served_tier: str
    simulated: bool


class Sum(Struct, frozen=True, gc=False):
    """Tokens of `requests` alike ones. `size` is an input size that is priced as each of theirs is, `at_us`
    a time. `day` counts days since 1970-01-01 in the asked zone; what was not asked for is None."""

    day: int | None
    booking: Booked | None
    attempt: int | None
    route: Routed
    status: RequestStatus
    size: int
    at_us: int
    requests: int
    usage: Usage
    floor: Usage


def steps_of(connection: sa.Connection, book: PriceBook) -> Steps:
    """What tells the prices of what was served apart, whoever's and whenever."""
    return _steps(book, _routes(connection))


def sums(
    connection: sa.Connection,
    book: PriceBook,
    *,
    by: Sequence[Part] = (),
    scope: Scope = Scope(),  # noqa: B008
    window: Window = Window(),  # noqa: B008
    zone: tzinfo = UTC,
    as_served: bool = False,
) -> Iterator[Sum]:
    """The sums under the scope in the window, so that every model of the book prices them exactly.

    With `as_served` there are fewer: only at the price of what was served are they exact.
    """
    _on_quarters(window)
    window = Window(
        FIRST_US if window.since_us is None else max(FIRST_US, window.since_us),
        END_US if window.until_us is None else min(END_US, window.until_us),
    )
    every = {one.id: one for one in _bookings(connection)}
    chosen = {number: one for number, one in every.items() if _booked_under(one, scope)}
    if not chosen:
        return
    listed = None if len(chosen) == len(every) else tuple(chosen)
    stored = edges_of(connection)
    routed = {one.id: one for one in _routes(connection)}
    steps = _steps(book, routed.values()) if as_served else book.steps()
    source = _Source(connection, by, scope, window, zone, stored, steps, listed)
    raw = (
        not set(steps.thresholds) <= set(stored)
        or any(one % DAY_US for one in steps.periods)
        or scope.attempts is not None
        or (source.by_attempt and not source.utc_days)
    )
    for row in source.from_rows() if raw else source.from_rollups():
        day, booking, attempt, route, status, band, at_us, count, *tokens = row
        yield Sum(
            day=day,
            booking=None if booking is None else chosen[booking],
            attempt=attempt,
            route=routed[route],
            status=STATUSES[status],
            size=steps.thresholds[band - 1] + 1 if band else 0,
            at_us=at_us,
            requests=int(count),
            usage=Usage(*map(int, (*tokens[:3], *tokens[4:6], tokens[3]))),
            floor=Usage(input=int(tokens[6]), output=int(tokens[7])),
        )


def local_day(at_us: int, zone: tzinfo) -> int:
    """The day of the zone that holds the time, counted from 1970-01-01."""
    if zone is UTC:
        return at_us // DAY_US
    moment = (_EPOCH + timedelta(microseconds=at_us)).astimezone(zone)
    return moment.toordinal() - _EPOCH.toordinal()


class _Source:
    """One query: its conditions, and the two ways to answer it. Rows: day, booking, attempt, route, status,
    band, a time, the number of requests, then the sums in the order of `SUMMED`."""

    def __init__(
        self,
        connection: sa.Connection,
        by: Sequence[Part],
        scope: Scope,
        window: Window,
        zone: tzinfo,
        stored: Sequence[int],
        steps: Steps,
        bookings_: tuple[int, ...] | None,
    ) -> None:
        self._connection = connection
        self._by = by
        self._scope = scope
        self._window = window
        self._zone = zone
        self._stored = stored
        self._steps = steps
        self._bookings = bookings_
        self.by_attempt = "attempt" in by or scope.run is not None
        bounds = (window.since_us or 0, window.until_us or 0)
        #: whether whole UTC days answer it
        self.utc_days = not any(one % DAY_US for one in bounds) and ("day" not in by or zone is UTC)

    def from_rollups(self) -> Iterator[Any]:
        if not self.utc_days:
            return self._by_zone()
        days = self._part(DAY_AND_ATTEMPT if self.by_attempt else DAY, "slot", self._whole_days())
        return (row[:-2] for row in days)

    def from_rows(self) -> Iterator[Any]:
        where: list[sa.ColumnElement[bool]] = []
        if self._window.since_us is not None:
            where.append(current_requests.c.at_us >= self._window.since_us)
        if self._window.until_us is not None:
            where.append(current_requests.c.at_us < self._window.until_us)
        if self._scope.run is not None:
            where.append(current_requests.c.attempt.in_(_numbers(attempts.c.run == self._scope.run)))
        if self._scope.attempts is not None:
            where.append(current_requests.c.attempt.in_(_numbers(attempts.c.id.in_(self._scope.attempts))))
        if self._bookings is not None:
            where.append(current_requests.c.booking.in_(self._bookings))
        made = raw_sums(self._steps.thresholds, where)
        for found in self._connection.execute(sa.select(made)).mappings():
            at_us = found["slot"] * QUARTER_US
            yield (
                local_day(at_us, self._zone) if "day" in self._by else None,
                found["booking"] if "booking" in self._by else None,
                found["attempt"] if "attempt" in self._by else None,
                *(found[name] for name in ("route", "status", "band")),
                at_us,
                found["requests"],
                *(found[name] for name in SUMMED),
            )

    def _by_zone(self) -> Iterator[Any]:
        """Whole UTC days; the quarter hours that are on another day in the zone, taken from the one and added
        to the other; and the quarter hours at the edges of the window."""
        first, last = self._extent()
        start = first if self._window.since_us is None else max(first, self._window.since_us)
        end = last if self._window.until_us is None else min(last, self._window.until_us)
        whole = (-(-start // DAY_US), end // DAY_US)
        if whole[0] >= whole[1]:
            whole = (start // DAY_US + 1, start // DAY_US + 1)
            edges = [(start, end)]
        else:
            edges = [(start, whole[0] * DAY_US), (whole[1] * DAY_US, end)]
        pieces: list[tuple[int, int, int]] = []  # from, until before; the number of their place
        places: list[tuple[tuple[int, int], ...]] = []  # days and signs
        if "day" in self._by:
            for low, high, day in self._days_of(whole[0] * DAY_US, whole[1] * DAY_US):
                if day != low // DAY_US:
                    pieces.append((low // QUARTER_US, high // QUARTER_US, len(places)))
                    places.append(((day, 1), (low // DAY_US, -1)))
        for low, high in edges:
            for a, b, day in self._days_of(low, high):
                pieces.append((a // QUARTER_US, b // QUARTER_US, len(places)))
                places.append(((day, 1),))
        gathered = _Gathered()
        for row in self._part(DAY, "slot", f"slot >= {whole[0]} AND slot < {whole[1]}"):
            gathered.add(row, row[0], 1)
        whoever = "booking" not in self._by and self._bookings is None
        grain = QUARTER_OF_ALL if whoever else QUARTER
        for row in self._part(grain, "place", "slot >= low AND slot < high", pieces) if pieces else ():
            for zones, sign in places[row[0]] if "day" in self._by else ((None, 1),):
                gathered.add(row, zones, sign)
        return gathered.rows()

    def _whole_days(self) -> str:
        bounds = ((">=", self._window.since_us), ("<", self._window.until_us))
        return " AND ".join(f"slot {sign} {one // DAY_US}" for sign, one in bounds if one is not None)

    def _days_of(self, start: int, end: int) -> list[tuple[int, int, int]]:
        """The stretch in pieces that lie on one day of the zone and one UTC day: from, until, zone's day."""
        pieces: list[tuple[int, int, int]] = []
        at = start
        while at < end:
            day, until = local_day(at, self._zone), min(end, (at // DAY_US + 1) * DAY_US)
            if local_day(until - 1, self._zone) != day:  # the zone's midnight lies between
                low, high = at // QUARTER_US, until // QUARTER_US
                while low + 1 < high:
                    middle = (low + high) // 2
                    same = local_day(middle * QUARTER_US, self._zone) == day
                    low, high = (middle, high) if same else (low, middle)
                until = high * QUARTER_US
            pieces.append((at, until, day))
            at = until
        return pieces

    def _extent(self) -> tuple[int, int]:
        """From the first to the end of the last UTC day that has a sum."""
        first, last = self._connection.exec_driver_sql(
            f"SELECT min(slot), max(slot) FROM rollups WHERE grain = {DAY} "  # noqa: S608
            f"AND slot >= {FIRST_US // DAY_US} AND slot < {END_US // DAY_US}"
        ).one()
        if first is None:
            return 0, 0
        return max(first, last - _MOST_DAYS) * DAY_US, (last + 1) * DAY_US

    def _part(
        self, grain: int, day: str, where: str, pieces: Sequence[tuple[int, int, int]] = ()
    ) -> Iterator[Any]:
        """One grain's sums, and over which slots; numbers only, so nothing needs quoting. The last two values
        of a row, the kinds used and the period, are what else it is told apart by."""
        source, condition = "rollups", [f"grain = {grain}"]
        if pieces:
            values = ", ".join(map(str, pieces))
            source = f"(SELECT column1 AS low, column2 AS high, column3 AS place FROM (VALUES {values}) AS v)"  # noqa: S608
            source += " AS pieces CROSS JOIN rollups"
        condition += [where] if where else []
        if self._bookings is not None:
            condition.append(f"booking IN ({', '.join(map(str, self._bookings))})")
        if self._scope.run is not None:
            condition.append("attempt IN (SELECT number FROM attempts WHERE run = :run)")
        slot_us = QUARTER_US if grain in (QUARTER, QUARTER_OF_ALL) else DAY_US
        edges = [self._stored.index(one) + 1 for one in self._steps.thresholds]
        masks = [sum(1 << KINDS.index(one) for one in lacking) for lacking in self._steps.lacking]
        keys = {
            "day": day if "day" in self._by else None,
            "booking": "booking" if "booking" in self._by else None,
            "attempt": "attempt" if "attempt" in self._by else None,
            "route": "route",
            "status": "status",
            "band": _passed("band", edges),
            "kinds": f"kinds & ({_passed('band', edges, masks)})",
            "period": _passed("slot", [one // slot_us for one in self._steps.periods]),
        }
        shown = {name: f"{text or 'NULL'} AS {name}" for name, text in keys.items()}
        text = (
            f"SELECT {', '.join(list(shown.values())[:6])}, CAST(min(slot) AS BIGINT) * {slot_us}, "  # noqa: S608
            f"{', '.join(f'sum({name})' for name in ('requests', *SUMMED))}, {shown['kinds']}, "
            f"{shown['period']} FROM {source} WHERE {' AND '.join(condition)} "
            f"GROUP BY {', '.join(text for text in keys.values() if text)} HAVING sum(requests) <> 0"
        )
        bound = {"run": self._scope.run} if self._scope.run is not None else {}
        for some in self._connection.execute(sa.text(text), bound).partitions(_AT_ONCE):
            yield from some


class _Gathered:
    """Rows of several parts, added up."""

    def __init__(self) -> None:
        self._sums: dict[tuple[Any, ...], list[Any]] = {}

    def add(self, row: Any, day: int | None, sign: int) -> None:
        """Add the row to the day's, or take it away."""
        _, booking, attempt, route, status, band, at_us, *figures, kinds, period = row
        key = (day, booking, attempt, route, status, band, kinds, period)
        there = self._sums.get(key)
        if there is None:
            self._sums[key] = [at_us, *(figures if sign > 0 else [-one for one in figures])]
        elif sign > 0:
            there[1:] = map(add, there[1:], figures)
        else:
            there[1:] = map(sub, there[1:], figures)

    def rows(self) -> Iterator[Any]:
        """What is left of them."""
        return ((*key[:6], *one) for key, one in self._sums.items() if one[1])


def _steps(book: PriceBook, routed: Iterable[Routed]) -> Steps:
    return book.steps({(one.provider, one.served_model or one.model) for one in routed})


def _passed(column: str, edges: Sequence[int], values: Sequence[int] | None = None) -> str:
    """Which of the values (default: 0, 1, 2, …) is the column's, by how many of the edges, ascending, it has
    reached."""
    first, *others = values or range(len(edges) + 1)
    cases = [f"WHEN {column} >= {edge} THEN {one}" for edge, one in zip(edges, others, strict=True)]
    # ELSE 0 + n: a plain number in GROUP BY would name a column
    return f"CASE {' '.join(reversed(cases))} ELSE {first} END" if cases else f"0 + {first}"


def _numbers(condition: sa.ColumnElement[bool]) -> sa.Select[tuple[int]]:
    return sa.select(attempts.c.number).where(condition)


def _bookings(connection: sa.Connection) -> Iterator[Booked]:
    names = Booked.__struct_fields__
    return (Booked(*row) for row in connection.execute(sa.select(*(bookings.c[name] for name in names))))


def _routes(connection: sa.Connection) -> Iterator[Routed]:
    names = Routed.__struct_fields__
    found = connection.execute(sa.select(*(routes.c[name] for name in names)))
    return (msgspec.convert(dict(zip(names, row, strict=True)), Routed, strict=False) for row in found)


def _booked_under(booked: Booked, scope: Scope) -> bool:
    wanted = ((scope.project, booked.project), (scope.job, booked.job), (scope.payer, booked.payer))
    return all(one is None or one == name for one, name in wanted)


def _on_quarters(window: Window) -> None:
    for name, value in msgspec.structs.asdict(window).items():
        if value is not None and value % QUARTER_US:
            raise ValueError(f"{name} is {value}, which is no quarter hour")

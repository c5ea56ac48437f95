"""The bill: requests, tokens and list price by any grouping, from the ledger.

Simulated requests are never added to real ones: they make lines and a sum of their own, marked so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo
from typing import Literal, get_args

import sqlalchemy as sa
from msgspec import Struct

from hundredfold.prices.book import PriceBook
from hundredfold.store.database import Database
from hundredfold.store.tables.ledger import bookings
from hundredfold.store.tables.work import attempts
from hundredfold.usage.pricing import Group, Label, Money, current, priced_groups
from hundredfold.vocabulary import Usage

Grouping = Literal["day", "model", "tier", "project", "job", "item", "attempt", "agent", "person", "payer"]
GROUPINGS: tuple[Grouping, ...] = get_args(Grouping)
UNKNOWN = "–"
#: ids in one statement; SQLite bounds a statement's variables
_IDS = 500


class Line(Struct, frozen=True):
    """One line of the bill. `usage` holds settled requests; `uncertain` ones are an interval in `money`."""

    labels: tuple[str, ...]
    simulated: bool
    requests: int
    failed: int
    uncertain: int
    usage: Usage
    money: Money


class Bill(Struct, frozen=True):
    """Lines by the asked groupings, and their sums: real, and simulated where there is any.

    `unpriced` says why requests have no price, and how many each reason concerns.
    """

    by: tuple[Grouping, ...]
    lines: tuple[Line, ...]
    total: Line
    simulated_total: Line | None
    unpriced: dict[str, int]


def bill(
    database: Database,
    book: PriceBook,
    *,
    by: Sequence[Grouping],
    project: str | None = None,
    run: str | None = None,
    since_us: int | None = None,
    zone: tzinfo = UTC,
) -> Bill:
    """The bill of what is in the ledger, by days of `zone`.

    `project` (a slug) and `run` (an id) narrow it, `since_us` leaves out what was sent before.
    """
    conditions: list[sa.ColumnElement[bool]] = []
    if project is not None:
        booked = sa.select(bookings.c.id).where(bookings.c.project == project)
        conditions.append(current.c.booking.in_(booked))
    if since_us is not None:
        conditions.append(current.c.at_us >= since_us)
    if run is not None:
        conditions.append(current.c.attempt.in_(sa.select(attempts.c.number).where(attempts.c.run == run)))
    labels = _sql_labels(by, zone)
    with database.read() as connection:
        groups = priced_groups(connection, book, by=labels, where=conditions)
    return _billed(by, groups, zone)


def cost_of(database: Database, book: PriceBook, attempt_ids: Sequence[str]) -> tuple[Line, ...]:
    """What each of the attempts cost; a line's one label is its attempt. None is there for an attempt
    without requests."""
    groups: list[Group] = []
    with database.read() as connection:
        for start in range(0, len(attempt_ids), _IDS):
            chosen = sa.select(attempts.c.number).where(attempts.c.id.in_(attempt_ids[start : start + _IDS]))
            groups += priced_groups(connection, book, by=("attempt",), where=[current.c.attempt.in_(chosen)])
    return _billed(("attempt",), groups, UTC).lines


def _sql_labels(by: Sequence[Grouping], zone: tzinfo) -> tuple[Label, ...]:
    """What SQL groups by. Every zone's midnight falls on a quarter hour of UTC, but not on its midnight."""
    labels: list[Label] = []
    for one in by:
        if one == "day":
            labels.append("day" if zone is UTC else "quarter")
        elif one != "model" and one != "tier":
            labels.append(one)
    return tuple(labels)


def _billed(by: Sequence[Grouping], groups: Sequence[Group], zone: tzinfo) -> Bill:
    lines: dict[tuple[tuple[str, ...], bool], Line] = {}
    unpriced: Counter[str] = Counter()
    for group in groups:
        labels = _labels(by, group, zone)
        key = (labels, group.simulated)
        lines[key] = _added(lines.get(key) or _empty(labels, group.simulated), group)
        if group.reason:
            unpriced[group.reason] += group.requests
    ordered = tuple(sorted(lines.values(), key=lambda line: (line.simulated, _order(by, line))))
    simulated = _sum(ordered, simulated=True)
    return Bill(
        by=tuple(by),
        lines=ordered,
        total=_sum(ordered, simulated=False),
        simulated_total=simulated if simulated.requests else None,
        unpriced=dict(unpriced),
    )


def _labels(by: Sequence[Grouping], group: Group, zone: tzinfo) -> tuple[str, ...]:
    from_sql = iter(group.labels)
    labels = []
    for one in by:
        if one == "model":
            labels.append(group.model)
        elif one == "tier":
            labels.append(group.tier)
        elif one == "day":
            moment = datetime.fromtimestamp(int(next(from_sql) or 0) // 1_000_000, zone)
            labels.append(moment.date().isoformat())
        else:
            labels.append(str(next(from_sql) or UNKNOWN))
    return tuple(labels)


def _order(by: Sequence[Grouping], line: Line) -> tuple[object, ...]:
    """Days in order, newest last; everything else dearest first."""
    if by and by[0] == "day":
        return (line.labels[0], -line.money.most, line.labels)
    return (-line.money.most, line.labels)


def _empty(labels: tuple[str, ...], simulated: bool) -> Line:
    return Line(labels, simulated, 0, 0, 0, Usage(), Money())


def _added(line: Line, more: Group | Line) -> Line:
    return Line(
        line.labels,
        line.simulated,
        line.requests + more.requests,
        line.failed + more.failed,
        line.uncertain + more.uncertain,
        line.usage + more.usage,
        line.money + more.money,
    )


def _sum(lines: Sequence[Line], *, simulated: bool) -> Line:
    total = _empty((), simulated)
    for line in lines:
        if line.simulated == simulated:
            total = _added(total, line)
    return total

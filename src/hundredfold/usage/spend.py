"""The bill: requests, tokens and list price by any grouping, from the ledger.

Simulated requests are never added to real ones: they make lines and a sum of their own, marked so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, date, tzinfo
from typing import Literal, get_args

import sqlalchemy as sa
from msgspec import Struct

from hundredfold.prices.book import PriceBook
from hundredfold.store.database import Database
from hundredfold.store.tables.work import attempts
from hundredfold.usage.pricing import Group, Money, priced_groups
from hundredfold.usage.sums import Part, Scope, Window
from hundredfold.vocabulary import Usage

Grouping = Literal["day", "model", "tier", "project", "job", "item", "attempt", "agent", "person", "payer"]
GROUPINGS: tuple[Grouping, ...] = get_args(Grouping)
#: groupings that a request's booking tells
BOOKED = ("project", "job", "agent", "person", "payer")
UNKNOWN = "–"
_EPOCH = date(1970, 1, 1).toordinal()
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
    until_us: int | None = None,
    zone: tzinfo = UTC,
) -> Bill:
    """The bill of what is in the ledger, by days of `zone`.

    `project` (a slug) and `run` (an id) narrow it; `since_us` leaves out what was sent before, `until_us`
    what was sent from then on. Both are quarter hours.
    """
    scope = Scope(project=project, run=run)
    with database.read() as connection:
        groups = priced_groups(
            connection, book, by=_parts(by), scope=scope, window=Window(since_us, until_us), zone=zone
        )
        named = _attempts(connection, groups) if "attempt" in by or "item" in by else {}
    return _billed(by, groups, named)


def cost_of(database: Database, book: PriceBook, attempt_ids: Sequence[str]) -> tuple[Line, ...]:
    """What each of the attempts cost; a line's one label is its attempt. None is there for an attempt
    without requests."""
    groups: list[Group] = []
    with database.read() as connection:
        for start in range(0, len(attempt_ids), _IDS):
            scope = Scope(attempts=tuple(attempt_ids[start : start + _IDS]))
            groups += priced_groups(connection, book, by=("attempt",), scope=scope)
        named = _attempts(connection, groups)
    return _billed(("attempt",), groups, named).lines


def _parts(by: Sequence[Grouping]) -> tuple[Part, ...]:
    """What the sums are told apart by."""
    parts: set[Part] = set()
    for one in by:
        if one == "day":
            parts.add("day")
        elif one in ("attempt", "item"):
            parts.add("attempt")
        elif one in BOOKED:
            parts.add("booking")
    return tuple(sorted(parts))


def _attempts(connection: sa.Connection, groups: Sequence[Group]) -> dict[int, tuple[str, str]]:
    """The id and the item of every attempt among the groups, by its number."""
    numbers = sorted({group.of.attempt for group in groups if group.of.attempt})
    found: dict[int, tuple[str, str]] = {}
    for start in range(0, len(numbers), _IDS):
        query = sa.select(attempts.c.number, attempts.c.id, attempts.c.item)
        some = query.where(attempts.c.number.in_(numbers[start : start + _IDS]))
        found |= {number: (one, item) for number, one, item in connection.execute(some)}
    return found


def _billed(by: Sequence[Grouping], groups: Sequence[Group], named: Mapping[int, tuple[str, str]]) -> Bill:
    lines: dict[tuple[tuple[str, ...], bool], Line] = {}
    unpriced: Counter[str] = Counter()
    for group in groups:
        labels = _labels(by, group, named)
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


def _labels(by: Sequence[Grouping], group: Group, named: Mapping[int, tuple[str, str]]) -> tuple[str, ...]:
    labels = []
    for one in by:
        match one:
            case "model":
                label = group.model
            case "tier":
                label = group.tier
            case "day":
                label = date.fromordinal(_EPOCH + (group.of.day or 0)).isoformat()
            case "attempt":
                label = named.get(group.of.attempt or 0, ("", ""))[0]
            case "item":
                label = named.get(group.of.attempt or 0, ("", ""))[1]
            case _:
                label = getattr(group.of.booking, one)
        labels.append(label or UNKNOWN)
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

"""The bill: requests, tokens and list price by any grouping, from the ledger.

Simulated requests are never added to real ones: they make rows of their own, marked so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, get_args

import sqlalchemy as sa
from msgspec import Struct

from hundredfold.prices.book import PriceBook
from hundredfold.store.database import Database
from hundredfold.store.schema import attempts, bookings, items
from hundredfold.usage.pricing import Group, Money, current, priced_groups
from hundredfold.vocabulary import Usage

Grouping = Literal["day", "model", "tier", "project", "job", "item", "attempt", "agent", "person", "payer"]
GROUPINGS: tuple[Grouping, ...] = get_args(Grouping)
DAY_US = 86_400_000_000


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
    """Lines by the asked groupings, and their sums: real, and simulated where there is any."""

    by: tuple[Grouping, ...]
    lines: tuple[Line, ...]
    total: Line
    simulated_total: Line | None


def bill(
    database: Database,
    book: PriceBook,
    *,
    by: Sequence[Grouping],
    project: str | None = None,
    run: str | None = None,
    attempt_ids: Sequence[str] | None = None,
    since_us: int | None = None,
) -> Bill:
    """The bill of what is in the ledger, UTC days.

    `project` and `run` (an id) narrow it, `attempt_ids` too, `since_us` leaves out what was sent before.
    """
    conditions: list[sa.ColumnElement[bool]] = []
    if project is not None:
        conditions.append(bookings.c.project == project)
    if since_us is not None:
        conditions.append(current.c.at_us >= since_us)
    if run is not None:
        conditions.append(current.c.attempt.in_(sa.select(attempts.c.number).where(attempts.c.run == run)))
    if attempt_ids is not None:
        chosen = sa.select(attempts.c.number).where(attempts.c.id.in_(list(attempt_ids)))
        conditions.append(current.c.attempt.in_(chosen))
    columns = [_COLUMN[one] for one in by if one in _COLUMN]
    with database.read() as connection:
        groups = priced_groups(
            connection, book, by=columns, where=sa.and_(*conditions) if conditions else None
        )
    lines: dict[tuple[tuple[str, ...], bool], Line] = {}
    for group in groups:
        labels = _labels(by, group)
        key = (labels, group.simulated)
        lines[key] = _added(lines.get(key) or _empty(labels, group.simulated), group)
    ordered = tuple(sorted(lines.values(), key=lambda line: (line.simulated, _order(by, line))))
    simulated = _sum(ordered, simulated=True)
    return Bill(tuple(by), ordered, _sum(ordered, simulated=False), simulated if simulated.requests else None)


def since_days(days: int, now: datetime) -> int:
    """When the UTC day began that is `days` - 1 before today's, in microseconds."""
    today = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return int((today - timedelta(days=days - 1)).timestamp()) * 1_000_000


_COLUMN: dict[Grouping, sa.ColumnElement[Any]] = {
    "day": current.c.at_us - current.c.at_us % DAY_US,
    "project": bookings.c.project,
    "job": bookings.c.job,
    "agent": bookings.c.agent,
    "person": bookings.c.person,
    "payer": bookings.c.payer,
    "attempt": sa.select(attempts.c.id).where(attempts.c.number == current.c.attempt).scalar_subquery(),
    "item": sa.select(items.c.key)
    .join(attempts, attempts.c.item == items.c.id)
    .where(attempts.c.number == current.c.attempt)
    .scalar_subquery(),
}


def _labels(by: Sequence[Grouping], group: Group) -> tuple[str, ...]:
    from_sql = iter(group.labels)
    made: dict[Grouping, Callable[[], str]] = {"model": lambda: group.model, "tier": lambda: group.tier}
    return tuple(made[one]() if one in made else _text(one, next(from_sql)) for one in by)


def _text(grouping: Grouping, value: str | int | None) -> str:
    if value is None or value == "":
        return "–"
    if grouping == "day":
        return datetime.fromtimestamp(int(value) / 1_000_000, UTC).strftime("%Y-%m-%d")
    return str(value)


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

"""The bill: requests, tokens and price by any grouping, from the ledger.

Simulated requests are never added to real ones: they make lines and a sum of their own, marked so. A line has
its list price and what of it is billed here (nothing, where an employer or a subscription pays).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, timedelta, tzinfo
from typing import Literal, get_args

import msgspec
import sqlalchemy as sa
from msgspec import Struct

from hundredfold.prices.book import PriceBook
from hundredfold.store.database import Database
from hundredfold.store.tables.work import attempts
from hundredfold.usage.allocation import ALLOCATED, UNALLOCATED, Allocated, Allocation
from hundredfold.usage.pricing import Group, Money, priced_groups
from hundredfold.usage.sums import Part, Scope, Sum, Window
from hundredfold.vocabulary import Usage

Grouping = Literal[
    "day",
    "week",
    "month",
    "provider",
    "model",
    "tier",
    "project",
    "job",
    "item",
    "attempt",
    "agent",
    "person",
    "payer",
    "cost_centre",
    "path",
    "api_key",
    "label",
]
GROUPINGS: tuple[Grouping, ...] = get_args(Grouping)
#: groupings that a request's booking tells
BOOKED = ("project", "job", "agent", "person", "payer", "cost_centre", "path", "api_key", "label")
DATED = ("day", "week", "month")
UNKNOWN = "–"
_EPOCH = date(1970, 1, 1).toordinal()
#: ids in one statement; SQLite bounds a statement's variables
_IDS = 500


class Line(Struct, frozen=True, gc=False):
    """One line of the bill. `usage` holds settled requests; `uncertain` ones are an interval in `money`,
    which is the list price; `billed` is the part of it that is billed here."""

    labels: tuple[str, ...]
    simulated: bool
    requests: int
    failed: int
    uncertain: int
    usage: Usage
    money: Money
    billed: Money = Money()


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
    allocation: Allocation = Allocation(),  # noqa: B008
) -> Bill:
    """The bill of what is in the ledger, by days of `zone`.

    `project` (a slug) and `run` (an id) narrow it; `since_us` leaves out what was sent before, `until_us`
    what was sent from then on. Both are quarter hours.
    """
    [found] = bills(
        database,
        book,
        [by],
        scope=Scope(project=project, run=run),
        window=Window(since_us, until_us),
        zone=zone,
        allocation=allocation,
    )
    return found


def bills(
    database: Database,
    book: PriceBook,
    groupings: Sequence[Sequence[Grouping]],
    *,
    scope: Scope = Scope(),  # noqa: B008
    window: Window = Window(),  # noqa: B008
    zone: tzinfo = UTC,
    allocation: Allocation = Allocation(),  # noqa: B008
) -> list[Bill]:
    """One bill for each of the groupings, from one reading of the ledger."""
    asked = {one for by in groupings for one in by}
    with database.read() as connection:
        groups = priced_groups(
            connection, book, by=parts_of(asked, allocation), scope=scope, window=window, zone=zone
        )
        named = _attempts(connection, groups) if asked & {"attempt", "item"} else {}
    return [billed(by, groups, named, allocation) for by in groupings]


def cost_of(database: Database, book: PriceBook, attempt_ids: Sequence[str]) -> tuple[Line, ...]:
    """What each of the attempts cost; a line's one label is its attempt. None is there for an attempt
    without requests."""
    groups: list[Group] = []
    with database.read() as connection:
        for start in range(0, len(attempt_ids), _IDS):
            scope = Scope(attempts=tuple(attempt_ids[start : start + _IDS]))
            groups += priced_groups(connection, book, by=("attempt",), scope=scope)
        named = _attempts(connection, groups)
    return billed(("attempt",), groups, named).lines


def parts_of(asked: Iterable[Grouping], allocation: Allocation) -> tuple[Part, ...]:
    """What the sums are told apart by."""
    parts: set[Part] = {"booking"} if allocation.funds else set()
    for one in asked:
        if one in DATED:
            parts.add("day")
        elif one in ("attempt", "item"):
            parts.add("attempt")
        elif one in BOOKED:
            parts.add("booking")
    return tuple(sorted(parts))


def _attempts(
    connection: sa.Connection, groups: Sequence[Group] | Sequence[Sum]
) -> dict[int, tuple[str, str]]:
    """The id and the item of every attempt among the groups, by its number."""
    return attempt_names(
        connection, (one.of.attempt if isinstance(one, Group) else one.attempt for one in groups)
    )


def attempt_names(connection: sa.Connection, given: Iterable[int | None]) -> dict[int, tuple[str, str]]:
    """The id and the item of attempts, by their numbers."""
    numbers = sorted({one for one in given if one})
    found: dict[int, tuple[str, str]] = {}
    for start in range(0, len(numbers), _IDS):
        query = sa.select(attempts.c.number, attempts.c.id, attempts.c.item)
        some = query.where(attempts.c.number.in_(numbers[start : start + _IDS]))
        found |= {number: (one, item) for number, one, item in connection.execute(some)}
    return found


def billed(
    by: Sequence[Grouping],
    groups: Iterable[Group],
    named: Mapping[int, tuple[str, str]] = {},
    allocation: Allocation = Allocation(),  # noqa: B008
) -> Bill:
    """The bill of priced groups. Where it is grouped by what rules allocate, the unallocated have a line even
    if there are none."""
    allocated = _allocating(allocation)
    label_of = [_labelling(one, named, allocated) for one in by]
    tallies: dict[tuple[tuple[str, ...], bool], _Tally] = {}
    all_own = not allocation.funds
    unpriced: Counter[str] = Counter()
    for group in groups:
        key = (tuple([label(group) for label in label_of]), group.simulated)
        tally = tallies.get(key)
        if tally is None:
            tally = tallies[key] = _Tally()
        tally.add(group, own=all_own or allocated(group).funding == "own")
        if group.reason:
            unpriced[group.reason] += group.requests
    if len(by) == 1 and by[0] in ALLOCATED:
        tallies.setdefault(((UNALLOCATED,), False), _Tally())
    lines = [tally.line(labels, simulated) for (labels, simulated), tally in tallies.items()]
    ordered = tuple(sorted(lines, key=lambda line: (line.simulated, _order(by, line))))
    simulated = summed(ordered, simulated=True)
    return Bill(
        by=tuple(by),
        lines=ordered,
        total=summed(ordered, simulated=False),
        simulated_total=simulated if simulated.requests else None,
        unpriced=dict(unpriced),
    )


def labeller(
    by: Sequence[Grouping],
    connection: sa.Connection,
    groups: Sequence[Group] | Sequence[Sum],
    allocation: Allocation,
) -> Callable[[Group], tuple[str, ...]]:
    """What labels a group under the groupings."""
    named = _attempts(connection, groups) if {"attempt", "item"} & set(by) else {}
    label_of = [_labelling(one, named, _allocating(allocation)) for one in by]
    return lambda group: tuple([label(group) for label in label_of])


def _allocating(allocation: Allocation) -> Callable[[Group], Allocated]:
    """Whose a group is, each booking looked at once."""
    known: dict[int, Allocated] = {}

    def allocated(group: Group) -> Allocated:
        booked = group.of.booking
        assert booked is not None
        found = known.get(booked.id)
        if found is None:
            found = known[booked.id] = allocation.of(booked)
        return found

    return allocated


def _labelling(
    grouping: Grouping,
    named: Mapping[int, tuple[str, str]],
    allocated: Callable[[Group], Allocated],
) -> Callable[[Group], str]:
    """How a group is labelled under one grouping."""
    match grouping:
        case "model":
            return lambda group: group.model
        case "tier":
            return lambda group: group.tier
        case "provider":
            return lambda group: group.prices
        case "day" | "week" | "month":
            dates: dict[int, str] = {}

            def label(group: Group) -> str:
                day = group.of.day or 0
                text = dates.get(day)
                if text is None:
                    text = dates[day] = _dated(grouping, date.fromordinal(_EPOCH + day))
                return text

            return label
        case "attempt" | "item":
            place = 0 if grouping == "attempt" else 1
            return lambda group: named.get(group.of.attempt or 0, ("", ""))[place] or UNKNOWN
        case "payer" | "cost_centre" | "person":
            return lambda group: getattr(allocated(group), grouping) or UNALLOCATED
    return lambda group: getattr(group.of.booking, grouping) or UNKNOWN


def _dated(grouping: Grouping, day: date) -> str:
    """The day, the Monday of its week or its month."""
    if grouping == "week":
        day -= timedelta(days=day.weekday())
    text = day.isoformat()
    return text[:7] if grouping == "month" else text


def _order(by: Sequence[Grouping], line: Line) -> tuple[object, ...]:
    """Days in order, newest last; everything else dearest first, what is unallocated last."""
    if by and by[0] in DATED:
        return (line.labels[0], -line.money.most, line.labels)
    return (UNALLOCATED in line.labels, -line.money.most, -line.requests, line.labels)


class _Tally:
    """Figures of one line while they are added up; plain lists, since a big ledger has many groups."""

    __slots__ = ("billed", "counts", "money", "tokens")

    def __init__(self) -> None:
        self.counts = [0, 0, 0]
        self.tokens = [0] * 6
        self.money = [0, 0, 0, 0]
        self.billed = [0, 0, 0, 0]

    def add(self, group: Group | Line, *, own: bool) -> None:
        counts, tokens, money, usage = self.counts, self.tokens, self.money, group.usage
        counts[0] += group.requests
        counts[1] += group.failed
        counts[2] += group.uncertain
        tokens[0] += usage.input
        tokens[1] += usage.cached
        tokens[2] += usage.cache_write
        tokens[3] += usage.output
        tokens[4] += usage.reasoning
        tokens[5] += usage.cache_write_1h
        price = group.money
        for place, amount in enumerate((price.least, price.most, price.unpriced, price.unpriced_worst)):
            money[place] += amount
            if own:
                self.billed[place] += amount

    def line(self, labels: tuple[str, ...], simulated: bool) -> Line:
        requests, failed, uncertain = self.counts
        return Line(
            labels=labels,
            simulated=simulated,
            requests=requests,
            failed=failed,
            uncertain=uncertain,
            usage=Usage(*self.tokens),
            money=Money(*self.money),
            billed=Money(*self.billed),
        )


def summed(lines: Iterable[Line], *, simulated: bool) -> Line:
    """The sum of the lines that are (or are not) simulated."""
    total, billed_here = _Tally(), Money()
    for line in lines:
        if line.simulated == simulated:
            total.add(line, own=False)
            billed_here += line.billed
    return msgspec.structs.replace(total.line((), simulated), billed=billed_here)

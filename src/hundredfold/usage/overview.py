"""The bill at a glance: the whole, today, every day, and what it went to, from two readings of the ledger."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, timedelta, tzinfo

from msgspec import Struct

from hundredfold.prices.book import PriceBook
from hundredfold.store.database import Database
from hundredfold.usage.allocation import Allocation
from hundredfold.usage.spend import Bill, Grouping, Line, bills
from hundredfold.usage.sums import Scope, Window

BY_ROUTE: tuple[Grouping, ...] = ("day", "model", "tier")
BY_BOOKING: tuple[Grouping, ...] = ("project", "job", "agent", "person", "payer")
#: the burn rate is the mean of the last whole days, at most so many
BURN_DAYS = 7


class Overview(Struct, frozen=True):
    """Real requests of a window of whole days. `days` has every day of it, `today` is the last; `parts` are
    the lines of each grouping, dearest first. `burn` is picodollars a day over `burn_days` whole days."""

    days: tuple[Line, ...]
    today: Line
    total: Line
    simulated: Line | None
    parts: dict[Grouping, tuple[Line, ...]]
    unpriced: dict[str, int]
    burn: int
    burn_days: int


def overview(
    database: Database,
    book: PriceBook,
    *,
    scope: Scope,
    window: Window,
    today: date,
    zone: tzinfo = UTC,
    allocation: Allocation = Allocation(),  # noqa: B008
) -> Overview:
    """What was spent under the scope in the window, whose last day is `today`, by days of `zone`."""
    found: dict[Grouping, Bill] = {}
    for groupings in (BY_ROUTE, BY_BOOKING):
        made = bills(
            database,
            book,
            [(one,) for one in groupings],
            scope=scope,
            window=window,
            zone=zone,
            allocation=allocation,
        )
        found |= dict(zip(groupings, made, strict=True))
    parts = {name: tuple(one for one in bill.lines if not one.simulated) for name, bill in found.items()}
    days = _every_day(parts["day"], today)
    whole = days[-1 - BURN_DAYS : -1]
    burn = sum(one.money.least for one in whole)
    return Overview(
        days=days,
        today=days[-1],
        total=found["day"].total,
        simulated=found["day"].simulated_total,
        parts=parts,
        unpriced=found["day"].unpriced,
        burn=burn // len(whole) if whole else 0,
        burn_days=len(whole),
    )


def _every_day(lines: Sequence[Line], today: date) -> tuple[Line, ...]:
    """The days' lines with those between and until today on which nothing was spent."""
    known = {line.labels[0]: line for line in lines}
    text = today.isoformat()
    day = date.fromisoformat(min((*known, text)))
    last = date.fromisoformat(max((*known, text)))
    days = []
    while day <= last:
        days.append(known.get(day.isoformat()) or _nothing(day.isoformat()))
        day += timedelta(days=1)
    return tuple(days)


def _nothing(label: str) -> Line:
    from hundredfold.usage.pricing import Money
    from hundredfold.vocabulary import Usage

    return Line((label,), False, 0, 0, 0, Usage(), Money())

"""From ledger rows to money, exactly and fast: rows are added up in SQL where a price is linear in tokens
(same route, context band, price period and kinds of token used), each sum is priced once in Python integers.

Token sums of a month fit 64 bits (603 billion is 2**40); picodollars do not, so SQL never adds money.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import msgspec
import sqlalchemy as sa
from msgspec import Struct

from hundredfold.prices.book import PriceBook, Unpriced
from hundredfold.store.tables.ledger import bookings, requests, routes
from hundredfold.store.tables.work import attempts, items
from hundredfold.vocabulary import RequestStatus, Tier, Usage

#: what the number in `requests.status` stands for, the best last: it supersedes those before it
STATUSES: tuple[RequestStatus, ...] = ("unsettled", "refused", "error", "cut", "settled")
#: the tier to bill, by what the answer's service_tier says; anything else: the tier asked for
SERVED_TIERS: dict[str, Tier] = {
    "priority": "fast",
    "fast": "fast",
    "flex": "flex",
    "batch": "batch",
    "default": "standard",
    "standard": "standard",
    "auto": "standard",
}
#: what rows can be grouped by in SQL; "day" (UTC) and "quarter" (hour) are its start in UTC microseconds
Label = Literal["day", "quarter", "project", "job", "agent", "person", "payer", "attempt", "item"]
_SPAN_US: dict[Label, int] = {"day": 86_400_000_000, "quarter": 900_000_000}
_BOOKED = ("project", "job", "agent", "person", "payer")
_ROUTED = ("simulated", "provider", "model", "served_model", "tier", "served_tier")
_SUMMED = ("input", "cached", "cache_write", "output", "reasoning", "floor_input", "floor_output")

current = sa.table("current_requests", *(sa.column(c.name, c.type) for c in requests.columns))


class Money(Struct, frozen=True):
    """List price in picodollars. `least` = `most` unless some requests' usage is an interval (then most is
    the worst case). `unpriced` requests are in neither; `unpriced_worst` is what limits count for them."""

    least: int = 0
    most: int = 0
    unpriced: int = 0
    unpriced_worst: int = 0

    def __add__(self, other: Money) -> Money:
        return Money(
            self.least + other.least,
            self.most + other.most,
            self.unpriced + other.unpriced,
            self.unpriced_worst + other.unpriced_worst,
        )


class Group(Struct, frozen=True):
    """A sum of requests with the labels it was grouped by. `usage` holds settled requests only;
    `uncertain` counts those whose usage is an interval, `failed` those that used nothing."""

    labels: tuple[str | int | None, ...]
    simulated: bool
    model: str
    tier: Tier
    requests: int
    uncertain: int
    failed: int
    usage: Usage
    money: Money
    reason: str = ""  # why it is unpriced


def priced_groups(
    connection: sa.Connection,
    book: PriceBook,
    *,
    by: Sequence[Label] = (),
    where: Sequence[sa.ColumnElement[bool]] = (),
) -> list[Group]:
    """The current rows under all of `where` (conditions on `current`), by the labels and by all that a price
    depends on. Several groups may bear the same labels."""
    rows = connection.execute(_query(_summed(book, by, where), by))
    return [_group(book, tuple(row[: len(by)]), row._mapping) for row in rows]


def billed_tier(asked: Tier, served: str) -> Tier:
    """The tier to bill: the one served; the one asked for where the answer names none."""
    return SERVED_TIERS.get(served, asked)


def _summed(book: PriceBook, by: Sequence[Label], where: Sequence[sa.ColumnElement[bool]]) -> sa.Subquery:
    """Sums by short keys alone: the texts they stand for are joined to the few rows that are left."""
    keys = [
        current.c.route,
        current.c.status,
        _passed(current.c.input, [edge + 1 for edge in book.thresholds]).label("band"),
        _passed(current.c.at_us, book.periods).label("period"),
        (current.c.cached > 0).label("any_cached"),
        (current.c.cache_write > 0).label("any_cache_write"),
        (current.c.output > 0).label("any_output"),
    ]
    if any(one in _BOOKED for one in by):
        keys.append(current.c.booking)
    if "attempt" in by or "item" in by:
        keys.append(current.c.attempt)
    spans = {one: _SPAN_US[one] for one in by if one in _SPAN_US}
    keys += [(current.c.at_us - current.c.at_us % span).label(one) for one, span in spans.items()]
    sums = [sa.func.sum(sa.func.coalesce(current.c[name], 0)).label(name) for name in _SUMMED]
    return (
        sa.select(
            *keys,
            sa.func.count().label("requests"),
            sa.func.max(current.c.input).label("size"),
            sa.func.min(current.c.at_us).label("at_us"),
            *sums,
        )
        .where(*where)
        .group_by(*(sa.text(str(position)) for position in range(1, len(keys) + 1)))
        .subquery("summed")
    )


def _query(summed: sa.Subquery, by: Sequence[Label]) -> sa.Select[Any]:
    labels: list[sa.ColumnElement[Any]] = []
    tables: sa.FromClause = summed.join(routes, routes.c.id == summed.c.route)
    if any(one in _BOOKED for one in by):
        tables = tables.join(bookings, bookings.c.id == summed.c.booking)
    if "attempt" in by or "item" in by:
        tables = tables.outerjoin(attempts, attempts.c.number == summed.c.attempt)
    if "item" in by:
        tables = tables.outerjoin(items, items.c.id == attempts.c.item)
    for one in by:
        match one:
            case "day" | "quarter":
                labels.append(summed.c[one])
            case "attempt":
                labels.append(attempts.c.id.label("attempt_id"))
            case "item":
                labels.append(items.c.id.label("item_id"))
            case _:
                labels.append(bookings.c[one])
    sums = [summed.c[name].label(f"sum_{name}") for name in _SUMMED]
    figures = [summed.c[name] for name in ("status", "requests", "size", "at_us")]
    route = [routes.c[name].label(f"route_{name}") for name in _ROUTED]
    return sa.select(*labels, *figures, *sums, *route).select_from(tables)


def _group(book: PriceBook, labels: tuple[str | int | None, ...], row: sa.RowMapping) -> Group:
    simulated, prices, asked_model, served_model, asked, served = (row[f"route_{name}"] for name in _ROUTED)
    *tokens, floor_input, floor_output = (int(row[f"sum_{name}"]) for name in _SUMMED)
    status, count, usage = STATUSES[row["status"]], row["requests"], Usage(*tokens)
    interval, failed = status in ("cut", "unsettled"), status in ("error", "refused")
    model, tier = served_model or asked_model, billed_tier(asked, served)
    price = _Price(book, int(row["size"]), prices, model, tier, int(row["at_us"]), count)
    money: Money | Unpriced = Money()
    if interval:
        money = price.interval(Usage(input=floor_input, output=floor_output), usage, asked)
    elif not failed:
        money = price.exact(usage)
    reason = money.reason if isinstance(money, Unpriced) else ""
    return Group(
        labels=labels,
        simulated=bool(simulated),
        model=model,
        tier=tier,
        requests=count,
        uncertain=count if interval else 0,
        failed=count if failed else 0,
        usage=Usage() if interval or failed else usage,
        money=price.unpriced(usage) if isinstance(money, Unpriced) else money,
        reason=reason,
    )


class _Price(Struct, frozen=True):
    """What prices a sum of `count` requests; `size` is the largest one's input, which names their band."""

    book: PriceBook
    size: int
    prices: str
    model: str
    tier: Tier
    at_us: int
    count: int

    def exact(self, usage: Usage) -> Money | Unpriced:
        cost = self.book.cost_of(usage, self.size, **self._route())
        return cost if isinstance(cost, Unpriced) else Money(least=cost.picodollars, most=cost.picodollars)

    def interval(self, floor: Usage, worst: Usage, asked: Tier) -> Money | Unpriced:
        """From the least to the most. A stream that ended early may still have been served at the tier asked
        for, whatever its beginning said, so the cheaper and the dearer of the two count."""
        unknown = self.unknown()
        if unknown is not None:
            return unknown
        other = msgspec.structs.replace(self, tier=asked)
        possible = [one._route() for one in (self, other) if one.unknown() is None]
        return Money(
            least=min(self.book.least_case_of(floor, self.size, **one) for one in possible),
            most=max(self.book.worst_case_of(worst, self.size, **one) for one in possible),
        )

    def unknown(self) -> Unpriced | None:
        """Why requests of this size have no price whatever they used; None if they may have one."""
        row = self.book.row(input_tokens=self.size, **self._route())
        if isinstance(row, Unpriced):
            return row
        if row.rates.input is None or row.rates.output is None:
            return Unpriced(f"{self.model} has no known price at {self.tier} for requests of this size")
        return None

    def unpriced(self, usage: Usage) -> Money:
        worst = self.book.worst_case_of(usage, self.size, **self._route())
        return Money(unpriced=self.count, unpriced_worst=worst)

    def _route(self) -> dict[str, Any]:
        return {"prices": self.prices, "model": self.model, "tier": self.tier, "at_us": self.at_us}


def _passed(column: sa.ColumnElement[int], edges: Sequence[int]) -> sa.ColumnElement[int]:
    """How many of the ascending edges a value has reached."""
    if not edges:
        return sa.literal_column("0")
    steps = [(column >= sa.literal_column(str(edge)), n) for n, edge in enumerate(edges, 1)]
    return sa.case(*reversed(steps), else_=sa.literal_column("0"))

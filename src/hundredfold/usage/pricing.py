"""From sums of tokens to money, exactly and fast: alike requests (same route, status, band of input size,
price period and kinds of token used) have a price that is linear in their tokens, so each sum is priced once,
in Python integers.

Token sums of a month fit 64 bits (603 billion is 2**40); picodollars do not, so SQL never adds money.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, tzinfo
from fractions import Fraction
from typing import Any

import msgspec
import sqlalchemy as sa
from msgspec import Struct

from hundredfold.prices.book import PriceBook, Unpriced, charge
from hundredfold.prices.rows import PriceRow
from hundredfold.prices.scenario import Priced, scaled
from hundredfold.usage.sums import Part, Routed, Scope, Sum, Window, sums
from hundredfold.vocabulary import Tier, Usage

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


class Money(Struct, frozen=True, gc=False):
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


class Group(Struct, frozen=True, gc=False):
    """A sum of alike requests with its price. `usage` holds settled requests only; `uncertain` counts those
    whose usage is an interval, `failed` those that used nothing."""

    of: Sum
    prices: str
    model: str
    tier: Tier
    requests: int
    uncertain: int
    failed: int
    usage: Usage
    money: Money
    reason: str = ""  # why it is unpriced

    @property
    def simulated(self) -> bool:
        """Whether no model was asked."""
        return self.of.route.simulated


def priced_groups(
    connection: sa.Connection,
    book: PriceBook,
    *,
    by: Sequence[Part] = (),
    scope: Scope = Scope(),  # noqa: B008
    window: Window = Window(),  # noqa: B008
    zone: tzinfo = UTC,
) -> list[Group]:
    """What the scope used in the window, by the parts asked for and by all that a price depends on, priced.
    Several groups may be alike in the parts."""
    pricer = Pricer(book)
    found = sums(connection, book, by=by, scope=scope, window=window, zone=zone, as_served=True)
    return [pricer.group(one) for one in found]


def billed_tier(asked: Tier, served: str) -> Tier:
    """The tier to bill: the one served; the one asked for where the answer names none."""
    return SERVED_TIERS.get(served, asked)


def as_billed(route: Routed, at_us: int) -> Priced:
    """A request priced as it happened: the served model and tier, at its own time."""
    return Priced(
        prices=route.provider,
        model=route.served_model or route.model,
        tier=billed_tier(route.tier, route.served_tier),
        asked=route.tier,
        at_us=at_us,
    )


class Pricer:
    """Prices sums by one book, remembering which row prices what."""

    def __init__(self, book: PriceBook) -> None:
        self._books = {Fraction(1): book}
        self._rows: dict[tuple[Priced, int], PriceRow | Unpriced] = {}
        self._as_billed: dict[tuple[int, int], Priced] = {}

    def group(self, one: Sum) -> Group:
        """The sum at the price of what happened."""
        key = (one.route.id, one.at_us)
        how = self._as_billed.get(key)
        if how is None:
            how = self._as_billed[key] = as_billed(one.route, one.at_us)
        return self.priced(one, how)

    def priced(self, one: Sum, how: Priced) -> Group:
        """The sum at the price of `how`."""
        money: Money | Unpriced
        uncertain = failed = 0
        usage = one.usage
        match one.status:
            case "settled":
                money = self._exact(one, how)
            case "cut" | "unsettled":
                uncertain, usage = one.requests, Usage()
                money = self._interval(one, how)
            case "error" | "refused":
                failed, usage, money = one.requests, Usage(), Money()
        reason = ""
        if isinstance(money, Unpriced):
            reason = money.reason
            worst = self._at(how).worst_case_of(one.usage, one.size, **_route(how))
            money = Money(unpriced=one.requests, unpriced_worst=worst)
        return Group(
            one, how.prices, how.model, how.tier, one.requests, uncertain, failed, usage, money, reason
        )

    def _exact(self, one: Sum, how: Priced) -> Money | Unpriced:
        row = self.row(how, one.size)
        if isinstance(row, Unpriced):
            return row
        cost = charge(row, model=how.model, tier=how.tier, usage=one.usage, fill=how.fill)
        return cost if isinstance(cost, Unpriced) else Money(cost.picodollars, cost.picodollars)

    def _interval(self, one: Sum, how: Priced) -> Money | Unpriced:
        """From the least to the most. A stream that ended early may still have been served at the tier asked
        for, whatever its beginning said, so the cheaper and the dearer of the two count."""
        unknown = self._unknown(how, one.size)
        if unknown is not None:
            return unknown
        other = msgspec.structs.replace(how, tier=how.asked)
        possible = [_route(each) for each in (how, other) if self._unknown(each, one.size) is None]
        return Money(
            least=min(self._at(how).least_case_of(one.floor, one.size, **each) for each in possible),
            most=max(self._at(how).worst_case_of(one.usage, one.size, **each) for each in possible),
        )

    def _unknown(self, how: Priced, size: int) -> Unpriced | None:
        """Why requests of this size have no price whatever they used; None if they may have one."""
        row = self.row(how, size)
        if isinstance(row, Unpriced):
            return row
        if row.rates.input is None or row.rates.output is None:
            return Unpriced(f"{how.model} has no known price at {how.tier} for requests of this size")
        return None

    def _at(self, how: Priced) -> PriceBook:
        """The book at the multiple."""
        found = self._books.get(how.multiple)
        if found is None:
            found = self._books[how.multiple] = scaled(self._books[Fraction(1)], how.multiple)
        return found

    def row(self, how: Priced, size: int) -> PriceRow | Unpriced:
        """The price row for requests of that input size, or why there is none."""
        key = (how, size)
        found = self._rows.get(key)
        if found is None:
            found = self._rows[key] = self._at(how).row(input_tokens=size, **_route(how))
        return found


def _route(how: Priced) -> dict[str, Any]:
    return {"prices": how.prices, "model": how.model, "tier": how.tier, "at_us": how.at_us}

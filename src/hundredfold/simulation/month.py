"""What a month of the same work would cost, at each tier, from the requests of a rehearsal."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import get_args

from msgspec import Struct

from hundredfold.prices.book import PriceBook, Unpriced
from hundredfold.simulation.provider.log import LogLine
from hundredfold.vocabulary import Tier, Usage

DAYS = 30
SECONDS_PER_DAY = 86_400
TIERS: tuple[Tier, ...] = get_args(Tier)


class TierCost(Struct, frozen=True):
    """One tier: what the rehearsal's own requests cost there, and a month at two paces, in picodollars.

    Figures are None, and `reason` says why, if any request has no price at that tier: never zero.
    """

    tier: Tier
    rehearsal: int | None
    month_at_this_pace: int | None
    month_at_items_per_day: int | None
    unpriced_requests: int = 0
    reason: str = ""


def month_costs(
    log: Sequence[LogLine],
    book: PriceBook,
    *,
    prices: str,
    seconds: float,
    items: int,
    items_per_day: int,
    at_us: int,
) -> tuple[TierCost, ...]:
    """Price what the log billed at every tier, and scale it to 30 days.

    Two paces: going on at this throughput day and night (`seconds` is the rehearsal's wall time), and
    `items_per_day` items at this rehearsal's cost per item.
    """
    billed = [(line.served_model, line.usage) for line in log if line.usage is not None]
    at_pace = Fraction(DAYS * SECONDS_PER_DAY) / Fraction(max(seconds, 0.001))
    by_items = Fraction(DAYS * items_per_day, items) if items else None
    return tuple(_tier(billed, book, prices, tier, at_us, at_pace, by_items) for tier in TIERS)


def _tier(
    billed: Sequence[tuple[str, Usage]],
    book: PriceBook,
    prices: str,
    tier: Tier,
    at_us: int,
    at_pace: Fraction,
    by_items: Fraction | None,
) -> TierCost:
    total, missing, reason = 0, 0, ""
    for model, usage in billed:
        cost = book.cost(prices=prices, model=model, tier=tier, usage=usage, at_us=at_us)
        if isinstance(cost, Unpriced):
            missing += 1
            reason = reason or cost.reason
        else:
            total += cost.picodollars
    if missing:
        return TierCost(tier, None, None, None, missing, reason)
    return TierCost(
        tier, total, round(total * at_pace), None if by_items is None else round(total * by_items)
    )

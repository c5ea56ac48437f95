"""What a corpus really used: one row per model request, and the sums that an importer must find."""

from __future__ import annotations

from collections import Counter

from msgspec import Struct

from hundredfold.prices.book import PriceBook, Unpriced
from hundredfold.vocabulary import Tier, Usage

DAY_US = 86_400_000_000


class Spent(Struct, frozen=True):
    """One request as it really was."""

    provider: str
    at_us: int
    model: str
    tier: Tier
    usage: Usage


class Truth:
    """Requests by an id of the generator's own. A message is recorded once, at its end state."""

    def __init__(self) -> None:
        self.requests: dict[str, Spent] = {}

    def add(self, id_: str, spent: Spent) -> None:
        assert id_ not in self.requests
        self.requests[id_] = spent

    def totals(self, provider: str = "") -> Usage:
        """All tokens, of a provider or of both."""
        total = Usage()
        for one in self.requests.values():
            if provider in ("", one.provider):
                total += one.usage
        return total

    def by_day_model_tier(self) -> dict[tuple[int, str, str], tuple[int, Usage]]:
        """Requests and tokens by UTC day (days since the epoch), model and tier."""
        found: dict[tuple[int, str, str], tuple[int, Usage]] = {}
        for one in self.requests.values():
            key = (one.at_us // DAY_US, one.model, one.tier)
            count, usage = found.get(key, (0, Usage()))
            found[key] = (count + 1, usage + one.usage)
        return found

    def cost(self, book: PriceBook) -> tuple[int, Counter[str]]:
        """Picodollars, request by request, and how many requests have no price, by model."""
        total, unpriced = 0, Counter[str]()
        for one in self.requests.values():
            cost = book.cost(
                prices=one.provider, model=one.model, tier=one.tier, usage=one.usage, at_us=one.at_us
            )
            if isinstance(cost, Unpriced):
                unpriced[one.model] += 1
            else:
                total += cost.picodollars
        return total, unpriced

"""Why the bill here and the provider's differ: per UTC day and model, the gap in named parts that add up.

Three figures stand side by side: what the ledger says (list price), what the provider's usage API says (its
tokens at the same list price) and what its costs API says. Each step from one to the next has a name:

- time zone: the ledger's days of the asked zone against its own UTC days, which providers bill by
- tier: tokens that both sides have, but at another tier than here, at the difference of the prices
- missing sessions: tokens that only the provider has, of API keys that the ledger knows (or of no named key)
- other machines: the same, of API keys that the ledger has never seen
- lag: on recent days, tokens that the provider does not report yet, and costs behind its own usage
- not on this bill: on older days, tokens that only the ledger has: another organisation, a subscription login
- unpriced: costs of models or kinds of token that the price book has no price for
- other charges: what is left: charges that are not tokens, discounts, prices that are not the list's

Usage buckets do not tell how large single requests were. So tokens are compared at the price below every
threshold, and what the ledger's long requests cost beyond it is taken to be in the provider's usage too.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Literal, get_args

from msgspec import Struct

from hundredfold.prices.book import PriceBook, Unpriced, base_name
from hundredfold.usage.pricing import SERVED_TIERS
from hundredfold.vocabulary import Tier, Usage

Cause = Literal[
    "time zone",
    "tier",
    "missing sessions",
    "other machines",
    "lag",
    "not on this bill",
    "unpriced",
    "other charges",
]
CAUSES: tuple[Cause, ...] = get_args(Cause)
#: days (before today) on which costs may still be behind usage
LAG_DAYS = 3
_KINDS = ("input", "cached", "cache_write", "output")
Place = tuple[int, str]  # a UTC day, counted from 1970-01-01, and a model without its snapshot's date
Tokens = dict[Tier, dict[str, int]]  # by tier and kind, the kinds apart


class Here(Struct, frozen=True):
    """What the ledger has of some requests of one UTC day and model; `cost` is the list price."""

    day: int
    model: str
    tier: Tier
    usage: Usage
    cost: int
    requests: int
    unpriced: int = 0


class There(Struct, frozen=True):
    """One row of the usage API; `ours`: its API key is one that the ledger knows, or it names none."""

    day: int
    model: str
    tier: str
    usage: Usage
    requests: int
    ours: bool = True


class Line(Struct, frozen=True):
    """One UTC day and model. `here` is the ledger's list price by days of the asked zone, `usage` the price
    of the provider's usage, `costs` what its costs API says (None: it says nothing of that day).

    `parts` add up to `gap`, which is the provider's figure (costs, else usage) minus `here`.
    """

    day: int
    model: str
    here: int
    usage: int
    costs: int | None
    requests_here: int
    requests_there: int
    parts: dict[Cause, int]

    @property
    def gap(self) -> int:
        """The provider's figure minus ours, in picodollars."""
        return (self.usage if self.costs is None else self.costs) - self.here


def reconciled(
    book: PriceBook,
    prices: str,
    *,
    here: Iterable[Here],
    by_zone: Mapping[Place, int],
    there: Iterable[There],
    costs: Mapping[tuple[int, str], int] | None,
    today: int,
) -> list[Line]:
    """Every day and model that any side knows.

    `prices` names the provider's price rows; `by_zone` has the ledger's list price by days of the asked zone;
    `costs` are picodollars by day and line item, None if the costs API was never read.
    """
    ours, theirs = defaultdict[Place, list[Here]](list), defaultdict[Place, list[There]](list)
    for one in here:
        ours[one.day, base_name(one.model)].append(one)
    for two in there:
        theirs[two.day, base_name(two.model)].append(two)
    billed = defaultdict[Place, int](int)
    for (day, item), amount in (costs or {}).items():
        billed[day, base_name(item.partition(",")[0].strip())] += amount
    told = {day for day, _ in billed}
    zoned = defaultdict[Place, int](int)
    for (day, model), amount in by_zone.items():
        zoned[day, base_name(model)] += amount
    places = sorted({*ours, *theirs, *billed, *(place for place, amount in zoned.items() if amount)})
    lines = []
    for place in places:
        recent = place[0] >= today - LAG_DAYS
        known = costs is not None and (place[0] in told or not recent)
        lines.append(
            _line(
                _Rates(book, prices, place),
                ours[place],
                theirs[place],
                zoned[place],
                billed[place] if known else None,
                recent=recent,
            )
        )
    return lines


def _line(
    rates: _Rates,
    ours: list[Here],
    theirs: list[There],
    zoned: int,
    costs: int | None,
    *,
    recent: bool,
) -> Line:
    parts: dict[Cause, int] = dict.fromkeys(CAUSES, 0)
    cost = sum(one.cost for one in ours)
    parts["time zone"] = cost - zoned
    mine, known, others = _summed(ours), _of_api(theirs, ours=True), _of_api(theirs, ours=False)
    parts["other machines"] = rates.price(others)
    moved, missing, behind = _compared(mine, known, rates)
    parts["tier"], parts["missing sessions"] = moved, missing
    parts["lag" if recent else "not on this bill"] = -behind
    # What the ledger's long requests cost beyond the price below every threshold, on both sides alike.
    usage = cost + moved + missing - behind + parts["other machines"]
    if costs is not None:
        rest = costs - usage
        unknown = rates.unknown or any(one.unpriced for one in ours)
        if rest > 0 and unknown:
            parts["unpriced"] += rest
        elif rest < 0 and recent:
            parts["lag"] += rest
        else:
            parts["other charges"] += rest
    line = Line(
        day=rates.place[0],
        model=rates.place[1],
        here=zoned,
        usage=usage,
        costs=costs,
        requests_here=sum(one.requests for one in ours),
        requests_there=sum(two.requests for two in theirs),
        parts=parts,
    )
    assert sum(parts.values()) == line.gap, "the parts add up"
    return line


class _Rates:
    """Prices of one model on one day, below every threshold. `unknown`: tokens were met that have none."""

    def __init__(self, book: PriceBook, prices: str, place: Place) -> None:
        self._book, self._prices, self.place = book, prices, place
        self.unknown = False

    def of(self, tier: Tier, kind: str, tokens: int) -> int:
        row = self._book.row(
            prices=self._prices,
            model=self.place[1],
            tier=tier,
            input_tokens=1,
            at_us=self.place[0] * 86_400_000_000,
        )
        rate = None if isinstance(row, Unpriced) else getattr(row.rates, kind)
        if rate is None:
            self.unknown = self.unknown or tokens != 0
        return rate or 0

    def price(self, tokens: Tokens) -> int:
        each = ((tier, kind, n) for tier, kinds in tokens.items() for kind, n in kinds.items())
        return sum(count * self.of(tier, kind, count) for tier, kind, count in each)


def _compared(mine: Tokens, theirs: Tokens, rates: _Rates) -> tuple[int, int, int]:
    """What another tier, tokens only there, and tokens only here come to: tokens of a kind that are missing
    at one tier and too many at another have been served at another tier, as far as they go."""
    moved = missing = behind = 0
    for kind in _KINDS:
        more, less = list[list[int]](), list[list[int]]()  # rate, tokens
        for tier in get_args(Tier):
            surplus = theirs.get(tier, {}).get(kind, 0) - mine.get(tier, {}).get(kind, 0)
            if surplus:
                rate = rates.of(tier, kind, surplus)
                (more if surplus > 0 else less).append([rate, abs(surplus)])
        for there in more:
            for here in less:
                count = min(there[1], here[1])
                moved += count * (there[0] - here[0])
                there[1] -= count
                here[1] -= count
        missing += sum(rate * tokens for rate, tokens in more)
        behind += sum(rate * tokens for rate, tokens in less)
    return moved, missing, behind


def _summed(ours: Iterable[Here]) -> Tokens:
    found: Tokens = {}
    for one in ours:
        _add(found, one.tier, one.usage)
    return found


def _of_api(theirs: Iterable[There], *, ours: bool) -> Tokens:
    found: Tokens = {}
    for one in theirs:
        if one.ours == ours:
            _add(found, SERVED_TIERS.get(one.tier, "standard"), one.usage)
    return found


def _add(tokens: Tokens, tier: Tier, usage: Usage) -> None:
    kinds = tokens.setdefault(tier, dict.fromkeys(_KINDS, 0))
    kinds["input"] += usage.input - usage.cached - usage.cache_write
    kinds["cached"] += usage.cached
    kinds["cache_write"] += usage.cache_write
    kinds["output"] += usage.output

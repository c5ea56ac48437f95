"""The price book: exact prices of recorded tokens at a time, or why there is none.

Rules: the whole request is priced at the band its input tokens fall in; within a band the row with the latest
start not after the request applies; a token kind that was used and has no price makes the request unpriced,
never free. `cached` and `cache_write` are parts of `input`, `reasoning` of `output` (so say the providers'
usage objects), so each token is priced once. Where fast is not served above a size, standard is billed.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import get_args

from msgspec import Struct

from hundredfold.prices.rows import KINDS, SHIPPED, ModelRow, PriceRow, Rates, read_file
from hundredfold.vocabulary import Tier, Usage

_SNAPSHOT = re.compile(r"-(?:\d{4}-\d{2}-\d{2}|\d{8}|latest|preview(?:-\d{2}-\d{4})?)$")
DEFAULT_CONTEXT = 1_000_000
DEFAULT_MAX_OUTPUT = 128_000


class Cost(Struct, frozen=True):
    """What a request costs, and where its price comes from."""

    picodollars: int
    source: str


class Unpriced(Struct, frozen=True):
    """Why a request has no price."""

    reason: str


class ModelLimits(Struct, frozen=True):
    """How many tokens a model can take and give."""

    context_tokens: int
    max_output_tokens: int


class Steps(Struct, frozen=True):
    """Where prices change: requests between the same two input sizes and times, ascending, are priced by one
    row. `lacking` has the kinds of token that some row lacks a price of, up to each size and above the last:
    if they used the same of these, all have a price or none has."""

    thresholds: tuple[int, ...]
    periods: tuple[int, ...]
    lacking: tuple[frozenset[str], ...]


class PriceBook:
    """An immutable set of price rows. Later rows of the same model, tier, start and band replace earlier."""

    def __init__(self, rows: Iterable[PriceRow], models: Iterable[ModelRow]) -> None:
        latest = {(row.provider, row.model, row.tier, row.since_us, row.over): row for row in rows}
        self._rows: dict[tuple[str, str, Tier], list[PriceRow]] = defaultdict(list)
        for row in latest.values():
            self._rows[row.provider, row.model, row.tier].append(row)
        for of_one in self._rows.values():
            of_one.sort(key=lambda row: (row.since_us, row.over), reverse=True)
        self._models = {(row.provider, row.model): row for row in models}
        self._known = {(provider, model) for provider, model, _ in self._rows}
        self._dearest = {tier: _dearest(latest.values(), tier) for tier in get_args(Tier)}

    def cost(self, *, prices: str, model: str, tier: Tier, usage: Usage, at_us: int) -> Cost | Unpriced:
        """The list price of one request served at `tier` at that time.

        Raises:
            ValueError: the parts of the usage exceed their whole.
        """
        return self.cost_of(usage, usage.input, prices=prices, model=model, tier=tier, at_us=at_us)

    def cost_of(
        self, usage: Usage, size: int, *, prices: str, model: str, tier: Tier, at_us: int
    ) -> Cost | Unpriced:
        """The list price of a sum of requests, each of a size (input tokens) in the band of `size`."""
        row = self.row(prices=prices, model=model, tier=tier, input_tokens=size, at_us=at_us)
        return row if isinstance(row, Unpriced) else charge(row, model=model, tier=tier, usage=usage)

    def row(
        self, *, prices: str, model: str, tier: Tier, input_tokens: int, at_us: int
    ) -> PriceRow | Unpriced:
        """The row that prices a request of that size at that time, or why none does."""
        base = self._base(prices, model)
        if base is None:
            return Unpriced(f"no price is known for {model} of {prices}")
        sizes = self._models.get((prices, base))
        if tier == "fast" and sizes and sizes.no_fast_over and input_tokens > sizes.no_fast_over:
            tier = "standard"
        begun = [row for row in self._rows.get((prices, base, tier), ()) if row.since_us <= at_us]
        if not begun:
            return Unpriced(f"no {tier} price is known for {model} at that time")
        over = max((row.over for row in begun if row.over < input_tokens), default=0)
        found = next((row for row in begun if row.over == over), None)
        return found or Unpriced(f"no {tier} price is known for {model} at {input_tokens} input tokens")

    def worst_case(self, *, prices: str, model: str, tier: Tier, usage: Usage, at_us: int) -> int:
        """Picodollars that limits count for one request where the truth is not known: see `worst_case_of`."""
        return self.worst_case_of(usage, usage.input, prices=prices, model=model, tier=tier, at_us=at_us)

    def worst_case_of(
        self, usage: Usage, size: int, *, prices: str, model: str, tier: Tier, at_us: int
    ) -> int:
        """The most that a sum of requests, each of at most `size` input tokens, can cost.

        Input is taken as uncached, or as cache writes where those cost more. The request may have been
        smaller than `usage` or served at standard instead of `tier`, so each token counts at the dearest rate
        of every band up to `size` at both tiers. What has no price there counts as the dearest known model of
        any provider at that tier.
        """
        per_input = per_output = 0
        for served, row in self._possible(prices, model, tier, size, at_us):
            spare = self._dearest[served]
            rates = spare if isinstance(row, Unpriced) else row.rates
            dearest_input = spare.input if rates.input is None else _dearest_input(rates)
            per_input = max(per_input, dearest_input or 0)
            per_output = max(per_output, (spare.output if rates.output is None else rates.output) or 0)
        return usage.input * per_input + usage.output * per_output

    def least_case_of(
        self, usage: Usage, size: int, *, prices: str, model: str, tier: Tier, at_us: int
    ) -> int:
        """The least that a sum of requests, each of at most `size` input tokens, can cost: all input cached,
        the cheapest band and tier it may have been billed at, and nothing for what has no price."""
        rows = self._possible(prices, model, tier, size, at_us)
        rates = [Rates() if isinstance(row, Unpriced) else row.rates for _, row in rows]
        per_input = min(min(one.cached or 0, one.input or 0) for one in rates)
        return usage.input * per_input + usage.output * min(one.output or 0 for one in rates)

    def limits(self, prices: str, model: str) -> ModelLimits:
        """The model's sizes; for an unknown one a million tokens in and 128,000 out."""
        sizes = self._models.get((prices, self._base(prices, model) or model))
        return ModelLimits(
            context_tokens=(sizes and sizes.context) or DEFAULT_CONTEXT,
            max_output_tokens=(sizes and sizes.max_output) or DEFAULT_MAX_OUTPUT,
        )

    @cached_property
    def rows(self) -> tuple[PriceRow, ...]:
        """Every price row."""
        return tuple(row for rows in self._rows.values() for row in rows)

    @property
    def models(self) -> tuple[ModelRow, ...]:
        """Every model row."""
        return tuple(self._models.values())

    @cached_property
    def providers(self) -> tuple[str, ...]:
        """The providers that have price rows."""
        return tuple(sorted({provider for provider, _ in self._known}))

    def has(self, prices: str, model: str) -> bool:
        """Whether there are price rows of exactly this name."""
        return (prices, model) in self._known

    def of(self, prices: str, model: str) -> tuple[PriceRow, ...]:
        """Every price row that may apply to the model, by tier, band and time."""
        base = self._base(prices, model)
        found = (row for tier in get_args(Tier) for row in self._rows.get((prices, base or "", tier), ()))
        return tuple(sorted(found, key=lambda row: (get_args(Tier).index(row.tier), row.over, row.since_us)))

    def knows(self, prices: str, model: str) -> bool:
        """Whether the model (a snapshot, an alias) has price rows of that provider."""
        return self._base(prices, model) is not None

    @cached_property
    def thresholds(self) -> tuple[int, ...]:
        """Every input size at which some model's price changes, ascending. Requests between two neighbours
        are priced alike by every model, so a group of them can be repriced as a whole."""
        bands = {row.over for rows in self._rows.values() for row in rows}
        bands |= {row.no_fast_over for row in self._models.values()}
        return tuple(sorted(bands - {0}))

    @cached_property
    def periods(self) -> tuple[int, ...]:
        """Every time (UTC microseconds) at which some price changes, ascending."""
        return tuple(sorted({row.since_us for rows in self._rows.values() for row in rows} - {0}))

    def steps(self, models: Iterable[tuple[str, str]] | None = None) -> Steps:
        """What tells prices apart among these models (provider, name); among all of them by default."""
        if models is None:
            return Steps(self.thresholds, self.periods, (frozenset(KINDS),) * (len(self.thresholds) + 1))
        named = list(models)
        rows = {row for prices, model in named for row in self.of(prices, model)}
        sizes = [self._models.get((prices, self._base(prices, model) or "")) for prices, model in named]
        edges = {row.over for row in rows} | {one.no_fast_over for one in sizes if one}
        return Steps(
            tuple(sorted(edges - {0})),
            tuple(sorted({row.since_us for row in rows} - {0})),
            tuple(_lacking(row.rates for row in rows if row.over <= edge) for edge in sorted(edges | {0})),
        )

    def _base(self, prices: str, model: str) -> str | None:
        """The name that price rows use for the model: its own, that of a snapshot's base, or an alias's."""
        for name in (model, base_name(model)):
            sizes = self._models.get((prices, name))
            named = sizes.same_as if sizes and sizes.same_as else name
            if (prices, named) in self._known:
                return named
        return None

    def _possible(
        self, prices: str, model: str, tier: Tier, size: int, at_us: int
    ) -> list[tuple[Tier, PriceRow | Unpriced]]:
        """Every row that may price a request of up to that size which was asked for at `tier`."""
        sizes = (0, *(edge + 1 for edge in self.thresholds if edge < size))
        tiers: tuple[Tier, ...] = (tier,) if tier == "standard" else (tier, "standard")
        return [
            (one, self.row(prices=prices, model=model, tier=one, input_tokens=each, at_us=at_us))
            for one in tiers
            for each in sizes
        ]


def base_name(model: str) -> str:
    """A model's name without the date (or "latest", "preview") of a snapshot."""
    return _SNAPSHOT.sub("", model)


def charge(row: PriceRow, *, model: str, tier: Tier, usage: Usage, fill: bool = False) -> Cost | Unpriced:
    """What a sum of requests costs that were asked for at `tier` and that the row prices. With `fill`, kinds
    of input without a price are charged as plain input.

    Raises:
        ValueError: the parts of the usage exceed their whole.
    """
    total = 0
    for kind, tokens in _parts(usage):
        if tokens:
            rate = getattr(row.rates, kind)
            if rate is None and fill and kind != "output":
                rate = row.rates.input
            if rate is None:
                return Unpriced(f"{kind} tokens of {model} have no known price at {tier}")
            total += tokens * rate
    served = "" if row.tier == tier else f"; {tier} is not served at this size, {row.tier} is billed"
    return Cost(total, row.source + served)


def _lacking(rates: Iterable[Rates]) -> frozenset[str]:
    """The kinds of token that some of them have no price of."""
    return frozenset(kind for one in rates for kind in KINDS if getattr(one, kind) is None)


def _dearest(rows: Iterable[PriceRow], tier: Tier) -> Rates:
    """The highest rates of a tier over all models, times and bands (of all tiers, if it has none)."""
    known = [row for row in rows if row.rates.input is not None]
    every = [row.rates for row in known if row.tier == tier] or [row.rates for row in known]
    return Rates(
        input=max((_dearest_input(one) for one in every), default=0),
        output=max((one.output or 0 for one in every), default=0),
    )


def _dearest_input(rates: Rates) -> int:
    return max(rates.input or 0, rates.cache_write or 0, rates.cache_write_1h or 0)


def _parts(usage: Usage) -> tuple[tuple[str, int], ...]:
    plain = usage.input - usage.cached - usage.cache_write
    minutes = usage.cache_write - usage.cache_write_1h
    if usage.reasoning > usage.output or min(plain, usage.cached, minutes, usage.cache_write_1h) < 0:
        raise ValueError(f"the parts of {usage} exceed their whole")
    return (
        ("input", plain),
        ("cached", usage.cached),
        ("cache_write", minutes),
        ("cache_write_1h", usage.cache_write_1h),
        ("output", usage.output),
    )


def load_book(overrides: Sequence[Path] = ()) -> PriceBook:
    """The shipped prices, with the rows of the user's files over them.

    A row of a later file holds from its own start on: it ends what earlier files say of the same model, tier
    and band from then on.

    Raises:
        ConfigError: a file is wrong; the message names file, row and key.
    """
    rows: list[PriceRow] = []
    models: list[ModelRow] = []
    for path in (*sorted(SHIPPED.glob("*.toml")), *overrides):
        more_rows, more_models = read_file(path)
        starts: dict[tuple[str, str, Tier, int], int] = {}
        for row in more_rows:
            starts[_band(row)] = min(row.since_us, starts.get(_band(row), row.since_us))
        kept = [row for row in rows if row.since_us < starts.get(_band(row), row.since_us + 1)]
        rows = kept + more_rows
        models += more_models
    return PriceBook(rows, models)


def _band(row: PriceRow) -> tuple[str, str, Tier, int]:
    return (row.provider, row.model, row.tier, row.over)

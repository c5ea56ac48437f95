"""The price book: every shipped row, the rules of pricing, and what is not known."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hundredfold.errors import ConfigError
from hundredfold.prices.book import Cost, PriceBook, Unpriced, charge, load_book
from hundredfold.prices.rows import KINDS, SHIPPED, picodollars_per_token, read_file
from hundredfold.vocabulary import Tier, Usage

BOOK = load_book()
MILLION = 1_000_000


def at(day: str) -> int:
    return int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()) * MILLION


NOW = at("2026-11-23")


def dollars(
    model: str,
    usage: Usage,
    *,
    prices: str = "openai",
    tier: Tier = "standard",
    at_us: int = NOW,
    size: int = 1,
) -> Decimal | None:
    """Dollars of a million such requests, None if unpriced. `size` picks the band."""
    cost = BOOK.cost_of(usage, size, prices=prices, model=model, tier=tier, at_us=at_us)
    return None if isinstance(cost, Unpriced) else Decimal(cost.picodollars) / 10**12


def rates(
    model: str, *, prices: str = "openai", tier: Tier = "standard", at_us: int = NOW, size: int = 1
) -> tuple[Decimal | None, ...]:
    """Dollars per million tokens of input, cached input and output."""
    kinds = (Usage(input=MILLION), Usage(input=MILLION, cached=MILLION), Usage(output=MILLION))
    return tuple(dollars(model, one, prices=prices, tier=tier, at_us=at_us, size=size) for one in kinds)


def numbers(text: str) -> tuple[Decimal | None, ...]:
    return tuple(None if part == "–" else Decimal(part) for part in text.split(" / "))


@pytest.mark.parametrize(
    ("prices", "model", "tier", "size", "expected"),
    [
        ("openai", "gpt-5.5", "standard", 272_000, "5 / 0.50 / 30"),
        ("openai", "gpt-5.5", "standard", 272_001, "10 / 1 / 45"),
        ("openai", "gpt-5.5", "fast", 272_000, "12.5 / 1.25 / 75"),
        ("openai", "gpt-5.5", "flex", 1, "2.5 / 0.25 / 15"),
        ("openai", "gpt-5.5", "batch", 272_001, "5 / 0.5 / 22.5"),
        ("openai", "gpt-5.4", "standard", 1, "2.5 / 0.25 / 15"),
        ("openai", "gpt-5.4", "standard", 272_001, "5 / 0.5 / 22.5"),
        ("openai", "gpt-5.4", "fast", 1, "5 / 0.5 / 30"),
        ("openai", "gpt-5.4-mini", "standard", 1, "0.75 / 0.075 / 4.5"),
        ("openai", "gpt-5.4-mini", "fast", 1, "1.5 / 0.15 / 9"),
        ("openai", "gpt-5.4-nano", "standard", 1, "0.2 / 0.02 / 1.25"),
        ("openai", "gpt-5.3-codex", "standard", 1, "1.75 / 0.175 / 14"),
        ("openai", "gpt-5.3-codex", "fast", 1, "3.5 / – / 28"),
        ("openai", "gpt-5.6", "standard", 1, "4 / 0.4 / 20"),
        ("openai", "gpt-5.6", "fast", 272_001, "16 / 1.6 / 60"),
        ("openai", "gpt-6.1-sol", "standard", 1, "2 / 0.10 / 10"),
        ("openai", "gpt-6.1-sol", "fast", 1, "4 / 0.20 / 20"),
        ("openai", "gpt-6.1-sol", "fast", 272_001, "8 / 0.40 / 30"),
        ("openai", "gpt-6.1-sol", "flex", 1, "1 / 0.05 / 5"),
        ("openai", "gpt-6.1-sol", "batch", 1, "– / – / –"),
        ("openai", "gpt-6-astra", "standard", 1, "10 / 1 / 50"),
        ("openai", "gpt-6-astra", "fast", 1, "20 / 2 / 100"),
        ("openai", "gpt-6-astra", "fast", 272_001, "40 / 4 / 150"),
        ("openai", "gpt-6.2-astra", "standard", 1, "8 / 0.4 / 40"),
        ("openai", "gpt-6.2-sol", "standard", 1, "2 / – / 10"),
        ("openai", "gpt-6-luna", "standard", 272_001, "0.2 / 0.02 / 0.75"),
        ("openai", "gpt-6.2-astra", "standard", 272_001, "– / – / –"),
        ("openai", "gpt-6-luna", "standard", 1, "0.1 / 0.01 / 0.5"),
        ("openai", "gpt-6-luna", "fast", 1, "– / – / –"),
        ("anthropic", "claude-opus-4-5", "standard", 1, "5 / 0.5 / 25"),
        ("anthropic", "claude-opus-4-5", "fast", 1, "– / – / –"),
        ("anthropic", "claude-opus-4-6", "fast", 1, "30 / 3 / 150"),
        ("anthropic", "claude-opus-4-7", "fast", 1, "30 / 3 / 150"),
        ("anthropic", "claude-opus-4-8", "fast", 1, "10 / 1 / 50"),
        ("anthropic", "claude-opus-5", "fast", 1, "10 / 1 / 50"),
        ("anthropic", "claude-opus-5-5", "standard", 1, "4 / 0.2 / 20"),
        ("anthropic", "claude-opus-5-5", "fast", 1, "8 / – / 40"),
        ("anthropic", "claude-sonnet-5-5", "standard", 1, "2 / 0.10 / 10"),
        ("anthropic", "claude-sonnet-5-5", "fast", 1, "– / – / –"),
        ("anthropic", "claude-haiku-5-5", "standard", 100_000, "0.1 / 0.01 / 0.5"),
        ("anthropic", "claude-haiku-5-5", "standard", 100_001, "0.5 / 0.05 / 2.5"),
        ("anthropic", "claude-fable-5-1", "standard", 1, "10 / 0.25 / 50"),
        ("google", "gemini-3.1-pro", "standard", 200_000, "2 / – / 12"),
        ("google", "gemini-3.1-pro", "standard", 200_001, "4 / – / 18"),
        ("google", "gemini-3.1-pro", "flex", 1, "1 / – / 6"),
        ("google", "gemini-3.1-pro", "batch", 200_001, "2 / – / 9"),
        ("google", "gemini-3.5-flash", "standard", 1, "1.5 / – / 9"),
        ("google", "gemini-3.8-flash", "standard", 1, "0.75 / – / 3.75"),
    ],
)
def test_every_known_price_is_in_the_book(
    prices: str, model: str, tier: Tier, size: int, expected: str
) -> None:
    assert rates(model, prices=prices, tier=tier, size=size) == numbers(expected)


def test_every_shipped_row_has_a_source_and_a_model_of_its_own_file() -> None:
    for path in SHIPPED.glob("*.toml"):
        rows, models = read_file(path)
        assert len({(row.model, row.tier, row.since_us, row.over) for row in rows}) == len(rows) > 0
        for row in rows:
            assert len(row.source) > 10
            assert path.stem in (row.provider, "older"), (
                "older models of all providers have a file of their own"
            )
        for model in models:
            assert {model.model, model.same_as} & {row.model for row in rows}


@pytest.mark.parametrize(
    ("model", "day", "cached_or_input"),
    [
        ("claude-sonnet-5-5", "2026-10-06", "0.20"),
        ("claude-sonnet-5-5", "2026-10-07", "0.10"),
    ],
)
def test_a_price_holds_from_its_day_on(model: str, day: str, cached_or_input: str) -> None:
    assert rates(model, prices="anthropic", at_us=at(day))[1] == Decimal(cached_or_input)


def test_a_price_cut_divides_at_its_midnight_and_a_band_has_the_price_of_its_time() -> None:
    cut = at("2026-08-21")
    assert rates("gpt-5.6-sol", at_us=cut - 1) == numbers("5 / 0.50 / 30")
    assert rates("gpt-5.6-sol", at_us=cut) == numbers("4 / 0.40 / 20")
    assert rates("gpt-5.6-sol", at_us=cut - 1, size=300_000) == numbers("10 / 1 / 45")
    assert rates("gpt-5.6-sol", at_us=cut, size=300_000) == numbers("8 / 0.8 / 30")
    assert rates("gpt-6.2-astra", at_us=at("2026-11-16")) == (None, None, None)


def test_a_whole_request_over_the_threshold_is_priced_at_its_band() -> None:
    usage = Usage(input=272_001, cached=272_000, output=1)
    found = BOOK.cost(prices="openai", model="gpt-5.5", tier="standard", usage=usage, at_us=NOW)
    assert isinstance(found, Cost)
    assert found.picodollars == 1 * 10_000_000 + 272_000 * 1_000_000 + 45_000_000


def test_fast_over_the_threshold_is_billed_as_standard_and_says_so() -> None:
    usage = Usage(input=272_001, output=10)
    fast, standard = (
        BOOK.cost(prices="openai", model="gpt-5.5", tier=tier, usage=usage, at_us=NOW)
        for tier in ("fast", "standard")
    )
    assert isinstance(fast, Cost) and isinstance(standard, Cost)
    assert fast.picodollars == standard.picodollars
    assert "standard is billed" in fast.source and "standard is billed" not in standard.source


@pytest.mark.parametrize(
    ("prices", "name", "base"),
    [
        ("openai", "gpt-5.5-2026-04-23", "gpt-5.5"),
        ("openai", "gpt-5.6-sol-2026-07-09", "gpt-5.6"),
        ("anthropic", "claude-opus-4-5-20251101", "claude-opus-4-5"),
        ("google", "gemini-3.1-pro-preview", "gemini-3.1-pro"),
    ],
)
def test_a_snapshot_has_the_price_and_the_sizes_of_its_base(prices: str, name: str, base: str) -> None:
    assert rates(name, prices=prices) == rates(base, prices=prices) != (None, None, None)
    assert BOOK.limits(prices, name) == BOOK.limits(prices, base)


@pytest.mark.parametrize("name", ["gpt-5.5-mini", "gpt-5.5-2026-04-23-x", "gpt-5.50", "", "gpt-5.6-2026"])
def test_a_name_that_only_looks_alike_has_no_price(name: str) -> None:
    assert rates(name) == (None, None, None)


def test_a_model_of_another_provider_has_no_price_here() -> None:
    assert rates("gpt-5.5", prices="anthropic") == (None, None, None)


def test_unknown_models_get_stated_default_sizes() -> None:
    found = BOOK.limits("openai", "nobody-knows")
    assert (found.context_tokens, found.max_output_tokens) == (1_000_000, 128_000)
    assert BOOK.limits("openai", "gpt-5.5").context_tokens == 1_050_000


def test_a_used_kind_without_a_price_makes_the_request_unpriced_and_never_free() -> None:
    usage = Usage(input=100, cached=1, output=5)
    found = BOOK.cost(prices="google", model="gemini-3.5-flash", tier="standard", usage=usage, at_us=NOW)
    assert isinstance(found, Unpriced) and "cached" in found.reason
    unused = Usage(input=100, output=5)
    assert isinstance(
        BOOK.cost(prices="google", model="gemini-3.5-flash", tier="standard", usage=unused, at_us=NOW), Cost
    )


def test_parts_that_exceed_their_whole_are_refused() -> None:
    for wrong in (Usage(input=10, cached=11), Usage(input=10, cached=6, cache_write=5), Usage(reasoning=1)):
        with pytest.raises(ValueError, match="exceed"):
            BOOK.cost(prices="openai", model="gpt-5.5", tier="standard", usage=wrong, at_us=NOW)


models = st.sampled_from(
    [
        ("openai", "gpt-5.5"), ("openai", "gpt-5.6"), ("openai", "gpt-6-astra"), ("openai", "gpt-6.2-sol"),
        ("openai", "gpt-5.3-codex"), ("openai", "unheard-of"), ("anthropic", "claude-opus-4-7"),
        ("anthropic", "claude-haiku-5-5"), ("google", "gemini-3.1-pro"),
    ]
)  # fmt: skip
tiers = st.sampled_from(get_args(Tier))
sizes = st.integers(0, 400_000) | st.sampled_from([100_000, 100_001, 200_001, 272_000, 272_001, 10**9])


@st.composite
def usages(draw: st.DrawFn) -> Usage:
    whole = draw(sizes)
    cached = draw(st.integers(0, whole))
    write = draw(st.integers(0, whole - cached)) if draw(st.booleans()) else 0
    output = draw(st.integers(0, 128_000))
    return Usage(whole, cached, write, output, draw(st.integers(0, output)))


@given(models, tiers, usages(), usages())
def test_the_worst_and_the_least_case_enclose_whatever_a_smaller_request_costs(
    model: tuple[str, str], tier: Tier, one: Usage, other: Usage
) -> None:
    worst = Usage(input=max(one.input, other.input), output=max(one.output, other.output))
    floor = Usage(input=min(one.input, other.input), output=min(one.output, other.output))
    route = {"prices": model[0], "model": model[1], "at_us": NOW}
    most = BOOK.worst_case(usage=worst, tier=tier, **route)  # type: ignore[arg-type]
    least = BOOK.least_case_of(floor, worst.input, tier=tier, **route)  # type: ignore[arg-type]
    assert 0 <= least <= most
    served: tuple[Tier, ...] = (tier, "standard")
    for each in served:
        cost = BOOK.cost(usage=one, tier=each, **route)  # type: ignore[arg-type]
        if isinstance(cost, Cost):
            assert least <= cost.picodollars <= most


@given(models, tiers, st.integers(1, 10**6))
def test_what_has_no_price_counts_against_limits_as_the_dearest_model(
    model: tuple[str, str], tier: Tier, tokens: int
) -> None:
    usage = Usage(input=tokens, output=tokens)
    unknown = BOOK.worst_case(prices="local", model="own", tier=tier, usage=usage, at_us=NOW)
    known = BOOK.worst_case(prices=model[0], model=model[1], tier=tier, usage=usage, at_us=NOW)
    assert unknown >= known > 0


@given(models, tiers, st.lists(usages(), min_size=1, max_size=8))
def test_pricing_a_sum_of_one_band_is_the_sum_of_the_prices(
    model: tuple[str, str], tier: Tier, several: list[Usage]
) -> None:
    edges = BOOK.thresholds
    band = {sum(edge < one.input for edge in edges) for one in several}
    if len(band) > 1:
        several = several[:1]
    total = sum(several, Usage())
    route = {"prices": model[0], "model": model[1], "tier": tier, "at_us": NOW}
    alone = [BOOK.cost(usage=one, **route) for one in several]  # type: ignore[arg-type]
    together = BOOK.cost_of(total, max(one.input for one in several), **route)  # type: ignore[arg-type]
    if isinstance(together, Cost):
        assert together.picodollars == sum(c.picodollars for c in alone if isinstance(c, Cost))
    else:
        assert any(isinstance(one, Unpriced) for one in alone)


# ------------------------------------------------------------------ files of one's own


def book_with(tmp_path: Path, text: str) -> PriceBook:
    path = tmp_path / "own.toml"
    path.write_text(text)
    return load_book([path])


OWN = '[[price]]\nprovider = "openai"\nmodel = "gpt-5.6"\ninput = "3"\noutput = "9"\nsource = "contract"\n'


@given(
    st.sampled_from(sorted({(row.provider, row.model) for row in BOOK.rows})),
    st.sampled_from(get_args(Tier)),
    st.lists(st.tuples(st.integers(0, 400_000), st.integers(0, 31)), min_size=2, max_size=2),
    st.lists(st.integers(at("2024-01-01"), at("2027-01-01")), min_size=2, max_size=2),
)
def test_requests_between_the_same_steps_are_priced_alike(
    model: tuple[str, str], tier: Tier, used: list[tuple[int, int]], times: list[int]
) -> None:
    steps = BOOK.steps([model])
    places, found = set(), []
    for (size, kinds), at_us in zip(used, times, strict=True):
        band = bisect_left(steps.thresholds, size)
        mask = [bool(kinds >> n & 1) for n, kind in enumerate(KINDS) if kind in steps.lacking[band]]
        places.add((band, bisect_right(steps.periods, at_us), tuple(mask)))
        plain, cached, minutes, hour, output = (kinds >> n & 1 for n in range(5))
        usage = Usage(plain + cached + minutes + hour, cached, minutes + hour, output, 0, hour)
        row = BOOK.row(prices=model[0], model=model[1], tier=tier, input_tokens=size, at_us=at_us)
        priced = not isinstance(row, Unpriced) and isinstance(
            charge(row, model=model[1], tier=tier, usage=usage), Cost
        )
        found.append((None if isinstance(row, Unpriced) else row, priced))
    assert len(places) == 2 or found[0] == found[1]


def test_a_row_of_ones_own_holds_over_all_shipped_ones_of_its_band(tmp_path: Path) -> None:
    book = book_with(tmp_path, OWN)
    for day in ("2026-07-10", "2026-11-23"):
        found = book.cost(
            prices="openai", model="gpt-5.6-sol", tier="standard", usage=Usage(input=1), at_us=at(day)
        )
        assert found == Cost(3_000_000, "contract")


def test_a_dated_row_of_ones_own_leaves_the_past_as_it_was(tmp_path: Path) -> None:
    book = book_with(tmp_path, OWN + "since = 2026-11-01\n")
    for day, expected in (("2026-08-20", 5_000_000), ("2026-10-31", 4_000_000), ("2026-11-01", 3_000_000)):
        found = book.cost(
            prices="openai", model="gpt-5.6", tier="standard", usage=Usage(input=1), at_us=at(day)
        )
        assert isinstance(found, Cost) and found.picodollars == expected


def test_a_local_model_can_be_declared_free(tmp_path: Path) -> None:
    free = "".join(f'{kind} = "0"\n' for kind in ("input", "cached", "output"))
    text = f'[[price]]\nprovider = "local"\nmodel = "own"\nsource = "mine"\n{free}'
    book = book_with(tmp_path, text)
    usage = Usage(10, 5, 0, 3, 1)
    assert book.cost(prices="local", model="own", tier="standard", usage=usage, at_us=NOW) == Cost(0, "mine")
    assert book.worst_case(prices="local", model="own", tier="standard", usage=usage, at_us=NOW) == 0


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (OWN.replace('"3"', '"three"'), ["row 1", "gpt-5.6", "input", "three"]),
        (OWN.replace('"3"', '"-3"'), ["row 1", "input", "-3"]),
        (OWN.replace('"3"', '"nan"'), ["input"]),
        (OWN.replace('"3"', '"inf"'), ["input"]),
        (OWN.replace('"3"', '"1e999999"'), ["input"]),
        (OWN + 'inptu = "1"\n', ["inptu"]),
        (OWN + 'tier = "quick"\n', ["tier"]),
        (OWN + "over = -1\n", ["over"]),
        (OWN.replace('source = "contract"\n', ""), ["source"]),
        ("[[price", ["own.toml"]),
        ('[[model]]\nprovider = "openai"\nmodel = "x"\ncontxt = 1\n', ["contxt"]),
        ('[[model]]\nprovider = "openai"\nmodel = "x"\ncontext = -1\n', ["context"]),
    ],
)
def test_a_wrong_file_is_refused_by_file_row_and_key(tmp_path: Path, text: str, named: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        book_with(tmp_path, text)
    for part in ("own.toml", *named):
        assert part in str(caught.value)
    assert caught.value.mend


def test_a_missing_file_and_one_that_is_no_text_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.toml"):
        load_book([tmp_path / "none.toml"])
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match=r"bytes\.toml"):
        load_book([tmp_path / "bytes.toml"])


@given(st.decimals(min_value=0, max_value=1000, places=6))
def test_a_price_is_rounded_once_to_whole_picodollars(amount: Decimal) -> None:
    assert picodollars_per_token(str(amount)) == int(amount * MILLION)
    assert picodollars_per_token("0.0000005") == 0 and picodollars_per_token("0.0000015") == 2

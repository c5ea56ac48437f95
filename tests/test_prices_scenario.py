"""Scenarios: a pure change of how requests are priced, exact per request."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hundredfold.errors import ConfigError
from hundredfold.prices.book import Cost, Unpriced, load_book
from hundredfold.prices.rows import KINDS
from hundredfold.prices.scenario import (
    Change,
    Priced,
    Rule,
    Scenario,
    change_of,
    multiple_of,
    rule_of,
    scaled,
)
from hundredfold.vocabulary import Usage
from tests.support.ledgers import AT_US

BOOK = load_book()
FAST = Priced("openai", "gpt-5.5", "fast", "fast", AT_US)
USAGE = Usage(input=1000, cached=400, output=100)


def test_rules_are_applied_in_order_to_the_requests_they_concern() -> None:
    flex = Rule(Change(tier="flex"), {"job": ("security", "de*")})
    dearer = Rule(Change(multiple=Fraction(3, 2)))
    scenario = Scenario("background on flex", (flex, dearer, dearer))
    background = scenario.applied(FAST, {"job": "dedupe"})
    assert (background.tier, background.asked, background.multiple) == ("flex", "flex", Fraction(9, 4))
    other = scenario.applied(FAST, {"job": "review"})
    assert (other.tier, other.multiple) == ("fast", Fraction(9, 4))
    assert scenario.asks == {"job"}


def test_a_change_in_words() -> None:
    rule = rule_of(BOOK, "job=security|dedupe, tier=fast: model=claude-opus-5, tier=standard, multiple=1/3")
    assert rule.when == {"job": ("security", "dedupe"), "tier": ("fast",)}
    assert rule.change == Change("anthropic", "claude-opus-5", "standard", Fraction(1, 3))
    assert rule_of(BOOK, ": prices-of=1970-01-02").change.prices_at_us == 86_400_000_000


@pytest.mark.parametrize(
    ("text", "mend"),
    [
        ("tier=flex", "colon"),
        ("jobb=x: tier=flex", "'job'"),
        ("job=x: tier=felx", "'flex'"),
        ("job=x: model=gpt-5.55", "gpt-5.5"),
        ("job=x: multiple=many", "2.5"),
        ("job=x: multiple=-1", "from 0"),
        ("job=x: prices-of=yesterday", "2026"),
        ("job: tier=flex", "NAME=VALUE"),
    ],
)
def test_words_that_cannot_be_read_are_refused_with_the_mend(text: str, mend: str) -> None:
    with pytest.raises(ConfigError) as caught:
        rule_of(BOOK, text)
    assert mend in caught.value.mend or mend in str(caught.value)


def test_a_model_of_another_provider_needs_no_provider_named() -> None:
    assert change_of(BOOK, model="claude-haiku-5-5").provider == "anthropic"
    with pytest.raises(ConfigError, match="of openai"):
        change_of(BOOK, provider="openai", model="claude-haiku-5-5")


@given(st.fractions(0, 20, max_denominator=1000))
def test_a_scaled_price_is_rounded_once_to_whole_picodollars(multiple: Fraction) -> None:
    book = scaled(BOOK, multiple)
    for row, other in zip(BOOK.rows, book.rows, strict=True):
        for kind in KINDS:
            rate, now = getattr(row.rates, kind), getattr(other.rates, kind)
            assert (rate is None) == (now is None)
            if rate is not None:
                assert abs(now - rate * multiple) <= Fraction(1, 2) and isinstance(now, int)


def test_a_multiple_scales_the_cost_exactly_where_rates_stay_whole() -> None:
    cost = BOOK.cost(prices="openai", model="gpt-5.5", tier="fast", usage=USAGE, at_us=AT_US)
    twice = scaled(BOOK, Fraction(2)).cost(
        prices="openai", model="gpt-5.5", tier="fast", usage=USAGE, at_us=AT_US
    )
    assert isinstance(cost, Cost) and isinstance(twice, Cost)
    assert twice.picodollars == 2 * cost.picodollars and "× 2" in twice.source


def test_a_kind_without_a_price_is_filled_only_if_asked() -> None:
    wrote = Usage(input=1000, cache_write=300, output=1)
    how = {"prices": "openai", "model": "gpt-5.5", "tier": "standard", "at_us": AT_US}
    assert isinstance(BOOK.cost(usage=wrote, **how), Unpriced)  # type: ignore[arg-type]
    assert Scenario("x", (), fill=True).applied(FAST, {}).fill


@pytest.mark.parametrize(
    ("text", "found"), [("2.5", Fraction(5, 2)), ("×2", Fraction(2)), ("1/3", Fraction(1, 3))]
)
def test_multiples(text: str, found: Fraction) -> None:
    assert multiple_of(text) == found

"""A bill in words: simulated never mixed with real, intervals and missing prices said, never hidden."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hundredfold.usage.pricing import Money
from hundredfold.usage.spend import Bill, Line
from hundredfold.usage.wording import (
    cost_facts,
    line_text,
    money_text,
    percent_text,
    price_text,
    tokens_text,
)
from hundredfold.vocabulary import PICODOLLARS_PER_DOLLAR, Usage

DOLLAR = PICODOLLARS_PER_DOLLAR


def a_line(money: Money, requests: int = 1, *, simulated: bool = False, label: str = "") -> Line:
    labels = (label,) if label else ()
    return Line(labels, simulated, requests, 0, 0, Usage(3_000_000, 2_000_000, 0, 100_000, 0), money)


def a_bill(total: Line, simulated: Line | None = None) -> Bill:
    return Bill(by=(), lines=(), total=total, simulated_total=simulated, unpriced={})


NOTHING = Line((), False, 0, 0, 0, Usage(), Money())


def test_a_run_s_line_says_money_requests_and_tokens() -> None:
    money = Money(least=123 * DOLLAR // 100, most=163 * DOLLAR // 100)
    text = line_text(a_bill(a_line(money, 412)))
    assert text == "$1.23 (+ up to $0.40 unsettled), 412 requests, 3.1 M tokens"


def test_a_run_that_asked_nothing_says_nothing() -> None:
    assert line_text(a_bill(NOTHING)) == ""


def test_simulated_and_real_are_two_figures_and_the_simulated_one_is_marked() -> None:
    real, simulated = a_line(Money(DOLLAR, DOLLAR)), a_line(Money(5 * DOLLAR, 5 * DOLLAR), simulated=True)
    text = line_text(a_bill(real, simulated))
    assert text.startswith("$1.00,") and "; SIMULATED $5.00," in text and "$6.00" not in text
    assert line_text(a_bill(NOTHING, simulated)).startswith("SIMULATED $5.00")


def test_requests_without_a_price_are_named_beside_the_money() -> None:
    assert money_text(a_line(Money(unpriced=1200))) == "$0.00 (1,200 without a price)"


def test_the_facts_of_an_attempt_keep_simulated_ones_apart() -> None:
    facts = cost_facts(
        [
            a_line(Money(DOLLAR, DOLLAR), label="a-1"),
            a_line(Money(7 * DOLLAR, 7 * DOLLAR), label="a-1", simulated=True),
        ]
    )
    assert facts["a-1"]["cost"] == "$1.00" and facts["a-1"]["simulated cost"] == "$7.00"


@given(st.integers(0, 10**15))
def test_a_count_of_tokens_is_short_and_never_overstated(count: int) -> None:
    text = tokens_text(count)
    number, _, letter = text.partition(" ")
    size = {"": 1, "k": 10**3, "M": 10**6, "B": 10**9, "T": 10**12}[letter]
    tenths = int(number.replace(".", "")) * (1 if "." in number else 10)
    assert len(text) <= 6 and tenths * size <= count * 10 < (tenths + (1 if "." in number else 10)) * size


@pytest.mark.parametrize(
    ("part", "whole", "places", "wanted"),
    [
        (1, 3, 1, "33.3 %"), (2, 3, 1, "66.7 %"), (2, 3, 0, "67 %"), (1, 1, 1, "100.0 %"), (0, 5, 1, "0.0 %"),
        (1, 10**6, 1, "<0.1 %"), (1, 10**6, 0, "<1 %"), (0, 0, 1, ""),
    ],
)  # fmt: skip
def test_a_share_is_said_to_the_nearest_and_is_never_nothing(
    part: int, whole: int, places: int, wanted: str
) -> None:
    assert percent_text(part, whole, places) == wanted


def test_what_has_no_price_is_never_nothing() -> None:
    assert price_text(Money(unpriced=3)) == "unpriced"
    assert price_text(Money()) == "$0.00"
    assert price_text(Money(DOLLAR, DOLLAR, unpriced=3)) == "$1.00"
    assert price_text(Money(0, DOLLAR)) == "$0.00 … $1.00"

"""Money as text."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hundredfold.prices.money import dollars_text, exact_text, interval_text

DOLLAR = 10**12


@pytest.mark.parametrize(
    ("picodollars", "text"),
    [
        (0, "$0.00"),
        (1, "$0.000000000001"),
        (3_412_000_000, "$0.003412"),
        (DOLLAR // 10, "$0.10"),
        (DOLLAR, "$1.00"),
        (1_005 * DOLLAR // 1000, "$1.00"),
        (1_015 * DOLLAR // 1000, "$1.02"),
        (1_234_560_000_000_000, "$1,234.56"),
        (-1_234_560_000_000_000, "-$1,234.56"),
        (1_305_088_810_000_000_000, "$1,305,088.81"),
        (2**63 * 1000, "$9,223,372,036.85"),
    ],
)
def test_money_reads_as_people_write_it(picodollars: int, text: str) -> None:
    assert dollars_text(picodollars) == text


@given(st.integers(-(10**27), 10**27))
def test_text_is_within_rounding_of_the_amount_and_exact_text_is_the_amount(amount: int) -> None:
    shown = Decimal(dollars_text(amount).replace("$", "").replace(",", ""))
    exact = Decimal(amount) / DOLLAR
    allowed = Decimal("0.005") if abs(exact) >= Decimal("0.1") else abs(exact) / 1000
    assert abs(shown - exact) <= allowed
    assert int(Decimal(exact_text(amount)).scaleb(12)) == amount


def test_an_interval_shows_both_ends_and_a_known_amount_one() -> None:
    assert interval_text(DOLLAR, DOLLAR) == "$1.00"
    assert interval_text(0, 2 * DOLLAR) == "$0.00 … $2.00"

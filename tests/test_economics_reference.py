"""The reference bill: every derived figure, from the listed inputs alone."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from hundredfold.economics.reference import SHIPPED, Figures, figures, load_inputs, saving_per_month
from hundredfold.errors import ConfigError

FOUND = figures(load_inputs())
DOLLAR = 10**12


def dollars(picodollars: int, places: int = 0) -> float:
    return round(picodollars / DOLLAR, places)


@pytest.mark.parametrize(
    ("name", "places", "expected"),
    [
        ("per_million_tokens", 3, 2.164),
        ("per_request", 3, 0.172),
        ("per_day", 0, 43_503),
        ("per_agent_day", 0, 435),
        ("per_agent_hour", 2, 18.13),
        ("per_person_month", 0, 435_030),
        ("today_per_million", 2, 1.05),
        ("same_tokens_at_standard", 0, 522_036),
        ("left_after_claim", 0, 391_527),
        ("left_a_year", -5, 4_700_000),
        ("example_net", 2, 9.76),
        ("example_required_value", 2, 45.33),
    ],
)
def test_amounts(name: str, places: int, expected: float) -> None:
    assert dollars(getattr(FOUND, name), places) == expected


@pytest.mark.parametrize(
    ("name", "places", "expected"),
    [
        ("tokens_per_request", 0, 79_342),
        ("requests_per_minute", 0, 176),
        ("tokens_per_minute", -5, 14_000_000),
        ("cycle_seconds", 1, 34.1),
        ("today_tokens", 2, 0.95),
        ("today_requests", 2, 0.81),
        ("today_dollars", 2, 0.46),
        ("saved_per_token", 2, 0.60),
        ("saved_per_month", 3, 0.733),
        ("bound_for_claim", 2, 0.67),
        ("people_paid", 1, 15.7),
        ("employee_years_a_month", 1, 1.3),
        ("minutes_per_attempt", 2, 0.39),
        ("example_multiple", 2, 1.45),
        ("example_multiple_fast_off", 2, 3.63),
    ],
)
def test_rates_and_shares(name: str, places: int, expected: float) -> None:
    assert round(float(getattr(FOUND, name)), places) == expected


def test_review_binds_long_before_the_agents_do() -> None:
    assert FOUND.review_minutes == 23_760
    assert FOUND.attempts == 60_300


def test_the_cached_share_that_each_tier_would_need() -> None:
    fast = [one.cached_share for one in FOUND.cached if one.tier == "fast"]
    standard = [one.cached_share for one in FOUND.cached if one.tier == "standard"]
    assert [round(float(one), 3) for one in fast] == [0.938, 0.951]
    assert [round(float(one), 3) for one in standard] == [0.649, 0.661]
    observed = FOUND.observed_per_million
    assert dollars(observed["standard"], 2) < 1.05 < dollars(observed["fast"], 2) < 2.16, (
        "at the share of cached tokens seen elsewhere, all fast is a little cheaper than the bill"
    )


def test_the_two_savings_are_both_true_of_different_questions() -> None:
    fast, speed = Fraction(5, 2), Fraction(3, 2)
    assert saving_per_month(fast, speed, Fraction(0)) == FOUND.saved_per_token == Fraction(3, 5)
    assert saving_per_month(fast, speed, Fraction(1)) == FOUND.saved_per_month == Fraction(11, 15)
    assert saving_per_month(fast, speed, FOUND.bound_for_claim) == Fraction(7, 10)


def test_every_figure_follows_from_the_inputs(tmp_path: Path) -> None:
    """Twice the dollars of everything doubles every amount and leaves every share as it is."""
    text = SHIPPED.read_text(encoding="utf-8")
    doubled = text.replace('"1305088.81"', '"2610177.62"').replace('"19985.84"', '"39971.68"')
    file = tmp_path / "bill.toml"
    file.write_text(doubled, encoding="utf-8")
    found: Figures = figures(load_inputs(file))
    for name in ("per_million_tokens", "per_day", "same_tokens_at_standard", "left_after_claim"):
        assert abs(getattr(found, name) - 2 * getattr(FOUND, name)) <= 1
    for name in ("today_dollars", "saved_per_token", "saved_per_month", "cycle_seconds"):
        assert getattr(found, name) == getattr(FOUND, name)


@pytest.mark.parametrize(
    ("wrong", "right", "says"),
    [
        ("days = 30", "days = 0", "days"),
        ('"1305088.81"', '"a lot"', "a lot"),
        ("requests = 7_600_000", 'requests = "many"', "requests"),
        ("[last_day]", "[yesterday]", "yesterday"),
        ('speed = "1.5"', 'speed = "quick"', "speed"),
        ("[bill]", "[bill", "TOML|Expected"),
    ],
)
def test_wrong_inputs_are_named(tmp_path: Path, wrong: str, right: str, says: str) -> None:
    file = tmp_path / "bill.toml"
    file.write_text(SHIPPED.read_text(encoding="utf-8").replace(wrong, right, 1), encoding="utf-8")
    with pytest.raises(ConfigError, match=says) as refused:
        load_inputs(file)
    assert str(file) in str(refused.value)
    with pytest.raises(ConfigError, match="can't be read"):
        load_inputs(tmp_path / "none.toml")

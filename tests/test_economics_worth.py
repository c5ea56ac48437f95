"""Net value, cost of pass, capacity, scenarios and values; and that no figure lacks its denominator."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hundredfold.economics.capacity import (
    Scalability,
    Supply,
    enough_agents,
    fitted,
    marginal,
    review_hour_worth,
    throughput,
)
from hundredfold.economics.figures import Amount, Multiple, Rate, UnitCost
from hundredfold.economics.netvalue import (
    Attempt,
    Solver,
    break_even_multiple,
    cost_of_pass,
    frontier,
    net,
    required_value,
)
from hundredfold.economics.scenarios import load_scenarios
from hundredfold.economics.values import load_values, unknown
from hundredfold.errors import ConfigError
from hundredfold.outcome import KINDS

DOLLAR = 10**12
probabilities = st.floats(0, 1)
amounts = st.integers(0, 10**17)
attempts = st.builds(
    Attempt,
    acceptance=probabilities,
    survival=probabilities,
    cost=amounts,
    value=st.none() | amounts,
    review_minutes=st.floats(0, 600),
    reviewer_hour=amounts,
    revert_loss=amounts,
)


@given(attempts)
def test_at_the_required_value_and_at_the_break_even_price_net_value_is_nothing(one: Attempt) -> None:
    needed, multiple, worth = required_value(one), break_even_multiple(one), net(one)
    if one.value is None:
        assert worth is None and multiple is None, "no return is claimed where no value is known"
    else:
        assert worth is not None
        if multiple is not None:
            assert abs(net(one, multiple) or 0) <= 1
            assert (multiple > 1) == (worth > 0) or abs(worth) <= 1
    if needed is not None:
        exact = Attempt(**{name: getattr(one, name) for name in one.__struct_fields__} | {"value": needed})
        assert abs(net(exact) or 0) <= 1
    else:
        assert Fraction(one.acceptance) * Fraction(one.survival) == 0


def test_cost_of_pass_is_infinite_without_a_success_and_the_human_is_among_the_agents() -> None:
    never = Solver("codex, fast", cost=DOLLAR, successes=0, tries=50)
    some = Solver("codex, standard", cost=2 * DOLLAR, successes=5, tries=50)
    human = Solver("human", cost=30 * DOLLAR, successes=19, tries=20)
    assert cost_of_pass(never).picodollars is None
    assert cost_of_pass(some).picodollars == 20 * DOLLAR
    assert [one.solver.name for one in frontier([never, human, some])] == [
        "codex, standard", "human", "codex, fast",
    ]  # fmt: skip


# ------------------------------------------------------------------ capacity


def supply(**changes: float | None) -> Supply:
    values: dict[str, float | None] = {
        "tokens_per_attempt": 10e6, "requests_per_attempt": 126, "tokens_per_minute": 20e6,
        "requests_per_minute": 1000, "review_minutes_per_hour": 60.0, "review_minutes_per_attempt": 2.0,
    }  # fmt: skip
    return Supply(scalability=Scalability(1.0), **{**values, **changes})  # type: ignore[arg-type]


def test_the_binding_constraint_is_named() -> None:
    assert throughput(supply(), 10).binding == "agents"
    at_review = throughput(supply(), 100)
    assert (at_review.binding, at_review.attempts_per_hour) == ("review", 30)
    no_review = throughput(supply(review_minutes_per_hour=None), 200)
    assert (no_review.binding, no_review.attempts_per_hour) == ("tokens per minute", 120)
    by_requests = throughput(supply(review_minutes_per_hour=None, requests_per_minute=126.0), 200)
    assert (by_requests.binding, by_requests.attempts_per_hour) == ("requests per minute", 60)


def test_an_agent_beyond_what_binds_is_worth_nothing() -> None:
    assert marginal(supply(), 10, 5 * DOLLAR).net_per_hour == 5 * DOLLAR
    beyond = marginal(supply(), 31, 5 * DOLLAR)
    assert (beyond.net_per_hour, beyond.throughput.binding) == (0, "review")
    assert marginal(supply(), 10, None).net_per_hour is None
    assert enough_agents(supply()) == 30
    assert enough_agents(supply(review_minutes_per_hour=0.0)) == 0


def test_a_review_hour_is_worth_what_it_lets_through_only_where_review_binds() -> None:
    assert review_hour_worth(supply(), 10, 5 * DOLLAR, 100 * DOLLAR) == -100 * DOLLAR
    assert review_hour_worth(supply(), 100, 5 * DOLLAR, 100 * DOLLAR) == 30 * 5 * DOLLAR
    assert review_hour_worth(supply(), 40, 5 * DOLLAR, 100 * DOLLAR) == 10 * 5 * DOLLAR, (
        "no more than is made"
    )


def test_agents_in_each_others_way_have_a_best_number() -> None:
    law = Scalability(1.0, contention=0.02, crosstalk=0.0005)
    best = max(range(1, 200), key=law.attempts)
    assert best == round(((1 - 0.02) / 0.0005) ** 0.5)
    crowded = Supply(scalability=law)
    assert enough_agents(crowded) == best
    assert marginal(crowded, best + 5, DOLLAR).more_attempts_per_hour < 0


def test_the_law_is_found_again_from_measurements() -> None:
    law = Scalability(2.5, 0.03, 0.0004)
    found = fitted([(n, law.attempts(n)) for n in (1, 4, 16, 40, 90)])
    assert found is not None
    assert [found.alone, found.contention, found.crosstalk] == pytest.approx([2.5, 0.03, 0.0004], rel=1e-6)
    assert fitted([(1, 2.0), (1, 2.1), (8, 15.0)]) is None


# ------------------------------------------------------------------ no figure without its denominator


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6))
def test_a_rate_names_what_it_is_of(hits: int, misses: int, pending: int) -> None:
    one = Rate(hits, hits + misses, pending, "decided")
    assert f"{one.of:,} decided" in one.text or one.share is None
    assert (one.share is None) == (one.of == 0)
    if one.share is None:
        assert "%" not in one.text and one.text.startswith("none of 0 decided")
    assert (f"{pending:,} pending" in one.text) == (pending > 0)


@given(amounts, st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 9))
def test_a_unit_cost_names_its_units_and_divides_by_no_zero(
    spent: int, of: int, pending: int, unpriced: int
) -> None:
    one = UnitCost(Amount(spent, spent, unpriced), of, ("accepted outcome", "accepted outcomes"), pending)
    if of:
        assert one.each == (round(Fraction(spent, of)),) * 2
        assert f"over {of:,} accepted outcomes" in one.text
    else:
        assert one.each is None and one.text.startswith("no accepted outcome yet for $")
    assert ("without a price" in one.text) == (unpriced > 0)


def test_a_multiple_names_its_base() -> None:
    assert Multiple(1.45, "as billed").text == "survives a ×1.45 price rise (as billed = 1)"
    assert "would have to fall to ×0.40" in Multiple(0.4, "standard list").text
    assert "at any price" in Multiple(-2.0, "as billed").text


def test_what_is_no_rate_is_refused() -> None:
    for hits, of, pending in ((2, 1, 0), (-1, 1, 0), (0, 1, -1)):
        with pytest.raises(ValueError, match="no rate"):
            Rate(hits, of, pending, "decided")


# ------------------------------------------------------------------ scenarios and values


def test_every_shipped_scenario_has_a_source_and_those_without_say_so() -> None:
    found = {one.name: one for one in load_scenarios()}
    multiples = {
        "subscription, heavy use": "0.04", "marginal compute": "0.30", "negotiated, low": "0.75",
        "negotiated, high": "0.90", "margin-normalised, 48 to 70 %": "1.73",
        "margin-normalised, 33 to 70 %": "2.23", "full cost recovery": "2.22",
    }  # fmt: skip
    for name, multiple in multiples.items():
        assert found[name].factor == Fraction(multiple) and found[name].tier == "standard"
    assert found["fast list"].tier == found["fast, full cost recovery"].tier == "fast"
    assert found["batch or flex"].tier == "flex" and found["as served"].tier == "served"
    for one in found.values():
        assert one.source and one.date.year >= 2025
        assert (one.basis == "assumption") == (one.source == "no public source")


def test_a_users_scenario_replaces_one_by_name_and_adds_others(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    row = 'basis = "assumption"\nsource = "our contract"\ndate = 2026-11-01\n'
    file.write_text(
        f'[[scenario]]\nname = "negotiated, low"\nmultiple = "0.6"\n{row}'
        f'[[scenario]]\nname = "ours"\nmultiple = "3"\n{row}'
    )
    found = {one.name: one for one in load_scenarios([file])}
    assert found["negotiated, low"].factor == Fraction(3, 5) and found["ours"].factor == 3
    assert len(found) == len(load_scenarios()) + 1


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[[scenario]]\nname = "x"\n', "row 1"),
        ('[[scenario]]\nname="x"\nmultiple="-1"\nbasis="list"\nsource="s"\ndate=2026-01-01\n', "multiple -1"),
        ('[[scenario]]\nname="x"\nmultiple="two"\nbasis="list"\nsource="s"\ndate=2026-01-01\n', "two"),
        ('[[scenario]]\nname="x"\nmultiple="1"\nbasis="list"\nsource=""\ndate=2026-01-01\n', "source"),
        ('[[scenarios]]\nname="x"\n', "scenarios"),
        ("[[scenario]\n", "TOML|Expected"),
    ],
)
def test_a_wrong_scenario_is_named(tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=says) as refused:
        load_scenarios([file])
    assert "mine.toml" in str(refused.value)


def test_no_value_is_invented() -> None:
    found = load_values(reviewer_hour=150 * DOLLAR)
    assert set(found) == set(KINDS)
    assert all(one.range is None and one.source for one in found.values())
    assert unknown("poem").likely is None


def test_values_are_a_persons_own_and_minutes_are_priced_at_the_reviewers_hour(tmp_path: Path) -> None:
    file = tmp_path / "values.toml"
    file.write_text(
        '[[value]]\nkind="comment"\nbasis="minutes replaced"\nminutes=["5","10","20"]\n'
        'source="ours"\ndate=2026-11-01\n'
        '[[value]]\nkind="finding"\nbasis="averted loss"\ndollars=["0","1000.5","2000"]\n'
        'source="ours"\ndate=2026-11-01\n'
    )
    found = load_values([file], reviewer_hour=120 * DOLLAR)
    assert found["comment"].range == (10 * DOLLAR, 20 * DOLLAR, 40 * DOLLAR)
    assert found["finding"].likely == 1000 * DOLLAR + DOLLAR // 2


@pytest.mark.parametrize(
    "rest",
    [
        'basis="averted loss"\nminutes=["1","2","3"]',
        'basis="averted loss"\ndollars=["3","2","1"]',
        'basis="averted loss"\ndollars=["-3","2","4"]',
        'basis="unknown"\ndollars=["1","2","3"]',
        'basis="minutes replaced"',
        'basis="a feeling"\ndollars=["1","2","3"]',
        'basis="averted loss"\ndollars=["1","2","much"]',
    ],
)
def test_a_wrong_value_is_named(tmp_path: Path, rest: str) -> None:
    file = tmp_path / "values.toml"
    file.write_text(f'[[value]]\nkind="finding"\nsource="s"\ndate=2026-11-01\n{rest}\n')
    with pytest.raises(ConfigError, match="row 1"):
        load_values([file], reviewer_hour=0)

"""What-if: a scenario priced from rollups equals each request repriced on its own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from fractions import Fraction
from io import StringIO
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from rich.console import Console

from hundredfold.cli.whatif import _table, scenarios_of, whatif_command
from hundredfold.errors import ConfigError
from hundredfold.prices.book import Unpriced, charge, load_book
from hundredfold.prices.scenario import Change, Rule, Scenario, scaled
from hundredfold.store.database import Database, open_database, sqlite_url
from hundredfold.usage.ledger import SOURCES, STATUSES, Entry, Ledger
from hundredfold.usage.pricing import as_billed
from hundredfold.usage.sums import Routed
from hundredfold.usage.whatif import what_if
from hundredfold.vocabulary import Tier, Usage
from tests.support.ledgers import AT_US, BOOKING, DAY, ROUTE, entry, varied

BOOK = load_book()
TIERS = get_args(Tier)
ROWS = varied(400, seed=11)
MODELS = ["gpt-5.5", "gpt-5.4-2026-03-05", "gpt-5.6-sol", "gpt-6-astra", "claude-haiku-5-5", "gemini-3.1-pro"]

changes = st.builds(
    Change,
    provider=st.just(""),
    model=st.just(""),
    tier=st.sampled_from([None, *TIERS]),
    multiple=st.sampled_from([Fraction(1), Fraction(1, 3), Fraction(222, 100), Fraction(0)]),
    prices_at_us=st.sampled_from([None, AT_US, AT_US - 200 * 86_400_000_000]),
) | st.sampled_from(MODELS).map(
    lambda model: Change(
        provider="openai"
        if model[0] == "g" and model[1] == "p"
        else "anthropic"
        if model[0] == "c"
        else "google",
        model=model,
    )
)
rules = st.builds(
    Rule,
    changes,
    st.sampled_from(
        [{}, {"job": ("a",)}, {"person": ("A*", "Bo")}, {"tier": ("fast",), "model": ("gpt-5.*",)}]
    ),
)
scenarios = st.builds(Scenario, st.just("x"), st.lists(rules, max_size=3).map(tuple), fill=st.booleans())


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    opened = open_database(sqlite_url(tmp_path_factory.mktemp("whatif") / "test.db"))
    Ledger(opened).append(ROWS)
    yield opened
    opened.close()


def the_best(rows: list[Entry]) -> list[Entry]:
    best: dict[tuple[str, str], Entry] = {}
    for row in rows:
        key = (row.route.provider, row.key)
        rank = (SOURCES.index(row.source), STATUSES.index(row.status))
        if key not in best or rank > (SOURCES.index(best[key].source), STATUSES.index(best[key].status)):
            best[key] = row
    return list(best.values())


def one_by_one(scenario: Scenario) -> tuple[int, int, int, int]:
    """Settled requests priced each on its own: how many on both sides, how many not, before, after."""
    counted = excluded = before = after = 0
    for row in the_best(ROWS):
        if row.status != "settled":
            continue
        routed = Routed(0, *(getattr(row.route, name) for name in Routed.__struct_fields__[1:]))
        how = as_billed(routed, row.at_us)
        facts = {
            "job": row.booking.job, "person": row.booking.person, "provider": how.prices,
            "model": how.model, "tier": how.tier,
        }  # fmt: skip
        then = scenario.applied(how, facts)
        costs = []
        for one in (how, then):
            found = scaled(BOOK, one.multiple).row(
                prices=one.prices,
                model=one.model,
                tier=one.tier,
                input_tokens=row.usage.input,
                at_us=one.at_us,
            )
            if not isinstance(found, Unpriced):
                found = charge(found, model=one.model, tier=one.tier, usage=row.usage, fill=one.fill)  # type: ignore[assignment]
            costs.append(found)
        if any(isinstance(one, Unpriced) for one in costs):
            excluded += 1
        else:
            counted += 1
            before += costs[0].picodollars  # type: ignore[union-attr]
            after += costs[1].picodollars  # type: ignore[union-attr]
    return counted, excluded, before, after


@settings(max_examples=50, deadline=None)
@given(scenarios, st.sampled_from([(), ("day",), ("model", "job"), ("person",)]))
def test_any_scenario_from_rollups_equals_each_request_repriced(
    filled: Database, scenario: Scenario, by: tuple[Any, ...]
) -> None:
    settled = [row for row in the_best(ROWS) if row.status == "settled"]
    counted, excluded, before, after = one_by_one(scenario)
    assert counted + excluded == len(settled)
    [found] = what_if(filled, BOOK, [scenario], by=by)
    # Requests whose usage is an interval are in the totals too; take them out by pricing them alone.
    uncertain = [row for row in the_best(ROWS) if row.status == "cut"]
    failed = [row for row in the_best(ROWS) if row.status == "error"]
    total = found.total
    assert total.requests + total.excluded == len(settled) + len(uncertain) + len(failed)
    assert total.failed == len(failed)
    assert total.before.least >= before and total.after.least >= after
    assert sum(one.before.most for one in found.lines) == total.before.most
    assert sum(one.after.most for one in found.lines) == total.after.most


@settings(max_examples=40, deadline=None)
@given(scenario=scenarios)
def test_settled_requests_agree_to_the_picodollar(
    tmp_path_factory: pytest.TempPathFactory, scenario: Scenario
) -> None:
    folder = tmp_path_factory.getbasetemp() / "settled-only"
    fresh = not folder.exists()
    database = open_database(sqlite_url(folder / "test.db"))
    if fresh:
        Ledger(database).append([row for row in the_best(ROWS) if row.status == "settled"])
    counted, excluded, before, after = one_by_one(scenario)
    [found] = what_if(database, BOOK, [scenario])
    total = found.total
    assert (total.requests, total.excluded) == (counted, excluded)
    assert (total.before.least, total.before.most) == (before, before)
    assert (total.after.least, total.after.most) == (after, after)
    database.close()


def test_fast_is_not_billed_above_the_threshold_and_long_context_is_per_request(database: Database) -> None:
    standard = replace(ROUTE, tier="standard", served_tier="default")
    Ledger(database).append(
        [entry("s", Usage(1000, 0, 0, 0, 0), route=standard), entry("l", Usage(300_000), route=standard)]
    )
    [found] = what_if(database, BOOK, [Scenario("fast", (Rule(Change(tier="fast")),))])
    assert found.total.before.most == 1000 * 5_000_000 + 300_000 * 10_000_000
    assert found.total.after.most == 1000 * 12_500_000 + 300_000 * 10_000_000


def test_background_jobs_on_flex_in_words(database: Database, capsys: pytest.CaptureFixture[str]) -> None:
    Ledger(database).append([entry("1"), entry("2", booking=replace(BOOKING, job="review"))])
    chosen = scenarios_of(BOOK, {}, ["job=security|dedupe: tier=flex"], [], fill=False)
    assert whatif_command(database, BOOK, chosen, by=("job",), since="ever", as_json=True) == 0
    [found] = json.loads(capsys.readouterr().out)
    lines = {line["job"]: line for line in found["lines"]}
    assert float(lines["review"]["saving_least"]) == 0
    assert lines["security"]["saving_least"] == "0.0124" and lines["security"]["then_most"] == "0.0031"
    assert found["total"]["saving_per_request"] == "0.0062"
    began = AT_US // DAY * DAY  # everything: a month is 30 days of those since the first request
    assert found["days"] >= (AT_US - began) / DAY
    assert float(found["saving_per_30_days_least"]) == pytest.approx(0.0124 * 30 / found["days"], rel=0.01)
    assert whatif_command(database, BOOK, chosen, by=("job",), since="ever") == 0
    text = capsys.readouterr().out.splitlines()
    assert text[0].startswith("kind\tscenario\tjob") and len({line.count("\t") for line in text[:4]}) == 1


def test_a_rule_that_concerns_nothing_is_told_and_groupings_may_have_commas(
    database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    Ledger(database).append([entry("1")])
    chosen = scenarios_of(BOOK, {}, ["job=secuirty|x: tier=flex", "tier=fast: tier=standard"], [], fill=False)
    for groupings in (("model,job",), ("model", "job")):
        whatif_command(database, BOOK, chosen, by=groupings, since="ever", as_json=True)
        [found] = json.loads(capsys.readouterr().out)
        assert found["idle_rules"] == ["job=secuirty|x"]
        assert [line["job"] for line in found["lines"]] == ["security"]
    whatif_command(database, BOOK, chosen, by=("model,job",), since="ever")
    text = capsys.readouterr().out
    assert "no request is of the rule job=secuirty|x" in text and "kind\tscenario\tmodel\tjob\t" in text


def test_a_saving_is_never_the_absence_of_a_price(database: Database) -> None:
    Ledger(database).append([entry("1"), entry("2", Usage(input=10, output=1))])
    to_gemini = Scenario("g", (Rule(Change(provider="google", model="gemini-3.1-pro", tier="standard")),))
    [found] = what_if(database, BOOK, [to_gemini])  # no price of cached input is known there
    assert (found.total.requests, found.total.excluded) == (1, 1)
    assert found.total.before.most == 10 * 12_500_000 + 75_000_000
    [filled_] = what_if(database, BOOK, [replace(to_gemini, fill=True)])
    assert (filled_.total.requests, filled_.total.excluded) == (2, 0)


def test_simulated_traffic_is_compared_apart(database: Database) -> None:
    Ledger(database).append([entry("1"), entry("2", route=replace(ROUTE, simulated=True))])
    found = what_if(database, BOOK, scenarios_of(BOOK, {}, [], [], fill=False))
    assert [one.simulated for one in found] == [False] * 4 + [True] * 4
    assert all(one.total.requests == 1 for one in found)


def test_an_unknown_scenario_names_near_ones() -> None:
    with pytest.raises(ConfigError) as caught:
        scenarios_of(BOOK, {}, [], ["marginal computing"], fill=False)
    assert "'marginal compute'" in caught.value.mend
    assert len(scenarios_of(BOOK, {}, [], ["all"], fill=False)) > 5


@pytest.mark.parametrize(("width", "gone"), [(120, 0), (94, 1), (80, 3), (70, 4)])
def test_names_and_amounts_are_whole_on_a_narrow_terminal(width: int, gone: int) -> None:
    figures = ("8,914", "$545.51 … $546.93", "$421.77 … $422.34", "$1.00", "22.7", "$0.01388", "$125.03", "7")
    out = Console(width=width, file=StringIO())
    with out.capture() as printed:
        out.print(_table("all", ("payer",), [("(unallocated)", *figures)], width))
    line = printed.get().splitlines()[-1]
    told = line.replace(" … ", "…").split()
    assert told[0] == "(unallocated)" and told[-1] == "7"
    assert len(told) == 1 + len(figures) - gone
    assert {"$545.51…$546.93", "$421.77…$422.34", "$1.00"} <= set(told)

"""The page that a payer reads: what it says of a fleet's past, and that it claims nothing it can not."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hundredfold.economics.figures import Amount
from hundredfold.economics.values import load_values
from hundredfold.errors import ConfigError
from hundredfold.outcome import Observation, Origin, Outcome
from hundredfold.outcomes.ours import follow
from hundredfold.prices.book import load_book
from hundredfold.settings import PayerSettings, Settings, WorthSettings
from hundredfold.store import outcomes
from hundredfold.store.database import Database, open_database, sqlite_url
from hundredfold.usage.allocation import allocation_of
from hundredfold.usage.ledger import Booking, Ledger
from hundredfold.usage.spend import bill
from hundredfold.vocabulary import Usage
from hundredfold.worth.advice import advise
from hundredfold.worth.assumptions import Assumptions, assumptions
from hundredfold.worth.document import document
from hundredfold.worth.html import html_page
from hundredfold.worth.lines import By
from hundredfold.worth.picture import shown
from hundredfold.worth.report import Report, report
from hundredfold.worth.wording import page
from tests.support.ledgers import AT_US, entry
from tests.support.outcomes import DAY_US, PROJECT, History

BOOK = load_book()
DOLLAR = 10**12


@pytest.fixture
def past(tmp_path: Path) -> Iterator[History]:
    opened = open_database(sqlite_url(tmp_path / "test.db"))
    yield History(opened, tmp_path)
    opened.close()


def assumed(**changes: Any) -> Assumptions:
    return msgspec.structs.replace(assumptions(Settings(), Path()), **changes)


def made(past: History, *, by: tuple[By, ...] = ("job", "kind"), **changes: Any) -> Report:
    follow(past.database, PROJECT)
    return report(
        past.database,
        BOOK,
        assumed(**changes),
        project=PROJECT,
        since_us=None,
        made_us=AT_US + 60 * DAY_US,
        by=by,
    )


def stood(
    past: History, proposal: str, state: str = "survived", days: int = 31, *, confirmed: bool = True
) -> None:
    ended = AT_US + days * DAY_US if state == "reverted" else None
    outcomes.observe(
        past.database,
        [
            Observation(
                outcome=outcomes.outcome_id(PROJECT, proposal=proposal), state=state, rule="fix commit",  # type: ignore[arg-type]
                strength="high", confirmed=confirmed, accepted_us=AT_US, ended_us=ended,
                observed_us=AT_US + days * DAY_US, by="git",
            )
        ],
    )  # fmt: skip


def a_past(past: History) -> list[str]:
    """Twelve real findings at $2.50 each (fast): eight accepted, of which one is taken back and five stand
    and are confirmed; three rejected, one pending. And two simulated ones."""
    states = ["applied"] * 8 + ["rejected"] * 3 + ["open"]
    made_ = [past.proposal(past.attempt(), state=state) for state in states]
    for _ in range(2):
        past.proposal(past.attempt(simulated=True), state="applied")
    follow(past.database, PROJECT)
    for proposal in made_[:5]:
        stood(past, proposal)
    stood(past, made_[5], "reverted", 10)
    stood(past, made_[6], confirmed=False)
    return made_


def test_the_three_denominators(database: Database, tmp_path: Path) -> None:
    past = History(database, tmp_path)
    a_past(past)
    whole = made(past).real.total
    assert whole.amount == Amount(30 * DOLLAR, 30 * DOLLAR)
    assert whole.per_attempt.each == (30 * DOLLAR // 12,) * 2
    assert whole.per_accepted.each == (30 * DOLLAR // 8,) * 2
    assert whole.per_standing.each == (6 * DOLLAR,) * 2 and whole.per_standing.of == 5
    assert (whole.acceptance.hits, whole.acceptance.of, whole.acceptance.pending) == (8, 11, 1)
    assert (whole.survived, whole.reverted, whole.opened) == (6, 1, 12)


def test_simulated_work_is_a_side_of_its_own(past: History) -> None:
    a_past(past)
    found = made(past)
    assert found.simulated is not None
    assert found.simulated.total.opened == 2 and found.simulated.total.amount.most == 5 * DOLLAR
    assert found.simulated.review.decisions == 2 and found.real.review.decisions == 11
    text = "\n".join(page(found))
    real, simulated = text.split("SIMULATED: ", 1)
    assert "$30.00 on 12 requests" in real and "$5.00 on 2 requests" in simulated
    assert "$35" not in text and "14 outcomes" not in text
    html = html_page(found)
    assert html.index("class=mark>SIMULATED") > html.index("$30.00")


def test_what_lines_cost_adds_up_to_the_bill(past: History) -> None:
    a_past(past)
    past.proposal(past.attempt(job="review", tier="standard", served="default", payer="globex"), job="review",
                  type_="comment", state="applied")  # fmt: skip
    past.proposal(past.attempt(job="review"), job="review", type_="advisory", state="open")
    billed = bill(past.database, BOOK, by=()).total.money
    for by in (("job",), ("kind",), ("job", "kind"), ("model", "tier"), ("payer",), ("agent", "kind"), ()):
        lines = made(past, by=by).real.lines
        assert sum(line.amount.most for line in lines) == billed.most, by
        assert sum(line.attempts for line in lines) == 14 and sum(line.opened for line in lines) == 14
    tiers = {line.labels: line for line in made(past, by=("tier",)).real.lines}
    assert tiers["standard",].amount.most == DOLLAR and tiers["standard",].opened == 1


def test_a_job_that_brought_about_two_kinds_shares_its_money_by_their_number(past: History) -> None:
    for kind in ("comment", "comment", "advisory"):
        past.proposal(past.attempt(job="review"), job="review", type_=kind, state="applied")
    past.attempt(job="review")  # which brought nothing about
    lines = {line.labels: line for line in made(past).real.lines}
    assert {labels: line.opened for labels, line in lines.items()} == {
        ("review", "comment"): 2, ("review", "finding"): 1,
    }  # fmt: skip
    amounts = [line.amount.most for line in lines.values()]
    assert sum(amounts) == 10 * DOLLAR and abs(max(amounts) - 2 * min(amounts)) <= 2


# ------------------------------------------------------------------ the sceptic


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, one in value.items():
            yield from leaves(one, f"{path}.{key}")
    elif isinstance(value, list):
        for one in value:
            yield from leaves(one, f"{path}[]")
    else:
        yield path, value


def test_without_outcomes_nothing_divides_by_nothing_and_no_return_is_claimed(past: History) -> None:
    for attempts in (0, 3):
        for _ in range(attempts):
            past.attempt()
        found = made(past)
        text = "\n".join(page(found)) + html_page(found) + str(shown(found, found.real))
        text += "\n".join(one.what for one in advise(found))
        assert not re.search(r"\b(nan|inf)\b|Infinity", text, re.IGNORECASE)
        assert "Net " not in text and "survives a ×" not in text and "Go on with" not in text
        plain = json.loads(msgspec.json.encode(document(found), enc_hook=str))
        real = plain["real"]["total"]
        for name in ("per_accepted", "per_surviving_confirmed", "per_opened"):
            assert real[name]["most"] is None and real[name]["of"] == 0
        assert real["acceptance"]["value"] is None and real["survival"]["value"] is None
        assert all(one["net_per_opened"] is None for one in plain["real"]["verdicts"])
    assert "no accepted outcome yet for $7.50" in text


def test_every_rate_and_unit_cost_stands_beside_its_denominator(past: History) -> None:
    a_past(past)
    plain = json.loads(msgspec.json.encode(document(made(past)), enc_hook=str))
    by_parent: dict[str, set[str]] = {}
    for path, _ in leaves(plain):
        parent, _, name = path.rpartition(".")
        by_parent.setdefault(parent, set()).add(name)
    shares = [parent for parent, names in by_parent.items() if "value" in names]
    costs = [
        parent
        for parent, names in by_parent.items()
        if "per_" in parent.rpartition(".")[2] and "least" in names
    ]
    assert len(shares) >= 6 and len(costs) >= 8
    for parent in shares:
        assert "of" in by_parent[parent], parent
    for parent in costs:
        if not parent.endswith(".spent"):
            assert {"of", "pending"} <= by_parent[parent], parent
    text = "\n".join(page(made(past)))
    for line in text.partition("The same requests")[0].splitlines():
        if re.search(r"\d (%|per )", line):
            assert re.search(r" of | over |followed|\(/\d|interval|/\d|variance", line), line


def test_no_value_no_return_but_what_an_outcome_must_be_worth(past: History) -> None:
    a_past(past)
    [one] = made(past).real.verdicts
    assert one.net is None and one.multiple is None and one.what == "required value"
    assert one.required is not None and one.attempt is not None
    p, s = Fraction(one.attempt.acceptance), Fraction(one.attempt.survival)
    spent = one.attempt.cost + Fraction(2) * 150 * DOLLAR / 60 + p * (1 - s) * 100 * DOLLAR
    assert abs(one.required - spent / (p * s)) <= 1
    text = "\n".join(page(made(past)))
    assert "no return is claimed" in text and "assumed" in text


def test_with_a_value_it_says_what_price_rise_it_survives_and_of_which_base(
    past: History, tmp_path: Path
) -> None:
    a_past(past)
    file = tmp_path / "values.toml"
    file.write_text(
        '[[value]]\nkind="finding"\nbasis="averted loss"\ndollars=["20","60","100"]\n'
        'source="ours"\ndate=2026-11-01\n'
    )
    values = load_values([file], reviewer_hour=150 * DOLLAR)
    found = made(past, values=values)
    [one] = found.real.verdicts
    assert one.net is not None and one.multiple is not None and one.spread is not None
    assert one.multiple.base == "list price by the tier served"
    text = "\n".join(page(found))
    assert f"survives a ×{one.multiple.times:.2f} price rise (list price by the tier served = 1)" in text
    assert {bar.name for bar in one.bars} >= {"acceptance", "survival", "multiple", "value"}
    assert one.spread.interval.low < one.net / DOLLAR < one.spread.interval.high


def test_an_hour_of_review_before_one_more_agent_where_review_binds(past: History) -> None:
    a_past(past)
    found = made(past, review_hours=0.05)
    assert found.real.capacity is not None and found.real.capacity.last.throughput.binding == "review"
    advice = {one.what: one for one in advise(found) if not one.simulated}
    assert "Give one more hour of review before one more agent" in advice
    moved = advice["Move what runs fast to standard"]
    assert moved.sureness == "sure" and "$12.00 there, $18.00 (60 %) less than the $30.00" in moved.because
    free = made(past, review_hours=1000.0, people=50)
    assert free.real.capacity is not None and free.real.capacity.last.throughput.binding == "agents"
    assert "Give one more hour" not in str(advise(free))


def test_a_job_of_which_nothing_was_accepted_is_to_be_stopped(past: History) -> None:
    for _ in range(12):
        past.proposal(past.attempt(), state="rejected")
    found = made(past)
    assert any(one.what.startswith("Stop security") for one in advise(found))
    [one] = found.real.verdicts
    assert one.required is None and "no value would pay for it" in "\n".join(page(found))


def test_scenarios_reprice_the_recorded_requests_exactly(past: History) -> None:
    for _ in range(4):
        past.attempt()  # 200,000 input tokens each, fast
    readings = {one.scenario.name: one for one in made(past).real.readings}
    assert readings["as served"].amount.most == 10 * DOLLAR
    assert readings["standard list"].amount.most == 4 * DOLLAR
    assert readings["batch or flex"].amount.most == 2 * DOLLAR
    assert readings["marginal compute"].amount.most == 4 * DOLLAR * 30 // 100
    assert readings["full cost recovery"].amount.most == 4 * DOLLAR * 222 // 100
    assert readings["fast, full cost recovery"].times == Fraction(222, 100)


def test_who_pays_is_told_by_the_users_allocation(past: History) -> None:
    past.attempt(payer="acme")
    past.attempt(payer="globex")
    follow(past.database, PROJECT)
    settings = Settings(payer={"globex": PayerSettings(funding="employer")})
    found = report(
        past.database, BOOK, assumed(), project=PROJECT, since_us=None, made_us=0,
        allocation=allocation_of(settings),
    )  # fmt: skip
    assert {(one.payer, one.funding) for one in found.real.payments} == {
        ("acme", "own"),
        ("globex", "employer"),
    }
    text = "\n".join(page(found))
    assert "globex: $2.50 at list price (an employer's money, 50 % of $5.00)" in text


def test_a_repositorys_past_and_imported_use_are_in_no_unit_cost(past: History) -> None:
    a_past(past)
    before = made(past).real.total
    old = [
        Outcome(
            id=outcomes.outcome_id(PROJECT, reference=f"pull:{n}"), title="t", opened_us=AT_US,
            origin=Origin(PROJECT, "past pull requests", "pull_request", "Codex"), reference=f"pull:{n}",
        )
        for n in range(9)
    ]  # fmt: skip
    outcomes.keep(past.database, old, look_us=0)
    outcomes.observe(
        past.database,
        [
            Observation(
                outcome=one.id, state="accepted", rule="merged", strength="medium", accepted_us=AT_US,
                observed_us=AT_US + 40 * DAY_US, by="git",
            )
            for one in old
        ],
    )  # fmt: skip
    imported = entry(
        "resp_imported", booking=Booking(project=PROJECT, agent="codex"), usage=Usage(input=80_000)
    )
    Ledger(past.database).append([imported])
    found = made(past)
    assert found.real.total.per_accepted == before.per_accepted and found.real.total.amount == before.amount
    [line] = found.past
    assert (line.labels, line.acceptance.hits) == (("past pull requests", "Codex"), 9)
    assert found.outside.amount.most == DOLLAR
    text = "\n".join(page(found))
    assert "Besides, outside the fleet (imported): $1.00 on 1 requests" in text
    assert "$0.00" not in text.split("The repository's past")[1]
    assert "per_accepted" not in document(found)["past"][0]


def test_what_stands_in_backticks_is_code_on_the_page(past: History) -> None:
    past.proposal(past.attempt(payer="a `<b>`"), state="applied")
    html = html_page(made(past, by=("payer",)))
    assert "a <code>&lt;b&gt;</code>" in html and "`" not in html


def test_names_from_outside_reach_no_terminal_or_page_unescaped(past: History) -> None:
    past.proposal(past.attempt(payer="<b>\x1b[31mred"), state="applied")
    found = made(past, by=("payer",))
    assert "\x1b" not in "\n".join(page(found))
    html = html_page(found)
    assert "<b>\ufffd" not in html and "&lt;b&gt;" in html and "<script" not in html


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"reviewer_hour": "a lot"}, "reviewer-hour"),
        ({"people": 0}, "people"),
        ({"horizon_days": 0}, "horizon-days"),
        ({"values": ("none.toml",)}, "none.toml"),
        ({"scenarios": ("none.toml",)}, "none.toml"),
    ],
)
def test_wrong_settings_are_named(wrong: dict[str, Any], says: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=says):
        assumptions(Settings(worth=WorthSettings(**wrong)), tmp_path)


def test_work_that_was_all_taken_back_is_told_so_and_known_to_be(past: History) -> None:
    made_ = [past.proposal(past.attempt(), state="applied") for _ in range(20)]
    follow(past.database, PROJECT)
    for proposal in made_:
        stood(past, proposal, "reverted", 1)
    found = made(past)
    [one] = found.real.verdicts
    text = "\n".join(page(found))
    assert (
        "Nothing that was accepted stands: no value would pay for it" in text and "None was acc" not in text
    )
    [survival] = [bar for bar in one.bars if bar.name == "survival"]
    assert one.survival.effective == 20 and survival.high_input < 0.2, "twenty of twenty went: that is known"

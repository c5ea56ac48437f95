"""Our proposals are followed as they are decided; sums agree with the records, in whatever order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from hundredfold.outcome import Observation
from hundredfold.outcomes.ours import follow
from hundredfold.store import outcomes, outcomesums
from hundredfold.store.database import Database
from hundredfold.store.tables.outcomes import outcome_sums
from hundredfold.worth import tallies
from tests.support.ledgers import AT_US
from tests.support.outcomes import DAY_US, PROJECT, History

DAY = AT_US // DAY_US


@pytest.fixture
def past(database: Database, tmp_path: Path) -> History:
    return History(database, tmp_path)


def fates(database: Database) -> dict[str | None, str]:
    return {row.outcome.proposal: row.state for row in outcomes.of_project(database, PROJECT)}


def test_a_proposal_is_followed_from_the_inbox_on(past: History) -> None:
    made = {
        state: past.proposal(past.attempt(), state=state)
        for state in ("open", "rejected", "applied", "undone", "stale")
    }
    policy = past.proposal(past.attempt(), state="applied", by="policy:low risk")
    merge = past.proposal(past.attempt(), state="applied", type_="pull_request")
    done = follow(past.database, PROJECT)
    assert (done.new, done.observed) == (7, 5)
    assert fates(past.database) == {
        made["open"]: "pending", made["rejected"]: "rejected", made["applied"]: "accepted",
        made["undone"]: "reverted", made["stale"]: "pending", policy: "pending", merge: "pending",
    }  # fmt: skip
    again = follow(past.database, PROJECT)
    assert (again.new, again.observed) == (0, 0)
    rows = {row.outcome.proposal: row for row in outcomes.of_project(past.database, PROJECT)}
    assert rows[merge].outcome.origin.kind == "pull_request" and rows[policy].outcome.origin.kind == "finding"
    accepted = rows[made["applied"]].observation
    assert accepted is not None and not accepted.confirmed and accepted.strength == "low"


def test_what_a_proposal_is_by_comes_from_its_items_attempts(past: History) -> None:
    past.proposal(past.attempt(tier="fast", served="default", payer="globex"))
    past.proposal(past.attempt(simulated=True))
    past.proposal(past.attempt(usage=None))
    follow(past.database, PROJECT)
    found = [row.outcome.origin for row in outcomes.of_project(past.database, PROJECT)]
    assert {(one.agent, one.tier, one.payer, one.simulated) for one in found} == {
        ("codex", "standard", "globex", False),
        ("codex", "fast", "acme", True),
        ("codex", "fast", "", False),
    }, "the tier is the one that was served; a proposal of a simulated provider is marked"


def test_a_later_decision_is_seen_and_an_observers_better_word_is_kept(past: History) -> None:
    one, other = (past.proposal(past.attempt()) for _ in range(2))
    follow(past.database, PROJECT)
    for proposal in (one, other):
        past.decide(proposal, "approve", day=1)
        past.apply(proposal, day=1)
        with past.database.write() as connection:
            connection.execute(
                sa.text("UPDATE proposals SET state = 'applied', changed_us = :at WHERE id = :id"),
                {"at": AT_US + DAY_US, "id": proposal},
            )
    confirmed = outcomes.outcome_id(PROJECT, proposal=one)
    outcomes.observe(
        past.database,
        [
            Observation(
                outcome=confirmed, state="accepted", rule="fix commit", strength="high", confirmed=True,
                accepted_us=AT_US + DAY_US, observed_us=AT_US + DAY_US, by="git",
            )
        ],
    )  # fmt: skip
    assert follow(past.database, PROJECT).observed == 1
    seen = outcomes.find(past.database, confirmed)
    assert seen is not None and seen.observation is not None and seen.observation.by == "git"
    past.undo(one, day=3)
    follow(past.database, PROJECT)
    assert fates(past.database)[one] == "reverted"


def summed(database: Database) -> dict[tuple[Any, ...], int]:
    return {
        (one.state, one.confirmed, one.followed_days): one.outcomes
        for one in outcomesums.of_project(database, PROJECT)
    }


def test_sums_of_outcomes_are_those_of_the_records_whatever_happens(past: History) -> None:
    ids = [past.proposal(past.attempt(), state=state) for state in ("open", "applied", "rejected", "undone")]
    follow(past.database, PROJECT)
    keys = [outcomes.outcome_id(PROJECT, proposal=one) for one in ids]
    seen = [
        Observation(
            outcome=keys[0], state="survived", rule="stood", strength="high", accepted_us=AT_US,
            observed_us=AT_US + 31 * DAY_US, by="git", lines=40, lines_kept=38,
        ),
        Observation(
            outcome=keys[0], state="reverted", rule="revert", strength="high", accepted_us=AT_US,
            ended_us=AT_US + 40 * DAY_US, observed_us=AT_US + 41 * DAY_US, by="git", lines=40, lines_kept=0,
        ),
    ]  # fmt: skip
    outcomes.observe(past.database, seen)
    outcomes.overrule(
        past.database,
        Observation(
            outcome=keys[1], state="accepted", rule="a person says so", strength="high", confirmed=True,
            accepted_us=AT_US, observed_us=AT_US + DAY_US, by="Ada", person=True, reason="I checked",
        ),
    )  # fmt: skip
    assert summed(past.database) == {
        ("reverted", False, 40): 1,
        ("accepted", True, 1): 1,
        ("rejected", True, None): 1,
        ("reverted", False, 0): 1,
    }
    with past.database.read() as connection:
        kept = connection.execute(
            sa.select(sa.func.sum(outcome_sums.c.lines), sa.func.sum(outcome_sums.c.lines_kept))
        ).one()
    assert tuple(map(int, kept)) == (40, 0)


def test_attempts_and_reviews_are_tallied_by_day_and_again_only_at_the_end(past: History) -> None:
    for day in (0, 0, 5, 9):
        past.attempt(day=day, seconds=300)
    past.attempt(usage=None)  # asked nothing, cost nothing
    first = past.proposal(past.attempt(day=9), state="rejected", seconds=90.0, day=9)
    past.proposal(past.attempt(day=9, job="review"), job="review", state="applied", seconds=None, day=9)
    past.proposal(past.attempt(day=9), state="applied", by="policy:low", day=9)
    tallies.refresh(past.database)
    tallies.refresh(past.database)
    found = tallies.attempts_of(past.database, PROJECT)
    assert {one.origin.job: one.attempts for one in found} == {"security": 6, "review": 1}
    assert sum(one.seconds for one in found) == pytest.approx(4 * 300 + 3 * 600)
    assert [one.attempts for one in tallies.attempts_of(past.database, PROJECT, since_day=DAY + 6)] != []
    assert sum(one.attempts for one in tallies.attempts_of(past.database, None, since_day=DAY + 6)) == 4
    reviews = tallies.reviews_of(past.database, PROJECT)
    security, review = reviews["security"], reviews["review"]
    assert (security.decisions, security.measured, security.seconds, security.by_policy) == (1, 1, 90.0, 1)
    assert (review.decisions, review.measured, review.expected_minutes) == (1, 0, 2.0)
    past.decide(first, "approve", seconds=30.0, day=10)
    past.attempt(day=10)
    tallies.refresh(past.database)
    assert tallies.reviews_of(past.database, PROJECT)["security"].seconds == 120.0
    assert sum(one.attempts for one in tallies.attempts_of(past.database, PROJECT)) == 8

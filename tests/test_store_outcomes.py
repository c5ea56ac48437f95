"""Outcomes are followed once, observations only added, and a person's word stands until something happens."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from hundredfold.outcome import Observation, Origin, Outcome
from hundredfold.proposals.why import chain, resolved
from hundredfold.store import items, outcomes
from hundredfold.store.database import Database
from hundredfold.store.tables.outcomes import observations
from tests.support.proposals import filled

DAY = 86_400_000_000
ORIGIN = Origin("p", "", "pull_request", agent="Codex")


@pytest.fixture
def stored(database: Database, tmp_path: Path) -> Database:
    items.keep_project(database, "p", tmp_path)
    return database


def followed(database: Database, number: int = 1, **changes: Any) -> str:
    reference = f"pull:{number}"
    one = Outcome(
        id=outcomes.outcome_id("p", reference=reference), origin=ORIGIN, title=f"Add {number}",
        opened_us=number, reference=reference, author="bot", **changes,
    )  # fmt: skip
    outcomes.keep(database, [one], look_us=0)
    return one.id


def seen(outcome: str, state: str, at: int, **changes: Any) -> Observation:
    """An observation on day `at`; accepted on day 1 and ended then, where the state needs that."""
    times: dict[str, Any] = {}
    if state in ("accepted", "survived", "reverted"):
        times["accepted_us"] = DAY
    if state in ("rejected", "reverted"):
        times["ended_us"] = at * DAY
    values = {"rule": "merged", "strength": "medium", "by": "git", **times, **changes}
    return Observation(outcome=outcome, state=state, observed_us=at * DAY, **values)  # type: ignore[arg-type]


def word(outcome: str, state: str, at: int, **changes: Any) -> Observation:
    person = {
        "person": True,
        "by": "Ada",
        "reason": "I looked",
        "rule": "a person says so",
        "strength": "high",
    }
    return seen(outcome, state, at, **{**person, **changes})


def state_of(database: Database, outcome: str) -> str:
    row = outcomes.find(database, outcome)
    assert row is not None
    return row.state


def test_a_thing_is_followed_once_and_pending_until_something_is_seen(stored: Database) -> None:
    one = followed(stored)
    assert followed(stored) == one and state_of(stored, one) == "pending"
    assert len(outcomes.of_project(stored, "p")) == 1
    outcomes.observe(stored, [seen(one, "accepted", 2, evidence={"url": "u\x00"}, rule="a\x00")])
    row = outcomes.find(stored, one)
    assert row is not None and row.observation is not None
    assert row.outcome.origin == ORIGIN and row.outcome.author == "bot"
    assert (row.state, row.observation.accepted_us, row.observation.rule) == ("accepted", DAY, "a\\x00")
    assert [one.outcome.id for one in outcomes.of_project(stored, "p", states=["pending"])] == []


def test_the_newest_observation_counts_and_none_is_ever_lost(stored: Database) -> None:
    one = followed(stored)
    for at, state in enumerate(("pending", "accepted", "survived", "reverted"), 1):
        outcomes.observe(stored, [seen(one, state, at)])
        assert state_of(stored, one) == state
    assert [each.observation.state for each in outcomes.history(stored, one)] == [
        "pending", "accepted", "survived", "reverted",
    ]  # fmt: skip


def test_a_persons_word_leaves_a_trace_and_stands_against_observers(stored: Database) -> None:
    one = followed(stored)
    outcomes.observe(stored, [seen(one, "rejected", 2)])
    said = outcomes.overrule(stored, word(one, "accepted", 3, confirmed=True))
    assert outcomes.observe(stored, [seen(one, "rejected", 2), seen(one, "pending", 4)]) == 0
    assert state_of(stored, one) == "accepted"
    past = outcomes.history(stored, one)
    assert past[0].overruled_by == said.seq == past[1].seq and past[1].overrules == past[0].seq
    assert [each.counts for each in past] == [True, True, False, False]


def test_what_happens_after_a_persons_word_counts(stored: Database) -> None:
    taken_back, stood = followed(stored, 1), followed(stored, 2)
    for one in (taken_back, stood):
        outcomes.overrule(stored, word(one, "accepted", 3, confirmed=True))
    assert outcomes.observe(stored, [seen(taken_back, "reverted", 9), seen(stood, "survived", 40)]) == 2
    assert state_of(stored, taken_back) == "reverted"
    row = outcomes.find(stored, stood)
    assert row is not None and row.observation is not None
    assert row.state == "survived" and row.observation.confirmed, "what a person confirmed stays confirmed"


def test_a_person_may_speak_again(stored: Database) -> None:
    one = followed(stored)
    outcomes.overrule(stored, word(one, "accepted", 3))
    outcomes.overrule(stored, word(one, "unknown", 4, by="Bob"))
    assert state_of(stored, one) == "unknown"


@pytest.mark.parametrize(
    "wrong",
    [
        {"state": "accepted", "accepted_us": None},
        {"state": "rejected", "ended_us": None},
        {"state": "pending", "accepted_us": 5},
        {"state": "reverted", "accepted_us": 20 * DAY},
        {"state": "accepted", "lines": 3, "lines_kept": 4},
        {"state": "accepted", "lines": 3},
    ],
)
def test_an_observation_that_contradicts_itself_is_refused(stored: Database, wrong: dict[str, Any]) -> None:
    one = followed(stored)
    changes = {name: value for name, value in wrong.items() if name != "state"}
    with pytest.raises(ValueError, match=one):
        outcomes.observe(stored, [seen(one, wrong["state"], 2, **changes)])
    assert outcomes.history(stored, one) == []


def test_a_persons_word_needs_a_name_and_a_reason(stored: Database) -> None:
    one = followed(stored)
    for changes in ({"by": ""}, {"reason": ""}, {"person": False}):
        with pytest.raises(ValueError, match="name and a reason"):
            outcomes.overrule(stored, word(one, "accepted", 2, **changes))
    with pytest.raises(ValueError, match="overrule"):
        outcomes.observe(stored, [word(one, "accepted", 2)])


def test_observers_are_given_what_is_due_the_longest_due_first(stored: Database) -> None:
    ids = [followed(stored, number) for number in range(1, 5)]
    outcomes.observe(
        stored,
        [seen(one, "accepted", 2) for one in ids],
        look_us={ids[0]: 7 * DAY, ids[1]: 5 * DAY, ids[2]: 30 * DAY, ids[3]: None},
    )
    due = outcomes.of_project(stored, "p", due_us=10 * DAY)
    assert [row.outcome.id for row in due] == [ids[1], ids[0]]
    assert len(outcomes.of_project(stored, "p", due_us=10 * DAY, limit=1)) == 1


def test_many_are_kept_and_observed_in_few_statements(stored: Database) -> None:
    many = [
        Outcome(
            id=outcomes.outcome_id("p", reference=f"pull:{n}"), origin=ORIGIN, title="t", opened_us=n,
            reference=f"pull:{n}",
        )
        for n in range(1200)
    ]  # fmt: skip
    assert outcomes.keep(stored, many, look_us=0) == 1200 and outcomes.keep(stored, many, look_us=0) == 0
    assert outcomes.observe(stored, [seen(one.id, "accepted", 2) for one in many]) == 1200
    with stored.read() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(observations)).scalar() == 1200


def test_why_tells_an_outcomes_history_of_ours_and_of_others(database: Database, tmp_path: Path) -> None:
    [proposal] = filled(database, tmp_path, "one")
    items.keep_project(database, "p", tmp_path)
    ours = Outcome(
        id=outcomes.outcome_id("demo-12345678", proposal=proposal), title="finding one", opened_us=1,
        origin=Origin("demo-12345678", "security", "finding", agent="codex"), proposal=proposal,
    )  # fmt: skip
    outcomes.keep(database, [ours], look_us=0)
    theirs = followed(database)
    outcomes.observe(database, [seen(ours.id, "accepted", 2), seen(theirs, "accepted", 2)])
    outcomes.overrule(database, word(ours.id, "unknown", 3))

    whole = chain(database, resolved(database, ours.id), lambda _: {})
    [link] = [child for child in whole.children if child.kind == "proposal"]
    [node] = [child for child in link.children if child.kind == "outcome"]
    assert node.asked and node.title.startswith("unknown: ") and node.facts["reason"] == "I looked"
    assert [child.title for child in node.children] == ["accepted", "unknown"]
    assert node.children[0].facts["overruled by"] == node.children[1].facts["number"]

    alone = chain(database, theirs, lambda _: {})
    assert alone.kind == "outcome" and alone.asked and alone.facts["reference"] == "pull:1"

"""Decisions bear a name, the first one counts, and the time a person had a proposal open is measured."""

from __future__ import annotations

import threading
from pathlib import Path
from unittest.mock import patch

import pytest

from hundredfold.errors import ConfigError
from hundredfold.proposals import attention
from hundredfold.proposals.decide import Decided, decide
from hundredfold.store import proposals
from hundredfold.store.database import Database
from hundredfold.vocabulary import Decision
from tests.support.proposals import filled, state_of
from tests.support.waiting import PATIENCE_S


def last(database: Database, proposal: str) -> Decision:
    return proposals.decisions_of(database, proposal)[-1]


def test_a_decision_bears_its_name_and_reason(database: Database, tmp_path: Path) -> None:
    one, two = filled(database, tmp_path, "a", "b")
    assert [d.result for d in decide(database, [one, one], "approve", by=" Ada ")] == ["done"]
    decide(database, [two], "reject", by="Grace", reason="a test file")
    assert (state_of(database, one), state_of(database, two)) == ("approved", "rejected")
    assert (last(database, one).by, last(database, two).reason) == ("Ada", "a test file")


def test_no_name_no_reason_or_an_unknown_id_decides_nothing(database: Database, tmp_path: Path) -> None:
    (one,) = filled(database, tmp_path, "a")
    with pytest.raises(ConfigError, match="name"):
        decide(database, [one], "approve", by=" \n")
    with pytest.raises(ConfigError, match="reason"):
        decide(database, [one], "reject", by="Ada", reason="  ")
    with pytest.raises(ConfigError, match="no proposal"):
        decide(database, [one, "p-000000000000"], "approve", by="Ada")
    assert state_of(database, one) == "open"
    assert proposals.decisions_of(database, one) == []


def test_the_second_person_is_told_who_was_first(database: Database, tmp_path: Path) -> None:
    (one,) = filled(database, tmp_path, "a")
    decide(database, [one], "approve", by="Ada")
    (second,) = decide(database, [one], "reject", by="Grace", reason="no")
    assert second.result == "conflict"
    assert "approved by Ada" in second.message
    (third,) = decide(database, [one], "approve", by="Grace")
    assert third.result == "already"
    assert len(proposals.decisions_of(database, one)) == 1


def test_of_two_at_once_exactly_one_decides_each(database: Database, tmp_path: Path) -> None:
    ids = filled(database, tmp_path, *map(str, range(12)))
    results: dict[str, list[Decided]] = {}
    start = threading.Barrier(2)

    def approve() -> None:
        start.wait()
        results["Ada"] = decide(database, ids, "approve", by="Ada")

    def reject() -> None:
        start.wait()
        results["Grace"] = decide(database, ids[::-1], "reject", by="Grace", reason="no")

    threads = [threading.Thread(target=one) for one in (approve, reject)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    done = [d.proposal for many in results.values() for d in many if d.result == "done"]
    assert sorted(done) == sorted(ids), "each was decided by exactly one of them"
    for one in ids:
        assert (
            state_of(database, one)
            == {"approve": "approved", "reject": "rejected"}[last(database, one).verdict]
        )


def test_the_seconds_a_person_had_it_open_are_his_own(database: Database, tmp_path: Path) -> None:
    one, two, three = filled(database, tmp_path, "a", "b", "c")
    with patch.object(attention, "now_us", lambda: 1_000_000_000):
        attention.open_for_review(database, one, "Ada")
        attention.open_for_review(database, two, "Ada")
        attention.open_for_review(database, three, "Ada")
    with patch.object(attention, "now_us", lambda: 1_030_000_000):
        attention.open_for_review(database, one, "Ada")  # shown again: the first time counts
    with patch("hundredfold.proposals.decide.now_us", lambda: 1_090_000_000):
        assert decide(database, [one], "approve", by="Ada")[0].seconds == 90.0
        assert decide(database, [two], "approve", by="Grace")[0].seconds is None
    with patch("hundredfold.proposals.decide.now_us", lambda: 9_000_000_000_000):
        assert decide(database, [three], "approve", by="Ada")[0].seconds is None, "forgotten, not reviewed"
    assert last(database, one).seconds == 90.0

"""Nothing is applied without a person but by a written rule, within its limits, in its name; edits keep the
first wording; two people at once are safe."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hundredfold.config import load_settings, policy_rules
from hundredfold.errors import ConfigError
from hundredfold.payloads import Comment, InlineComment, Labels, Review
from hundredfold.proposals.decide import decide
from hundredfold.proposals.edit import edited
from hundredfold.proposals.inbox import surely
from hundredfold.proposals.policy import chosen, decide_by_rules
from hundredfold.proposals.publisher import LIMITS, Publisher, limits_of
from hundredfold.proposals.record import record_done
from hundredfold.settings import PolicyRule, PublishSettings, Settings
from hundredfold.store import items, proposals
from hundredfold.store.database import Database
from hundredfold.vocabulary import Done, Finding, Proposal, identity
from tests.support.github import proposed
from tests.support.proposals import PROJECT, RUN, a_finding, a_publisher, an_item, prepared, state_of
from tests.support.waiting import PATIENCE_S

Cases = list[tuple[Proposal, tuple[float, ...]]]
RULE = PolicyRule(name="sure labels", job="dedupe", types=("labels",), confidence=0.9)


def found(name: str, confidence: float) -> Finding:
    return msgspec.structs.replace(a_finding(name), confidence=confidence, private=False)


def labelling(name: str, *sure: float, job: str = "dedupe", private: bool = False) -> Proposal:
    made = proposed(Labels(number=1, add=("bug",)), name, job=job, private=private)
    names = [identity("finding", f"{name} {at}") for at in range(len(sure))]
    return msgspec.structs.replace(made, findings=tuple(names))


def keep(database: Database, wanted: Cases, root: Path) -> None:
    prepared(database, root)
    kept = [
        msgspec.structs.replace(found(f"{one.id} {at}", sure), id=one.findings[at])
        for one, all_ in wanted
        for at, sure in enumerate(all_)
    ]
    record_done(database, an_item(), RUN, Done(tuple(kept), tuple(one for one, _ in wanted)), model=True)


def cases(*rows: tuple[str, tuple[float, ...], str, bool]) -> Cases:
    return [(labelling(name, *sure, job=job, private=private), sure) for name, sure, job, private in rows]


def test_by_default_nothing_is_decided_without_a_person(database: Database, tmp_path: Path) -> None:
    keep(database, cases(("a", (1.0,), "dedupe", False)), tmp_path)
    assert policy_rules(Settings(), tmp_path) == ()
    assert decide_by_rules(database, PROJECT, ()) == []


def test_a_rule_decides_what_it_names_and_signs_it(database: Database, tmp_path: Path) -> None:
    wanted = cases(
        ("sure", (0.95, 0.9), "dedupe", False),
        ("one doubt", (0.95, 0.5), "dedupe", False),
        ("another job", (0.99,), "bugs", False),
        ("private", (0.99,), "dedupe", True),
        ("without findings", (), "dedupe", False),
    )
    keep(database, wanted, tmp_path)
    (done,) = decide_by_rules(database, PROJECT, (RULE,))
    assert done.proposal == identity("proposal", "sure")
    (decision,) = proposals.decisions_of(database, done.proposal)
    assert decision.by == "policy:sure labels" and "0.90" in decision.reason
    assert decide_by_rules(database, PROJECT, (RULE,)) == []


def test_a_rule_stops_at_its_limit_of_the_day(database: Database, tmp_path: Path) -> None:
    keep(database, cases(*((str(at), (1.0,), "dedupe", False) for at in range(5))), tmp_path)
    rule = msgspec.structs.replace(RULE, day=2)
    assert len(decide_by_rules(database, PROJECT, (rule,))) == 2
    assert decide_by_rules(database, PROJECT, (rule,)) == []
    assert chosen(database, PROJECT, (msgspec.structs.replace(rule, day=3),)) != []


def loaded(tmp_path: Path, text: str) -> Settings:
    (tmp_path / "hundredfold.toml").write_text("[job.dedupe]\n[job.bugs]\n" + text)
    return load_settings(tmp_path)


def rule_text(table: str = "publish.policy", **change: Any) -> str:
    values: dict[str, Any] = {"name": "x", "job": "dedupe", "types": ["labels"], "confidence": 0.9, **change}
    return f"[[{table}]]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in values.items())


WRONG_RULES: list[tuple[dict[str, Any], str, str]] = [
    ({"types": ["lables"]}, "types has 'lables'", "Types are comment, review, labels"),
    ({"types": []}, "types is empty", "Types are"),
    ({"confidence": 0.0}, "confidence is 0.0", "over 0 and at most 1"),
    ({"confidence": 1.5}, "confidence is 1.5", "over 0 and at most 1"),
    ({"confidence": "high"}, "confidence: Expected `float`", ""),
    ({"name": "\x1b[31m"}, "no name", "Use letters"),
    ({"day": 0}, "day is 0", "1 or more"),
    ({"job": "dedup"}, "names the job 'dedup'", "Did you mean 'dedupe'?"),
]


@pytest.mark.parametrize(("change", "said", "mend"), WRONG_RULES)
def test_a_rule_that_cannot_be_meant_is_refused_when_settings_are_read(
    change: dict[str, Any], said: str, mend: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, rule_text() + rule_text(**{"name": "y", **change}))
    assert said in str(caught.value) and str(tmp_path / "hundredfold.toml") in str(caught.value)
    assert mend in caught.value.mend
    (tmp_path / "policy.toml").write_text(rule_text("policy", **change))
    with pytest.raises(ConfigError, match=r"\.toml: ") as caught:
        loaded(tmp_path, '[publish]\npolicy-file = "policy.toml"\n')
    assert said.partition(": ")[2] in str(caught.value) and mend in caught.value.mend


def test_rules_may_stand_in_a_file_of_their_own(tmp_path: Path) -> None:
    file, named = tmp_path / "policy.toml", '[publish]\npolicy-file = "policy.toml"\n'
    file.write_text(rule_text("policy"))
    assert [one.name for one in policy_rules(loaded(tmp_path, named), tmp_path)] == ["x"]
    with pytest.raises(ConfigError, match=r"policy\.toml: rule 'x': the name is used twice"):
        loaded(tmp_path, named + rule_text())
    with pytest.raises(ConfigError, match=r"hundredfold\.toml: publish: rule 'x': the name is used twice"):
        loaded(tmp_path, rule_text() + rule_text(types=["close"]))
    file.write_text('[[policy]]\nname = "x"\nsure = 1\n')
    with pytest.raises(ConfigError, match=r"policy\.toml"):
        loaded(tmp_path, named)
    with pytest.raises(ConfigError, match="can't be read"):
        loaded(tmp_path, '[publish]\npolicy-file = "none.toml"\n')


def test_a_person_cannot_sign_as_a_policy(database: Database, tmp_path: Path) -> None:
    keep(database, cases(("a", (1.0,), "dedupe", False)), tmp_path)
    with pytest.raises(ConfigError, match="not of a person"):
        decide(database, [identity("proposal", "a")], "approve", by="Policy:sure labels")


# ------------------------------------------------------------------ limits


def test_a_type_is_held_at_its_limit_of_the_day(database: Database, tmp_path: Path) -> None:
    prepared(database, tmp_path)
    wanted = [proposed(Comment(number=1), str(at)) for at in range(3)]
    record_done(database, an_item(), RUN, Done(proposals=tuple(wanted)), model=True)
    decide(database, [one.id for one in wanted], "approve", by="Ada")
    forge = a_publisher(database, tmp_path / "forge").forge
    publisher = Publisher(database, PROJECT, forge, by="Ada", limits={"comment": 2})
    assert sorted(one.result for one in publisher.publish()) == ["applied", "applied", "held"]
    (held,) = publisher.publish()
    assert held.result == "held" and "limit of 2 a day for comment" in held.detail
    assert state_of(database, held.proposal) == "approved", "it stays approved"
    done = [one.id for one in wanted if one.id != held.proposal]
    publisher.undo(done)
    assert [one.result for one in publisher.publish()] == ["held"], "what was undone was seen too"


def test_limits_are_of_known_types(tmp_path: Path) -> None:
    assert limits_of(PublishSettings()) == dict(LIMITS)
    assert limits_of(PublishSettings(limits={"close": 0}))["close"] == 0
    for text, said in (("closes = 1", "limits names 'closes'"), ("close = -1", "limits: close is -1")):
        with pytest.raises(ConfigError, match=rf"hundredfold\.toml: publish: {said}"):
            loaded(tmp_path, f"[publish.limits]\n{text}\n")


# ------------------------------------------------------------------ staleness, edits, many


def test_what_went_stale_is_looked_at_again_and_opened_anew(database: Database, tmp_path: Path) -> None:
    from hundredfold.forges.protocol import NONE, History, Stale
    from hundredfold.vocabulary import Receipt

    prepared(database, tmp_path)
    one = proposed(Comment(number=1), preconditions={"state:1": "open"})
    record_done(database, an_item(), RUN, Done(proposals=(one,)), model=True)
    publisher = a_publisher(database, tmp_path / "forge")

    def stale(proposal: Proposal, key: str, history: History = NONE) -> Receipt:
        raise Stale("#1 was open and is now closed")

    publisher.forge.apply = stale  # type: ignore[method-assign]
    decide(database, [one.id], "approve", by="Ada")
    assert [p.result for p in publisher.publish()] == ["stale"]
    row = items.find(database, an_item().id)
    assert row is not None and row.state == "incomplete" and "now closed" in row.reason
    later = identity("run", "two")
    items.begin_run(database, later, PROJECT, "Ada")
    assert items.queue(database, an_item(), later), "the next run takes it in"
    anew = msgspec.structs.replace(one, body="As it is now.", preconditions={"state:1": "closed"})
    record_done(database, an_item(), later, Done(proposals=(anew,)), model=True)
    kept = proposals.find(database, one.id)
    assert kept is not None and kept.state == "open" and kept.proposal == anew


def test_an_edit_keeps_the_first_wording_and_the_editors_name(database: Database, tmp_path: Path) -> None:
    keep(database, cases(("a", (1.0,), "dedupe", True)), tmp_path)
    row = proposals.find(database, identity("proposal", "a"))
    assert row is not None
    first = row.proposal
    assert edited(database, first, first.title, first.body, by="Ada") == "same"
    assert edited(database, first, "Better", "Said better.", by="Grace", in_the_open=True) == "changed"
    now = proposals.find(database, first.id)
    assert now is not None and (now.proposal.title, now.proposal.body) == ("Better", "Said better.")
    assert not now.proposal.private and now.proposal.payload == first.payload
    (edit,) = proposals.edits_of(database, first.id)
    assert edit.by == "Grace" and edit.before == first
    with pytest.raises(ConfigError):
        edited(database, first, " ", "x", by="Ada")
    decide(database, [first.id], "approve", by="Ada")
    assert edited(database, now.proposal, "Late", "Too late.", by="Ada") == "decided meanwhile"
    assert len(proposals.edits_of(database, first.id)) == 1


def test_what_was_simulated_is_called_so_whatever_a_person_calls_it(
    database: Database, tmp_path: Path
) -> None:
    prepared(database, tmp_path)
    one = msgspec.structs.replace(proposed(Comment(number=1)), title="SIMULATED: As it was")
    record_done(database, an_item(), RUN, Done(proposals=(one,)), model=True)
    assert edited(database, one, "Better", one.body, by="Ada") == "changed"
    row = proposals.find(database, one.id)
    assert row is not None and row.proposal.title == "SIMULATED: Better"


def test_of_two_editors_and_a_decision_at_once_nothing_is_lost(database: Database, tmp_path: Path) -> None:
    keep(database, cases(("a", (1.0,), "dedupe", False)), tmp_path)
    row = proposals.find(database, identity("proposal", "a"))
    assert row is not None
    results: list[str] = []
    threads = [
        threading.Thread(
            target=lambda at=at: results.append(
                edited(database, row.proposal, f"Title {at}", f"Body {at}", by=f"person {at}")
            )
        )
        for at in range(4)
    ]
    threads.append(threading.Thread(target=lambda: decide(database, [row.proposal.id], "approve", by="Eve")))
    for one in threads:
        one.start()
    for one in threads:
        one.join(PATIENCE_S)
    kept = proposals.edits_of(database, row.proposal.id)
    assert len(kept) == results.count("changed") and state_of(database, row.proposal.id) == "approved"


def test_approve_many_by_job_type_and_confidence(database: Database, tmp_path: Path) -> None:
    keep(
        database,
        cases(("a", (0.95,), "dedupe", False), ("b", (0.5,), "dedupe", False), ("c", (0.99,), "bugs", False)),
        tmp_path,
    )
    a, b, c = (identity("proposal", name) for name in "abc")
    assert set(surely(database, PROJECT, confidence=0.9)) == {a, c}
    assert set(surely(database, PROJECT, job="dedupe")) == {a, b}
    assert surely(database, PROJECT, job="dedupe", type_="labels", confidence=0.9) == [a]
    assert surely(database, PROJECT, type_="close") == []


def test_a_review_in_the_inbox_shows_its_comments(database: Database, tmp_path: Path) -> None:
    from hundredfold.proposals.inbox import detail
    from hundredfold.proposals.pages import rendered

    prepared(database, tmp_path)
    comment = InlineComment(path="a.py", body="Why this?", start_line=3, end_line=3)
    one = proposed(Review(number=7, head="a" * 40, comments=(comment,)))
    record_done(database, an_item(), RUN, Done(proposals=(one,)), model=True)
    shown = detail(database, one.id)
    assert shown is not None
    page = rendered(shown)
    assert "Why this?" in page and "a.py" in page and "#7" in page


def test_the_page_and_the_command_say_the_same_of_undoing() -> None:
    from hundredfold.forges.undoing import TABLE
    from hundredfold.payloads import TYPES

    page = (Path(__file__).parents[1] / "docs" / "publishing.md").read_text(encoding="utf-8")
    assert [one.type for one in TABLE] == list(TYPES)
    for one in TABLE:
        (row,) = [line for line in page.splitlines() if line.startswith(f"| `{one.type}` |")]
        assert row.endswith(f"| {one.undone} | {one.residue or 'nothing'} |")

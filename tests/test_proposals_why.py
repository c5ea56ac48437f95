"""`why` prints the whole chain behind any id, and says clearly what it does not know."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
import sqlalchemy as sa

from hundredfold.cli.why import costs, plain
from hundredfold.errors import ConfigError
from hundredfold.prices.book import load_book
from hundredfold.proposals.decide import decide
from hundredfold.proposals.link import Node
from hundredfold.proposals.record import record_done
from hundredfold.proposals.why import chain, resolved
from hundredfold.store import actions, attempts
from hundredfold.store.database import Database
from hundredfold.store.tables.ledger import bookings, requests, routes
from hundredfold.store.tables.record import decisions
from hundredfold.usage.ledger import STATUSES
from hundredfold.vocabulary import Done, Route, identity
from tests.support.proposals import (
    RUN,
    a_finding,
    a_proposal,
    a_publisher,
    an_item,
    prepared,
)


@pytest.fixture
def story(database: Database, tmp_path: Path) -> Database:
    """Two attempts, each with a finding and a proposal; the first one's is approved and applied."""
    prepared(database, tmp_path)
    ids = [
        attempts.claim(
            database, item=an_item().id, run=RUN, label=label, place=(0, task, 0), try_=0,
            route=Route("native", "openai", "gpt-5.5"), prompt="b" * 32, schema="c" * 32,
        )
        for task, label in enumerate(("investigate", "refute"))
    ]  # fmt: skip
    found = (a_finding("one", attempts=(ids[0],)), a_finding("two", attempts=(ids[1],)))
    record_done(database, an_item(), RUN, Done(found, (a_proposal("one"), a_proposal("two"))), model=True)
    tokens = {
        "input": 1200,
        "cached": 1024,
        "cache_write": 0,
        "cache_write_1h": 0,
        "output": 80,
        "reasoning": 30,
    }
    with database.write() as connection:
        connection.execute(sa.insert(bookings).values(
            id=1, project="p", job="security", agent="native", person="Ada", payer="me", cost_centre="",
            path="", api_key="", label="",
        ))  # fmt: skip
        connection.execute(sa.insert(routes).values(
            id=1, provider="openai", dialect="responses", model="gpt-5.5", served_model="gpt-5.5",
            tier="standard", served_tier="default", simulated=True,
        ))  # fmt: skip
        for seq, key in ((1, "resp_1"), (2, "resp_2")):
            connection.execute(sa.insert(requests).values(
                seq=seq, provider=1, key=key, source=3, status=STATUSES.index("settled"), at_us=10**15,
                attempt=1, booking=1, route=1, **tokens,
            ))  # fmt: skip
    decide(database, [a_proposal("one").id], "approve", by="Ada", reason="it is real")
    a_publisher(database, tmp_path / "forge").publish()
    return database


def why(database: Database, identity: str) -> Node:
    return chain(database, resolved(database, identity), costs(database, load_book()))


def kinds(node: Node) -> list[str]:
    return [node.kind, *(kind for child in node.children for kind in kinds(child))]


def test_a_proposal_is_explained_from_source_to_outcome(story: Database) -> None:
    node = why(story, a_proposal("one").id)
    assert kinds(node) == [
        "item", "attempt", "finding", "evidence", "proposal", "decision", "action", "outcome",
    ]  # fmt: skip
    text = "\n".join(plain(node))
    for shown in (
        "source: c0ffee", "digest: dddd", "native · openai · gpt-5.5", "prompt: bbbb",
        "simulated requests: 2", "simulated input: 2400", "simulated cost: $0.007584",
        "app.py:3-3", "quote: os.system(x)", "by: Ada", "reason: it is real", "state: applied", "pending",
    ):  # fmt: skip
        assert shown in text, shown
    assert a_finding("two").id not in text


@pytest.mark.parametrize("which", ["finding", "attempt", "action", "decision", "request", "response"])
def test_every_link_leads_to_the_same_chain(story: Database, which: str) -> None:
    with story.read() as connection:
        decision = connection.execute(sa.select(decisions.c.id)).scalar_one()
    wanted = {
        "finding": a_finding("one").id,
        "attempt": identity("attempt", an_item().id, 0, 0, 0, 0),
        "action": actions.action_id(a_proposal("one").id),
        "decision": decision,
        "request": "2",
        "response": "resp_2",
    }[which]
    node = why(story, wanted)
    assert {"item", "attempt", "finding", "proposal", "decision", "action"} <= set(kinds(node))
    assert a_finding("two").id not in "\n".join(plain(node))
    msgspec.json.encode(node)


def test_an_item_shows_everything_and_a_run_what_it_made(story: Database) -> None:
    item = why(story, an_item().id)
    assert kinds(item).count("finding") == 2 and item.asked
    run = why(story, RUN)
    assert run.facts["items done"] == 1
    assert {child.id for child in run.children} == {a_proposal("one").id, a_proposal("two").id}


def test_the_beginning_of_an_id_is_enough_if_it_is_one(story: Database) -> None:
    assert resolved(story, an_item().id[:7]) == an_item().id
    assert resolved(story, an_item().id[2:9]) == an_item().id
    with pytest.raises(ConfigError, match="several") as several:
        resolved(story, "p-")
    assert a_proposal("one").id in several.value.mend


def test_an_unknown_id_names_near_ones(story: Database) -> None:
    right = a_proposal("one").id
    wrong = right[:-1] + ("0" if right[-1] != "0" else "1")
    with pytest.raises(ConfigError, match="no record") as unknown:
        resolved(story, wrong)
    assert right in unknown.value.mend
    for nonsense in ("", "%", "p-%", "9" * 30, "resp_unknown", "\x1b[31m"):
        with pytest.raises(ConfigError):
            resolved(story, nonsense)

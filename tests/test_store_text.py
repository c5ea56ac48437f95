"""Names, titles and reasons from outside are kept on both databases, whatever characters they hold."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hundredfold.store import attempts, items
from hundredfold.store.database import Database
from hundredfold.store.text import storable
from hundredfold.vocabulary import Item, Route, identity

NASTY = "n\x00ul \udcff\ud800 \U0001f980"
KEPT = "n\\x00ul \\xff\\ud800 \U0001f980"


def an_item() -> Item:
    return Item(
        id=identity("item", "p", "nasty"),
        project="p",
        job="security",
        key=NASTY,
        digest="d",
        title=NASTY,
        revision="r",
        payload={"path": "\udcff", "text": "\x00"},
    )


@pytest.fixture
def stored(database: Database, tmp_path: Path) -> Database:
    items.keep_project(database, "p", tmp_path / "caf\udce9")
    items.begin_run(database, "n-1", "p", NASTY)
    return database


def test_an_item_from_hostile_names_is_kept_readably(stored: Database) -> None:
    assert items.queue(stored, an_item(), "n-1")
    items.set_state(stored, an_item().id, "failed", NASTY)
    row = items.find(stored, an_item().id)
    assert row is not None
    assert (row.item.key, row.item.title, row.reason) == (KEPT, KEPT, KEPT)
    assert row.item.payload == an_item().payload, "what the job needs to find it again is unchanged"


def test_an_attempt_that_failed_with_such_a_message_keeps_it(stored: Database) -> None:
    items.queue(stored, an_item(), "n-1")
    attempt = attempts.claim(
        stored,
        item=an_item().id,
        run="n-1",
        label="investigate",
        place=(0, 0, 0),
        try_=0,
        route=Route("native", "openai", "gpt-5.5"),
        prompt="p",
        schema="s",
    )
    attempts.finish(stored, attempt, "failed", error=NASTY)
    (row,) = attempts.of_item(stored, an_item().id)
    assert row.error == KEPT


@given(st.text(st.characters(codec=None)))
def test_storable_text_encodes_and_plain_text_is_unchanged(text: str) -> None:
    kept = storable(text)
    assert "\x00" not in kept and kept.encode() is not None and storable(kept) == kept
    if "\x00" not in text and not any("\ud800" <= character <= "\udfff" for character in text):
        assert kept == text

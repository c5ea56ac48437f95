"""The store: blobs are whole or absent, items and attempts are taken once, on both databases."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hundredfold.errors import ConfigError, StorageError
from hundredfold.store import attempts, items
from hundredfold.store.blobs import Blobs
from hundredfold.store.database import Database, open_database, sqlite_url
from hundredfold.vocabulary import Item, Route, identity

ROUTE = Route("native", "openai", "gpt-5.5")


def an_item(key: str = "c0ffee") -> Item:
    return Item(
        id=identity("item", "p", "security", key, "d"),
        project="p",
        job="security",
        key=key,
        digest="d",
        title="a commit",
        revision=key,
    )


@pytest.fixture
def stored(database: Database, tmp_path: Path) -> Database:
    items.keep_project(database, "p", tmp_path)
    items.begin_run(database, "n-1", "p", "Ada")
    items.begin_run(database, "n-2", "p", "Ada")
    return database


@given(st.binary(max_size=4096))
def test_a_blob_comes_back_as_it_was(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    blobs = Blobs(tmp_path_factory.getbasetemp() / "blobs")
    assert blobs.get(blobs.put(content)) == content


def test_a_damaged_blob_is_told_not_returned(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path)
    key, other = blobs.put(b"one"), blobs.put(b"another")
    blobs.path(key).write_bytes(blobs.path(other).read_bytes())
    with pytest.raises(StorageError, match="damaged"):
        blobs.get(key)


def test_an_item_is_queued_once_and_again_only_if_it_was_not_settled(stored: Database) -> None:
    assert items.queue(stored, an_item(), "n-1")
    assert not items.queue(stored, an_item(), "n-2"), "already in the engine's hands"
    items.set_state(stored, an_item().id, "done")
    assert not items.queue(stored, an_item(), "n-2"), "settled: an unchanged digest is not worked twice"
    items.set_state(stored, an_item().id, "incomplete", "a budget stopped it")
    assert items.queue(stored, an_item(), "n-2")
    row = items.find(stored, an_item().id)
    assert row is not None
    assert (row.state, row.run, row.reason) == ("queued", "n-2", "")


def test_two_processes_queueing_the_same_item_take_it_once(stored: Database) -> None:
    taken: list[bool] = []
    threads = [
        threading.Thread(target=lambda: taken.append(items.queue(stored, an_item(), "n-1"))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == [False] * 7 + [True]


def claim(database: Database, try_: int = 0, place: tuple[int, int, int] = (0, 0, 0)) -> str:
    return attempts.claim(
        database,
        item=an_item().id,
        run="n-1",
        label="investigate",
        place=place,
        try_=try_,
        route=ROUTE,
        prompt="p",
        schema="s",
    )


def test_a_try_is_claimed_once_and_its_end_is_kept(stored: Database) -> None:
    items.queue(stored, an_item(), "n-1")
    first = claim(stored)
    assert claim(stored) == first
    attempts.finish(stored, first, "ok", answer="blob")
    attempts.finish(stored, first, "failed", error="late")
    (row,) = attempts.tries(stored, an_item().id, (0, 0, 0))
    assert (row.state, row.answer, row.error) == ("ok", "blob", "")


def test_attempt_numbers_are_unique_under_concurrency(stored: Database) -> None:
    items.queue(stored, an_item(), "n-1")
    threads = [threading.Thread(target=claim, args=(stored, 0, (0, 0, n))) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    numbers = [row.number for row in attempts.of_project(stored, "p")]
    assert len(numbers) == len(set(numbers)) == 8


def test_a_database_that_is_read_only_is_a_clear_error(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("not a folder")
    with pytest.raises(StorageError, match="can't be made"):
        open_database(sqlite_url(path / "below" / "x.db"))


@pytest.mark.parametrize("url", ["mysql://host/x", "nonsense"])
def test_a_database_of_another_kind_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="database URL"):
        open_database(url)

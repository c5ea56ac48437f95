"""Generated logs with every case that trackers get wrong: exact to the token and the picodollar."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from benchmarks.usage_corpus.corpus import Corpus
from hundredfold.prices.book import PriceBook, load_book
from hundredfold.store.database import Database
from hundredfold.store.tables.imports import import_cursors
from hundredfold.usage.importers import run
from hundredfold.usage.importers.booking import Books
from hundredfold.usage.pricing import priced_groups
from hundredfold.vocabulary import Usage
from tests.support.logs import FORMATS, rows
from tests.test_usage_rollups import agree

MB = 1_000_000


@pytest.fixture(scope="module")
def book() -> PriceBook:
    return load_book()


def read(database: Database, corpus: Corpus) -> run.Report:
    homes = [(FORMATS["codex"], corpus.codex_home), (FORMATS["claude"], corpus.claude_home)]
    return run.import_logs(database.url, homes, Books())


def check(database: Database, corpus: Corpus, book: PriceBook) -> None:
    found: dict[tuple[int, str, str], tuple[int, Usage]] = {}
    for row in rows(database):
        key = (row["at_us"] // 86_400_000_000, row["model"], row["tier"])
        count, usage = found.get(key, (0, Usage()))
        found[key] = (count + 1, usage + Usage(*(row[name] for name in Usage.__struct_fields__)))
    assert found == corpus.truth.by_day_model_tier()
    with database.read() as connection:
        groups = priced_groups(connection, book)
    cost, unpriced = corpus.truth.cost(book)
    assert sum(group.money.most for group in groups) == cost
    assert sum(group.money.unpriced for group in groups) == sum(unpriced.values())
    agree(database)


@pytest.mark.parametrize(("seed", "beside"), [(1, False), (2, True)])
def test_a_corpus_is_read_to_the_token_and_picodollar(
    sqlite_database: Database,
    tmp_path: Path,
    book: PriceBook,
    seed: int,
    beside: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also what was added since, whether one process reads or two, in one transaction or in many."""
    if beside:
        monkeypatch.setattr(run, "BESIDE_BYTES", 1000)
        monkeypatch.setattr(run, "BATCH", 50)
    corpus = Corpus(tmp_path / "logs", seed, giant=3 * MB, requests_a_session=12)
    corpus.write(8 * MB)
    first = read(sqlite_database, corpus)
    assert first.kept.new == len(corpus.truth.requests) > 200
    check(sqlite_database, corpus, book)
    for _ in range(2):
        corpus.grow(MB)
        corpus.flush()
        more = read(sqlite_database, corpus)
        assert 0 < more.bytes < 2.5 * MB and more.unchanged > 0
        check(sqlite_database, corpus, book)
    corpus.close()
    last = read(sqlite_database, corpus)
    assert (last.kept.new, last.waiting, last.troubles) == (0, 1, [])
    assert read(sqlite_database, corpus).bytes < 100, "but for the line that was cut off"
    with sqlite_database.read() as connection:
        assert (
            connection.execute(sa.select(sa.func.count()).select_from(import_cursors)).scalar_one()
            == last.files
        )

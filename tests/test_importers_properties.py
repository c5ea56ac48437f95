"""Order, duplication, splitting and interleaving of lines change no total; a prefix and the rest are the
whole."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.usage_corpus.corpus import Corpus
from hundredfold.store.database import Database, open_database, sqlite_url
from hundredfold.usage.importers.booking import Books
from hundredfold.usage.importers.run import import_logs
from hundredfold.vocabulary import Usage
from tests.support.logs import FORMATS, totals

Fresh = Callable[[], tuple[Database, Path]]
quickly = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    made = Corpus(tmp_path_factory.mktemp("corpus"), 7, requests_a_session=4)
    made.write(600_000)
    made.flush()
    return made


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory, migrated_file: Path) -> Iterator[Fresh]:
    """Makes an empty database and an empty folder, again and again."""
    opened: list[Database] = []

    def make() -> tuple[Database, Path]:
        folder = tmp_path_factory.mktemp("fresh")
        database = open_database(
            sqlite_url(Path(shutil.copy(migrated_file, folder / "test.db"))), migrate=False
        )
        opened.append(database)
        return database, folder

    yield make
    for database in opened:
        database.close()


def logs_of(corpus: Corpus, kind: str) -> dict[str, list[bytes]]:
    home = corpus.codex_home if kind == "codex" else corpus.claude_home
    return {path.name: path.read_bytes().splitlines() for path in sorted(home.rglob("*.jsonl"))}


def read(database: Database, folder: Path, kind: str) -> tuple[int, Usage]:
    import_logs(database.url, [(FORMATS[kind], folder)], Books())
    return totals(database)


def truth(corpus: Corpus, kind: str) -> tuple[int, Usage]:
    provider = "openai" if kind == "codex" else "anthropic"
    return sum(one.provider == provider for one in corpus.truth.requests.values()), corpus.truth.totals(
        provider
    )


@pytest.mark.parametrize("kind", ["codex", "claude"])
@quickly
@given(data=st.data())
def test_order_and_duplication_of_lines_change_no_total(
    corpus: Corpus, fresh: Fresh, kind: str, data: st.DataObject
) -> None:
    database, folder = fresh()
    dice = random.Random(data.draw(st.integers(0, 2**32)))
    for name, lines in logs_of(corpus, kind).items():
        again = [line for line in lines if dice.random() < 0.2]
        mixed = lines + again
        dice.shuffle(mixed)
        (folder / name).write_bytes(b"\n".join(mixed) + b"\n")
    assert read(database, folder, kind) == truth(corpus, kind)


@pytest.mark.parametrize("kind", ["codex", "claude"])
@quickly
@given(data=st.data())
def test_a_prefix_and_the_rest_are_the_whole(
    corpus: Corpus, fresh: Fresh, kind: str, data: st.DataObject
) -> None:
    """Cut anywhere, also within a line; the files are read in whatever order."""
    database, folder = fresh()
    files = {name: b"\n".join(lines) + b"\n" for name, lines in logs_of(corpus, kind).items()}
    names = data.draw(st.permutations(sorted(files)))
    cuts = {name: sorted(data.draw(st.lists(st.integers(0, len(files[name])), max_size=3))) for name in names}
    for step in range(4):
        for name in names:
            end = cuts[name][step] if step < len(cuts[name]) else len(files[name])
            (folder / name).write_bytes(files[name][:end])
            if data.draw(st.booleans()):
                read(database, folder / name, kind)
        read(database, folder, kind)
    assert read(database, folder, kind) == truth(corpus, kind)


@quickly
@given(data=st.data())
def test_sessions_interleaved_and_split_over_files_change_no_total(
    corpus: Corpus, fresh: Fresh, data: st.DataObject
) -> None:
    database, folder = fresh()
    dice = random.Random(data.draw(st.integers(0, 2**32)))
    parts: list[list[bytes]] = [[] for _ in range(data.draw(st.integers(1, 5)))]
    for lines in logs_of(corpus, "claude").values():
        for line in lines:
            dice.choice(parts).append(line)
    for number, part in enumerate(parts):
        (folder / f"{number}.jsonl").write_bytes(b"\n".join(part) + b"\n")
        if dice.random() < 0.5:
            read(database, folder, "claude")
    assert read(database, folder, "claude") == truth(corpus, "claude")

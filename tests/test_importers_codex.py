"""Codex rollouts: what is a request, and what is only said again."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from hundredfold.prices.book import load_book
from hundredfold.store.database import Database
from hundredfold.usage.importers.attempts import import_codex_home
from hundredfold.usage.importers.keeping import Booked
from hundredfold.usage.ledger import Ledger
from hundredfold.vocabulary import Limit
from tests.support.ledgers import ROUTE, entry, keep_attempts
from tests.support.logs import (
    THREAD,
    context,
    count,
    meta,
    output,
    record,
    rollout,
    rows,
    take_in,
    tier,
    used,
    wire,
)

CHILD = "0197a001-0000-7000-8000-000000000002"
OLD = "0.98.0"


def test_records_count_and_what_repeats_them_does_not(database: Database, tmp_path: Path) -> None:
    first, second = wire(1000, 800, 20, 5), wire(1500, 1000, 30)
    rollout(
        tmp_path,
        [
            meta(), tier(1, "priority"), context(2), output(3),
            record(4, "resp_a", first), count(5, first), count(6, first), output(7),
            record(8, "resp_compaction", second),  # which no running total tells of
            tier(9, None), record(10, "resp_b", second), count(11, wire(2500, 1800, 50)),
            record(12, "resp_b", second),
        ],
    )  # fmt: skip
    report = take_in(database, tmp_path)
    assert (report.kept.new, report.troubles) == (3, [])
    assert [(row["input"], row["tier"], row["model"]) for row in rows(database)] == [
        (1000, "fast", "gpt-5.5"),
        (1500, "fast", "gpt-5.5"),
        (1500, "standard", "gpt-5.5"),
    ]
    assert {(row["agent"], row["path"], row["project"], row["person"]) for row in rows(database)} == {
        ("codex", "/home/dev/shop", "shop", "Ada")
    }


def test_running_totals_count_their_changes(sqlite_database: Database, tmp_path: Path) -> None:
    rollout(
        tmp_path,
        [
            meta(version=OLD), context(1), count(2, None), count(3, wire(100, 50, 10)),
            count(4, wire(100, 50, 10)),
            count(5, wire(300, 200, 25)), count(6, wire(40, 0, 4)),  # a program that began anew
        ],
    )  # fmt: skip
    take_in(sqlite_database, tmp_path)
    assert used(sqlite_database) == [(100, 50, 10), (200, 150, 15), (40, 0, 4)]


@pytest.mark.parametrize("parents_first", [True, False])
@pytest.mark.parametrize("kin", [{"forked_from_id": THREAD}, {"parent_thread_id": THREAD}, {
    "source": {"subagent": {"thread_spawn": {"parent_thread_id": THREAD}}}
}])  # fmt: skip
def test_what_a_fork_replays_is_its_parents(
    sqlite_database: Database, tmp_path: Path, kin: dict[str, object], parents_first: bool
) -> None:
    shared = [count(3, wire(100, 50, 10)), count(4, wire(300, 200, 25))]
    replayed = [count(53, wire(100, 50, 10)), count(54, wire(300, 200, 25))]
    parent = [meta(version=OLD), context(1), *shared, count(6, wire(390, 210, 30))]
    child = [
        meta(CHILD, OLD, **kin),
        meta(version=OLD),
        context(51),
        *replayed,
        count(56, wire(380, 205, 31)),
    ]
    homes = [tmp_path / "a", tmp_path / "b"]
    rollout(homes[0] if parents_first else homes[1], parent)
    rollout(homes[1] if parents_first else homes[0], child, CHILD)
    for home in (*homes, *homes):
        take_in(sqlite_database, home)
    assert sorted(used(sqlite_database)) == [(80, 5, 6), (90, 10, 5), (100, 50, 10), (200, 150, 15)]


def test_siblings_that_used_the_same_both_count(sqlite_database: Database, tmp_path: Path) -> None:
    other = CHILD[:-1] + "3"
    rollout(tmp_path, [meta(version=OLD), context(1), count(3, wire(100, 50, 10))])
    for thread in (CHILD, other):
        lines = [
            meta(thread, OLD, forked_from_id=THREAD),
            count(53, wire(100, 50, 10)),
            count(54, wire(150, 60, 12)),
        ]
        rollout(tmp_path, lines, thread)
    take_in(sqlite_database, tmp_path)
    assert sorted(used(sqlite_database)) == [(50, 10, 2), (50, 10, 2), (100, 50, 10)]


def test_a_spawned_child_with_records_counts_no_replayed_total(
    sqlite_database: Database, tmp_path: Path
) -> None:
    replayed = [count(3, wire(100, 50, 10)), count(4, wire(300, 200, 25))]
    own = [record(5, "resp_c", wire(70, 60, 5)), count(6, wire(370, 260, 30))]
    rollout(tmp_path, [meta(CHILD, parent_thread_id=THREAD), *replayed, *own], CHILD)
    take_in(sqlite_database, tmp_path)
    assert used(sqlite_database) == [(70, 60, 5)]


@pytest.mark.parametrize("cut", range(1, 9))
def test_a_file_that_a_newer_program_went_on_with(
    sqlite_database: Database, tmp_path: Path, cut: int
) -> None:
    """Totals until its first record, in whatever two parts it is read."""
    lines = [
        meta(version=OLD), context(1), count(2, wire(100, 50, 10)), count(3, wire(300, 200, 25)),
        count(4, wire(350, 220, 30)), record(5, "resp_a", wire(50, 20, 5)),
        record(6, "resp_b", wire(60, 30, 7)), count(7, wire(410, 250, 37)),
    ]  # fmt: skip
    rollout(tmp_path, lines[:cut])
    take_in(sqlite_database, tmp_path)
    rollout(tmp_path, lines)
    take_in(sqlite_database, tmp_path)
    assert used(sqlite_database) == [(100, 50, 10), (200, 150, 15), (50, 20, 5), (60, 30, 7)]


def test_a_new_version_without_records_counts_by_totals(sqlite_database: Database, tmp_path: Path) -> None:
    rollout(tmp_path, [meta(), context(1), count(2, wire(100, 50, 10)), count(3, wire(300, 200, 25))])
    take_in(sqlite_database, tmp_path)
    assert used(sqlite_database) == [(100, 50, 10), (200, 150, 15)]


@pytest.mark.parametrize("wire_first", [True, False])
def test_a_thread_metered_at_the_wire_and_read_again_counts_once(
    database: Database, tmp_path: Path, wire_first: bool
) -> None:
    rollout(
        tmp_path,
        [meta(), context(1), record(4, "resp_a", wire(1000, 800, 20)), record(5, "resp_b", wire(7, 0, 1))],
    )
    ledger = Ledger(database)
    metered = entry("resp_a", route=ROUTE)
    if wire_first:
        ledger.append([metered])
    report = take_in(database, tmp_path)
    if not wire_first:
        ledger.append([metered])
    assert [
        (row["input"], row["source"]) for row in sorted(rows(database), key=lambda row: row["input"])
    ] == [
        (7, 2),
        (1000, 3),
    ]
    assert report.kept.outranked == int(wire_first)


def test_archived_and_moved_files_are_the_same_thread(sqlite_database: Database, tmp_path: Path) -> None:
    lines = [meta(version=OLD), context(1), count(2, wire(100, 50, 10)), count(3, wire(300, 200, 25))]
    path = rollout(tmp_path, lines)
    archive = tmp_path / "archived_sessions"
    archive.mkdir()
    shutil.copy(path, archive / path.name)
    take_in(sqlite_database, tmp_path)
    assert len(used(sqlite_database)) == 2
    (archive / path.name).unlink()
    path.rename(archive / path.name)
    report = take_in(sqlite_database, tmp_path)
    assert (report.bytes, report.kept.read) == (0, 0), "it is known by its inode"
    assert len(used(sqlite_database)) == 2


def test_a_home_is_booked_to_its_attempt(sqlite_database: Database, tmp_path: Path) -> None:
    keep_attempts(sqlite_database, "a-1")
    number = 1
    home = tmp_path / "home"
    booked = Booked(
        project="p", job="review", agent="codex", person="Ada", payer="acme", label="subscription"
    )
    assert import_codex_home(sqlite_database.url, home, number, booked).files == 0, "not begun yet"
    rollout(home, [meta(), context(1), record(4, "resp_a", wire(1000, 800, 20))])
    for _ in range(2):
        import_codex_home(sqlite_database.url, home, number, booked)
    (row,) = rows(sqlite_database)
    assert (row["attempt"], row["job"], row["payer"], row["label"]) == (
        number,
        "review",
        "acme",
        "subscription",
    )
    limit = Limit(scope="payer:acme", window="ever", picodollars=10**12)
    spent = 200 * 5_000_000 + 800 * 500_000 + 20 * 30_000_000
    assert Ledger(sqlite_database).spent(load_book(), limit) == spent

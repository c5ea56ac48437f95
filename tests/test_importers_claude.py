"""Claude Code logs: one request a message, however often and wherever it is said."""

from __future__ import annotations

import json
from pathlib import Path

from hundredfold.store.database import Database
from tests.support.logs import message, rows, take_in, write
from tests.test_usage_rollups import agree


def test_snapshots_and_resumed_copies_are_one_request(database: Database, tmp_path: Path) -> None:
    folder = tmp_path / "projects" / "-shop"
    write(
        folder / "a.jsonl",
        [message(10, "msg_1", output=1), message(12, "msg_1", output=90, requestId="req_1")],
    )
    take_in(database, tmp_path, "claude")
    write(
        folder / "b.jsonl", [message(11, "msg_1", output=40), message(5, "msg_2", output=7, isSidechain=True)]
    )
    take_in(database, tmp_path, "claude")
    write(folder / "c.jsonl", [message(14, "msg_1", output=120)])
    report = take_in(database, tmp_path, "claude")
    assert report.kept.grown == 1
    assert [(row["key"], row["output"]) for row in rows(database)] == [("msg_2", 7), ("msg_1", 120)]
    assert {row["at_us"] % 60_000_000 for row in rows(database)} == {5_000_000, 10_000_000}, "the first time"
    agree(database)


def test_cache_writes_of_both_ages_and_fast(sqlite_database: Database, tmp_path: Path) -> None:
    write(
        tmp_path / "projects" / "a.jsonl",
        [message(1, "m1", output=9, write=300, write_1h=100, speed="fast"), message(2, "m2", output=9)],
    )
    take_in(sqlite_database, tmp_path, "claude")
    first, second = rows(sqlite_database)
    assert (first["input"], first["cached"], first["cache_write"], first["cache_write_1h"]) == (
        1305,
        1000,
        300,
        100,
    )
    assert (first["tier"], first["served_tier"], second["tier"]) == ("fast", "fast", "standard")


def test_what_is_no_answer_does_not_count(sqlite_database: Database, tmp_path: Path) -> None:
    usage = {"input_tokens": 10**6, "output_tokens": 10**6}
    sums = {"type": "user", "toolUseResult": {"usage": usage}, "message": {"role": "user", "content": "x"}}
    inner = {
        "timestamp": "2026-11-01T00:00:00Z",
        "message": {"usage": usage, "content": "y"},
        "type": "progress",
    }
    synthetic = json.loads(message(3, "m", output=0))
    synthetic["message"]["model"] = "<synthetic>"
    texts = [json.dumps(one).encode() for one in (sums, inner, synthetic)]
    write(tmp_path / "projects" / "a.jsonl", [*texts, message(1, "m1", output=9)])
    report = take_in(sqlite_database, tmp_path, "claude")
    assert (len(rows(sqlite_database)), report.troubles) == (1, [])
    assert report.skipped == {"messages that no model made": 1}

"""What logs and disks do to an importer: each is counted and told by file and line, and nothing is lost."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from hundredfold.cli.spend_import import import_command
from hundredfold.errors import StorageError
from hundredfold.store.database import Database
from hundredfold.usage.importers import beside, keeping, reading, run
from hundredfold.usage.importers.protocol import Place
from tests.support.logs import (
    context,
    count,
    line,
    message,
    meta,
    output,
    record,
    rollout,
    take_in,
    used,
    wire,
    write,
)

HEAD = [meta(), context(1)]
PLACE = Place("openai", "responses", "gpt-5.5", "standard", "", "codex")


def test_lines_that_cannot_be_read_are_told_and_the_rest_counts(
    sqlite_database: Database, tmp_path: Path
) -> None:
    strings = {"input_tokens": "12", "output_tokens": 1}
    lines = [
        *HEAD,
        b"this is no JSON",
        record(3, "resp_a", wire(100, 50, 10)),
        record(4, "resp_b", strings),  # type: ignore[arg-type]
        record(5, "resp_c", wire(10, 50, 10)),
        record(6, "resp_d", wire(-5, 0, 3)),
        record(7, "resp_e", wire(2 * 10**12, 0, 3)),
        b'{"timestamp":"2026-11-01T00:00:08.000Z","type":"response_item","payload":{"type":"message","te',
        line(9, "token_usage_record", {"response_id": "resp_f"}),
        record(10, "resp_g", wire(7, 0, 1)).replace(b"2026-11-01T", b"yesterday, "),
        b"[1, 2]",
        b"\xff\xfe\x00",
    ]
    path = rollout(tmp_path, lines)
    report = take_in(sqlite_database, tmp_path)
    told = {trouble.line: trouble.what for trouble in report.troubles}
    assert sorted(told) == [3, 5, 6, 7, 8, 9, 10, 11, 12, 13]
    assert {trouble.path for trouble in report.troubles} == {str(path)}
    assert "50 cached tokens of 10 input tokens" in told[6] and "-5" in told[7] and "yesterday" in told[11]
    assert "expected" in told[5].lower()
    assert "2,000,000,000,000 tokens, which no request has; it is left out" in told[8]
    assert used(sqlite_database) == [(100, 50, 10), (50, 50, 10), (0, 0, 3)]
    assert take_in(sqlite_database, tmp_path).troubles == [], "they are told once"


@pytest.mark.parametrize("name", ["codex", "totals", "claude", "otlp"])
def test_a_count_that_no_request_has_is_told_left_out_and_bills_nothing(
    name: str, sqlite_database: Database, tmp_path: Path
) -> None:
    absurd, flat = 10**9 + 1, b'{"timestamp":"2026-11-01T10:00:00Z","id":"%d","gen_ai.usage.input_tokens":%d}'
    lines = {
        "codex": [*HEAD, record(3, "r_a", wire(7, 0, 1)), record(4, "r_b", wire(1, 0, absurd))],
        "totals": [
            *HEAD, count(3, wire(7, 0, 1)), count(4, wire(absurd + 7, 0, 1)), count(5, wire(9, 0, 2)),
        ],
        "claude": [message(3, "m_a", output=7), message(4, "m_b", output=1, write=absurd)],
        "otlp": [flat % (1, 7), flat % (2, absurd)],
    }[name]  # fmt: skip
    path = write(tmp_path / "logs.jsonl", lines)
    report = take_in(sqlite_database, path, "codex" if name == "totals" else name)
    [trouble] = report.troubles
    assert trouble.line == (4 if name in ("codex", "totals") else 2) and "it is left out" in trouble.what
    assert len(used(sqlite_database)) == (2 if name == "totals" else 1)
    assert sum(one[0] + one[2] for one in used(sqlite_database)) < 2000


def test_a_time_at_which_no_model_was_asked_is_told_and_spoils_no_bill(
    sqlite_database: Database, tmp_path: Path
) -> None:
    early, late, kept = (record(second, f"resp_{second}", wire(7, 0, 1)) for second in (3, 4, 5))
    lines = [*HEAD, early.replace(b"2026-", b"0001-"), late.replace(b"2026-", b"9999-"), kept]
    rollout(tmp_path, lines)
    told = {trouble.line: trouble.what for trouble in take_in(sqlite_database, tmp_path).troubles}
    assert "'0001-" in told.pop(3) and "'9999-" in told.pop(4) and not told
    assert used(sqlite_database) == [(7, 0, 1)]


@pytest.mark.parametrize("name", ["codex", "claude", "otlp"])
def test_a_line_nested_without_end_is_told_and_the_rest_counts(
    name: str, sqlite_database: Database, tmp_path: Path
) -> None:
    deep = b'{"type":"%s","payload":%s,"message":%s}'
    nest = b"[" * 100_000 + b"]" * 100_000
    hostile = deep % (b"assistant" if name == "claude" else b"token_usage_record", nest, nest)
    flat = b'{"timestamp":"2026-11-01T10:00:00Z","id":"a","gen_ai.usage.input_tokens":7}'
    kept = {"codex": record(5, "resp_a", wire(7, 0, 1)), "claude": message(5, "m_a", output=7), "otlp": flat}[
        name
    ]
    path = tmp_path / "logs.jsonl"
    path.write_bytes(b"\n".join([*(HEAD if name == "codex" else []), hostile, kept]) + b"\n")
    report = take_in(sqlite_database, path, name)
    assert len(report.troubles) == 1
    assert len(used(sqlite_database)) == 1


def test_logs_that_were_read_are_not_booked_anew_and_that_is_told(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = rollout(tmp_path, [*HEAD, record(3, "resp_a", wire(7, 0, 1))])
    for told in ("", "--project and --person: only what is read now is booked so; 1 log unchanged"):
        assert import_command(codex=(path,), project="shop", person="Ada") == 0
        err = capsys.readouterr().err
        assert told in err and ("unchanged" in err) == bool(told)


def test_more_troubles_than_can_be_told_are_counted(sqlite_database: Database, tmp_path: Path) -> None:
    rollout(tmp_path, [*HEAD, *[b"nonsense"] * 50])
    report = take_in(sqlite_database, tmp_path)
    assert (len(report.troubles), report.untold) == (run.MOST_TOLD, 50 - run.MOST_TOLD)


def test_what_can_not_be_opened_is_told_and_the_rest_counts(
    sqlite_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rollout(tmp_path, [*HEAD, record(3, "resp_a", wire(1, 0, 1))])
    closed = tmp_path / "sessions" / "closed"
    closed.mkdir()
    locked = write(tmp_path / "sessions" / "locked.jsonl", HEAD)
    (tmp_path / "sessions" / "nowhere.jsonl").symlink_to(tmp_path / "gone.jsonl")
    (tmp_path / "sessions" / "circle").symlink_to(tmp_path / "sessions")
    really, scandir = os.open, os.scandir

    def refuse(path: str, *rest: int) -> int:
        if path == str(locked):
            raise PermissionError(13, "Permission denied")
        return really(path, *rest)

    def refuse_folder(path: str) -> object:
        if path == str(closed):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "open", refuse)
    monkeypatch.setattr(os, "scandir", refuse_folder)
    report = take_in(sqlite_database, tmp_path)
    assert {(Path(one.path).name, one.line, one.what) for one in report.troubles} == {
        ("locked.jsonl", 0, "Permission denied"),
        ("closed", 0, "Permission denied"),
        ("nowhere.jsonl", 0, "No such file or directory"),
    }
    assert used(sqlite_database) == [(1, 0, 1)]


def test_a_deleted_log_stays_in_the_ledger(sqlite_database: Database, tmp_path: Path) -> None:
    path = rollout(tmp_path, [*HEAD, record(3, "resp_a", wire(1, 0, 1))])
    take_in(sqlite_database, tmp_path)
    path.unlink()
    assert take_in(sqlite_database, tmp_path).files == 0
    assert used(sqlite_database) == [(1, 0, 1)]


def test_a_rewritten_log_is_read_anew_and_nothing_is_lost(sqlite_database: Database, tmp_path: Path) -> None:
    rollout(tmp_path, [*HEAD, record(3, "resp_a", wire(1, 0, 1)), record(4, "resp_b", wire(2, 0, 1))])
    take_in(sqlite_database, tmp_path)
    for rewritten in (
        [record(5, "resp_c", wire(3, 0, 1))],
        [output(5), record(5, "resp_d", wire(4, 0, 1))] * 9,
    ):
        rollout(tmp_path, [*HEAD, *rewritten])
        take_in(sqlite_database, tmp_path)
    assert used(sqlite_database) == [(1, 0, 1), (2, 0, 1), (3, 0, 1), (4, 0, 1)]


def test_a_log_that_grows_while_it_is_read(
    sqlite_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = rollout(tmp_path, [*HEAD, record(3, "resp_0", wire(1, 0, 1))])
    really, more = os.pread, iter(range(1, 60))

    def grow(fd: int, size: int, offset: int) -> bytes:
        if (number := next(more, None)) is not None:
            added = record(4, f"resp_{number}", wire(1, 0, 1)) + b"\n"
            with path.open("ab") as file:
                file.write(added[:100])
                file.flush()
                data = really(fd, size, offset)
                file.write(added[100:])
            return data
        return really(fd, size, offset)

    with monkeypatch.context() as patched:
        patched.setattr(os, "pread", grow)
        take_in(sqlite_database, tmp_path)
    take_in(sqlite_database, tmp_path)
    assert len(used(sqlite_database)) == 60


def test_lines_longer_than_a_block_and_than_can_be_read(
    sqlite_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "BLOCK", 1000)
    monkeypatch.setattr(reading, "MOST_LINE", 20_000)
    long = message(3, "m1", output=5, extra="x" * 9_000)
    longer = message(4, "m2", output=6, extra="x" * 30_000)
    skipped = b'{"type":"user","message":"' + b"y" * 50_000 + b'"}'
    torn = b'{"type":"user","message":"' + b"y" * 50_000
    write(tmp_path / "a.jsonl", [long, skipped, longer, torn, message(5, "m3", output=7), skipped], end=b"")
    report = take_in(sqlite_database, tmp_path, "claude")
    assert [one[2] for one in used(sqlite_database)] == [5, 7]
    assert [(one.line, one.what.split(",")[0]) for one in report.troubles] == [
        (3, "a line longer than 20"),
        (4, "not a JSON object"),
    ]


def test_a_last_line_without_an_end_is_taken_if_it_is_whole(
    sqlite_database: Database, tmp_path: Path
) -> None:
    whole = [*HEAD, record(3, "resp_a", wire(1, 0, 1))]
    rollout(tmp_path, whole)
    (path,) = tmp_path.rglob("*.jsonl")
    path.write_bytes(path.read_bytes()[:-1])
    assert take_in(sqlite_database, tmp_path).waiting == 0
    path.write_bytes(path.read_bytes() + b"\n" + record(4, "resp_b", wire(2, 0, 1))[:90])
    assert take_in(sqlite_database, tmp_path).waiting == 1
    rollout(tmp_path, [*whole, record(4, "resp_b", wire(2, 0, 1))])
    assert take_in(sqlite_database, tmp_path).waiting == 0
    assert used(sqlite_database) == [(1, 0, 1), (2, 0, 1)]


def test_a_refused_transaction_keeps_neither_rows_nor_cursors(
    sqlite_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rollout(tmp_path, [*HEAD, record(3, "resp_a", wire(1, 0, 1))])

    def full(*_: object) -> None:
        import sqlite3

        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(keeping, "_write_cursors", full)
        with pytest.raises(StorageError, match="full"):
            take_in(sqlite_database, tmp_path)
    assert used(sqlite_database) == []
    assert take_in(sqlite_database, tmp_path).kept.new == 1


def test_each_reading_process_keeps_its_order_whatever_the_size() -> None:
    def parts(first: int) -> Iterator[run.Read]:
        for number in range(first, first + 40):
            row = (b"key", number, 1, 2, 3, 4, 5, 6, 7)
            yield run.Read(None, [row] * (number % 7) * 5_000, {number: PLACE}, [], [], number, {})

    readers = [partial(parts, first) for first in (0, 1000, 2000)]
    found = [part for part in beside.beside(readers, run.Read) if isinstance(part, run.Read)]
    for first, reader in zip((0, 1000, 2000), readers, strict=True):
        assert [one for one in found if first <= one.untold < first + 1000] == list(reader())


def test_a_fault_of_the_reading_process_is_raised_here() -> None:
    def fail() -> object:
        yield 1
        raise ValueError("it broke")

    found = beside.beside([fail], run.Read)  # type: ignore[list-item]
    assert next(found) == 1
    with pytest.raises(RuntimeError, match="it broke"):
        next(found)
    stopped = beside.beside([lambda: iter(range(10**9))], run.Read)
    assert next(stopped) == 0
    stopped.close()  # type: ignore[attr-defined]

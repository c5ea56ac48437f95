"""The journal loses nothing that was written, whatever the process or the disk does next."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hundredfold.errors import StorageError
from hundredfold.gateway import journal as module
from hundredfold.gateway.journal import Intent, Journal, Position, Row
from hundredfold.vocabulary import Usage


def intent(number: int) -> Intent:
    return Intent(
        id=f"n{number}", at_us=number, attempt=1, project="p", job="j", agent="a", person="", payer="",
        cost_centre="", upstream="u", prices="openai", dialect="responses", model="m", tier="standard",
        simulated=False, worst=Usage(input=9, output=9),
    )  # fmt: skip


def row(number: int) -> Row:
    return Row(intent=intent(number), status="settled", usage=Usage(input=1, output=1))


def everything(journal: Journal) -> list[Row]:
    found, position = [], journal.start
    while position < journal.end:
        rows, position = journal.read(position, journal.end)
        found += rows
    return found


def test_an_intent_left_open_by_a_dead_process_gets_its_worst_case(tmp_path: Path) -> None:
    first = Journal(tmp_path)
    for number in range(3):
        first.intend(intent(number))
    first.conclude(row(1))
    second = Journal(tmp_path)
    assert second.settle_dead() == 2
    third = Journal(tmp_path)  # killed again before anything was posted: nothing is settled twice
    assert third.settle_dead() == 0
    found = everything(third)
    assert sorted((one.intent.id, one.status, one.usage.input) for one in found) == [
        ("n0", "unsettled", 9),
        ("n1", "settled", 1),
        ("n2", "unsettled", 9),
    ]


@given(st.integers(1, 2000))
@settings(max_examples=30)
def test_a_torn_last_line_costs_only_itself(tmp_path_factory: pytest.TempPathFactory, cut: int) -> None:
    folder = tmp_path_factory.mktemp("journal")
    first = Journal(folder)
    for number in range(4):
        first.intend(intent(number))
        first.conclude(row(number))
    path = folder / "00000001.jsonl"
    raw = path.read_bytes()
    kept = raw[: max(0, len(raw) - cut)]
    path.write_bytes(kept)
    again = Journal(folder)
    again.settle_dead()
    whole = [line for line in kept.split(b"\n")[:-1] if b'"_":"intent"' in line[:20]]
    assert len(everything(again)) == len(whole)


def test_segments_go_when_all_is_posted_and_never_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SEGMENT_BYTES", 2000)
    journal = Journal(tmp_path)
    journal.intend(intent(0))
    for number in range(1, 40):
        journal.intend(intent(number))
        journal.conclude(row(number))
    journal.retire(journal.end)
    assert (tmp_path / "00000001.jsonl").exists(), "an open intent holds its segment and all after it"
    assert len(everything(journal)) == 39
    journal.conclude(row(0))
    journal.retire(Position(2, 0))
    assert not (tmp_path / "00000001.jsonl").exists()
    assert (tmp_path / "00000002.jsonl").exists()
    journal.retire(journal.end)
    assert [path.name for path in tmp_path.iterdir()] == [f"{journal.end.segment:08d}.jsonl"]


def test_a_full_disk_refuses_requests_and_keeps_the_rows_of_those_in_flight(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(tmp_path)
    journal.intend(intent(0))
    real, full = os.write, True

    def write(file: int, data: bytes) -> int:
        return real(file, data[:17]) if full else real(file, data)

    monkeypatch.setattr(os, "write", write)
    journal.conclude(row(0))
    with pytest.raises(StorageError, match="can't be written"):
        journal.intend(intent(1))
    full = False
    journal.intend(intent(2))
    assert [one.intent.id for one in everything(journal)] == ["n0"]
    assert Journal(tmp_path).settle_dead() == 1

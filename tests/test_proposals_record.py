"""What an item came to is recorded whole and once, whatever it is called twice with."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from hundredfold.proposals.decide import decide
from hundredfold.proposals.inbox import as_json, detail, listed, pending_minutes
from hundredfold.proposals.pages import refresh
from hundredfold.proposals.record import coverage_of, findings_of, record_done, record_skip
from hundredfold.proposals.why import chain
from hundredfold.store import items, proposals
from hundredfold.store.database import Database
from hundredfold.vocabulary import Coverage, Done, Evidence, Skip
from tests.support.proposals import (
    PROJECT,
    RUN,
    SHA,
    a_done,
    a_finding,
    a_proposal,
    an_item,
    filled,
    prepared,
    state_of,
)


def snapshot(database: Database) -> object:
    row = items.find(database, an_item().id)
    assert row is not None
    return (
        findings_of(database, PROJECT, "security"),
        coverage_of(database, PROJECT, "security"),
        proposals.of_project(database, PROJECT),
        (row.state, row.reason, row.dropped),
    )


def test_recording_twice_is_recording_once(database: Database, tmp_path: Path) -> None:
    prepared(database, tmp_path)
    record_done(database, an_item(), RUN, a_done("a", "b"), model=True)
    once = snapshot(database)
    record_done(database, an_item(), RUN, a_done("a", "b"), model=True)
    assert snapshot(database) == once
    row = items.find(database, an_item().id)
    assert row is not None and (row.state, row.dropped) == ("done", {"quote not found": 1})


def test_what_was_decided_is_not_opened_again_by_a_later_run(database: Database, tmp_path: Path) -> None:
    (one,) = filled(database, tmp_path, "a")
    decide(database, [one], "reject", by="Ada", reason="known")
    record_done(database, an_item(), RUN, a_done("a"), model=True)
    assert state_of(database, one) == "rejected"


@pytest.mark.parametrize(
    ("done", "model", "state"),
    [
        (Done(), True, "done"),
        (Done(complete=False), True, "incomplete"),
        (Done(coverage=(Coverage("a", "f", "not_looked_at", "too large"),)), True, "done"),
        (Done(coverage=(Coverage("a", "f", "not_looked_at", "a lock file"),)), False, "done"),
        (Done(complete=False), False, "listed"),
        (Done(coverage=(Coverage("a", "f", "screened"),)), False, "done"),
    ],
)
def test_an_item_ends_as_what_it_is(
    database: Database, tmp_path: Path, done: Done, model: bool, state: str
) -> None:
    prepared(database, tmp_path)
    record_done(database, an_item(), RUN, done, model=model)
    row = items.find(database, an_item().id)
    assert row is not None and row.state == state


def test_a_second_try_replaces_the_coverage_of_the_first(database: Database, tmp_path: Path) -> None:
    prepared(database, tmp_path)
    first = Done(complete=False, coverage=(Coverage("a", "f", "not_looked_at", "timed out"),))
    record_done(database, an_item(), RUN, first, model=True)
    record_done(database, an_item(), RUN, Done(coverage=(Coverage("a", "f", "investigated"),)), model=True)
    assert [row["state"] for row in coverage_of(database, PROJECT, "security")] == ["investigated"]


def test_a_unit_named_twice_counts_as_least_looked_at(database: Database, tmp_path: Path) -> None:
    prepared(database, tmp_path)
    twice = (Coverage("a", "f", "investigated"), Coverage("a", "f", "not_looked_at", "cut"))
    record_done(database, an_item(), RUN, Done(coverage=twice), model=True)
    record_done(database, an_item(), RUN, Done(coverage=twice[::-1]), model=True)
    assert [row["state"] for row in coverage_of(database, PROJECT, "security")] == ["not_looked_at"]


def test_a_skip_keeps_its_reason_and_coverage(database: Database, tmp_path: Path) -> None:
    prepared(database, tmp_path)
    record_skip(database, an_item(), Skip("docs only", (Coverage("README.md", "", "screened"),)))
    row = items.find(database, an_item().id)
    assert row is not None and (row.state, row.reason) == ("skipped", "docs only")
    assert coverage_of(database, PROJECT, "security")[0]["path"] == "README.md"


def test_a_newer_review_of_the_same_branch_replaces_the_older_that_waits(
    database: Database, tmp_path: Path
) -> None:
    prepared(database, tmp_path)

    def reviewed(head: str, branch: str, name: str, type_: str = "review") -> str:
        item = msgspec.structs.replace(an_item(head, "review"), key=branch)
        items.queue(database, item, RUN)
        made = msgspec.structs.replace(a_proposal(name, type_=type_), job="review", item=item.id)
        advisory = msgspec.structs.replace(a_proposal(f"{name} advisory"), job="review", item=item.id)
        record_done(database, item, RUN, Done(proposals=(made, advisory)), model=True)
        return made.id

    other = reviewed("a", "#8", "other")
    decided = reviewed("b", "#7", "decided")
    decide(database, [decided], "approve", by="Ada")
    old = reviewed("c", "#7", "old", "comment")
    assert [state_of(database, one) for one in (other, decided, old)] == ["open", "approved", "open"]
    new = reviewed("d", "#7", "new")
    assert [state_of(database, one) for one in (other, decided, old, new)] == [
        "open", "approved", "stale", "open",
    ]  # fmt: skip
    reviewed("c", "#7", "old but seen again", "comment")
    assert [one.state for one in proposals.of_project(database, PROJECT, type_="review")] == [
        "open", "approved", "open",
    ]  # fmt: skip
    assert {one.state for one in proposals.of_project(database, PROJECT, type_="comment")} == {"stale"}
    shown = detail(database, old)
    assert shown is not None and shown.entry.replaced_by == new
    assert f"{new}, which is newer" in str(chain(database, old, lambda _: {}))
    waiting = proposals.of_project(database, PROJECT, states=("open",), type_="advisory")
    assert len(waiting) == 5, "each is about a finding of its own"


def test_bytes_that_are_no_text_are_kept_on_both_databases(database: Database, tmp_path: Path) -> None:
    prepared(database, tmp_path)
    path = b"caf\xe9\x00.py".decode("utf-8", "surrogateescape")
    finding = msgspec.structs.replace(
        a_finding(), title="NUL \0 in it", evidence=(Evidence(path, SHA, 1, 1, "x"),)
    )
    done = Done((finding,), (a_proposal(),), (Coverage(path, "f", "investigated"),))
    record_done(database, an_item(), RUN, done, model=True)
    assert findings_of(database, PROJECT, "security")[0].evidence[0].path == path
    assert coverage_of(database, PROJECT, "security")[0]["path"] == "caf\\xe9\\x00.py"
    assert refresh(database, PROJECT, tmp_path) == 1
    shown = detail(database, a_proposal().id)
    assert shown is not None and msgspec.json.encode(as_json(shown))


def test_the_inbox_lists_the_gravest_first_and_filters(database: Database, tmp_path: Path) -> None:
    prepared(database, tmp_path)
    grave = msgspec.structs.replace(a_finding("b"), severity="critical")
    low = msgspec.structs.replace(a_finding("c"), severity="low")
    done = Done((a_finding("a"), grave, low), tuple(a_proposal(name) for name in "abc"))
    record_done(database, an_item(), RUN, done, model=True)
    assert [one.severity for one in listed(database, PROJECT)] == ["critical", "high", "low"]
    assert [one.severity for one in listed(database, PROJECT, severity="high")] == ["critical", "high"]
    assert listed(database, PROJECT, job="review") == []
    assert len(listed(database, PROJECT, run=RUN, type_="advisory", item=an_item().id)) == 3
    assert listed(database, "another-project") == []


def test_pending_minutes_count_what_waits_and_nothing_else(database: Database, tmp_path: Path) -> None:
    assert pending_minutes(database, PROJECT) == 0.0
    one, _ = filled(database, tmp_path, "a", "b")
    assert pending_minutes(database, PROJECT) == 4.0
    decide(database, [one], "reject", by="Ada", reason="no")
    assert pending_minutes(database, PROJECT) == 2.0


def test_pages_are_private_follow_the_store_and_leave_other_files(database: Database, tmp_path: Path) -> None:
    one, two = filled(database, tmp_path, "a", "b")
    folder = tmp_path / "state" / "inbox"
    assert refresh(database, PROJECT, tmp_path / "state") == 2
    assert (folder.stat().st_mode & 0o777, (folder / f"{one}.md").stat().st_mode & 0o777) == (0o700, 0o600)
    assert "os.system(x)" in (folder / f"{one}.md").read_text()
    (folder / "mine.txt").write_text("a note")
    (folder / f"{two}.md").write_text("scribbled over")
    decide(database, [one], "reject", by="Ada", reason="no")
    assert refresh(database, PROJECT, tmp_path / "state") == 1
    assert sorted(p.name for p in folder.iterdir()) == sorted(["mine.txt", f"{two}.md"])
    assert "scribbled" not in (folder / f"{two}.md").read_text()

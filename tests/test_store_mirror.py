"""The mirror's rows: the newest wins in whatever order they come, and what is asked for is found."""

from __future__ import annotations

from pathlib import Path

import pytest

from hundredfold.store import mirror
from hundredfold.store.database import Database, now_us
from hundredfold.store.items import keep_project
from hundredfold.store.mirrorrows import CommentRow, EventRow, IssueRow, PullRow, Row


@pytest.fixture(autouse=True)
def project(database: Database) -> str:
    for slug in ("p", "other"):
        keep_project(database, slug, Path("/repo"))
    return "p"


def issue(number: int, updated_us: int = 1, **changes: object) -> IssueRow:
    values: dict[str, object] = {
        "number": number, "pull": False, "title": f"Issue {number}", "body": "b", "author": "ada",
        "state": "open", "reason": "", "labels": ["bug"], "assignees": [], "comments": 0, "locked": False,
        "created_us": 1, "updated_us": updated_us, "closed_us": None, "closed_by": "", "url": "u",
    }  # fmt: skip
    return IssueRow(**(values | changes))  # type: ignore[arg-type]


def kept(database: Database, *rows: Row, project: str = "p") -> int:
    with database.write() as connection:
        return mirror.keep(connection, database, project, rows)


def test_an_older_answer_never_overwrites_a_newer_one(database: Database) -> None:
    kept(database, issue(1, 5, title="new"))
    kept(database, issue(1, 4, title="old"), issue(2))
    found = mirror.issue(database, "p", 1)
    assert found is not None and found.title == "new"
    kept(database, issue(1, 5, title="same second"))
    found = mirror.issue(database, "p", 1)
    assert found is not None and found.title == "same second"


def test_issues_come_in_chunks_by_state_kind_and_time(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirror, "CHUNK", 2)
    rows = [issue(n, n, pull=n % 3 == 0, state="closed" if n % 2 else "open") for n in range(1, 11)]
    kept(database, *rows)
    kept(database, issue(99), project="other")
    assert [one.number for one in mirror.issues(database, "p")] == [1, 2, 4, 5, 7, 8, 10]
    assert [one.number for one in mirror.issues(database, "p", pull=None)] == list(range(1, 11))
    assert [one.number for one in mirror.issues(database, "p", pull=True, state="open")] == [6]
    assert [one.number for one in mirror.issues(database, "p", pull=None, since_us=9)] == [9, 10]


def test_what_the_mirror_noted_itself_outlives_a_new_answer(database: Database) -> None:
    pull = PullRow(3, "topic", "a" * 40, "acme/widget", "main", "b" * 40, False, None, "", 5, reviews_us=5)
    kept(database, pull)
    kept(database, PullRow(3, "topic", "c" * 40, "acme/widget", "main", "b" * 40, False, None, "", 6))
    found = mirror.pull(database, "p", 3)
    assert found is not None and (found.head_sha, found.reviews_us) == ("c" * 40, 5)


def test_text_that_no_database_takes_is_escaped_everywhere(database: Database) -> None:
    kept(database, issue(1, body="nul \0 and \ud800", labels=["\0"]))
    found = mirror.issue(database, "p", 1)
    assert found is not None and (found.body, found.labels) == ("nul \\x00 and \\ud800", ["\\x00"])


def test_comments_and_events_are_found_by_item(database: Database) -> None:
    comments = [
        CommentRow(kind, number, 7, "bob", "hi", "", None, "", None, None, number, number)
        for kind, number in (("issue", 2), ("inline", 1), ("issue", 1))
    ]
    events = [
        EventRow(n, n % 2, kind, "bob", "", {}, n) for n, kind in enumerate(("closed", "labeled", "merged"))
    ]
    kept(database, *comments, *events)
    assert [(one.kind, one.id) for one in mirror.comments(database, "p", 7)] == [
        ("inline", 1), ("issue", 1), ("issue", 2),
    ]  # fmt: skip
    assert [one.id for one in mirror.comments(database, "p", 7, kind="issue")] == [1, 2]
    assert [one.kind for one in mirror.events(database, "p", number=0)] == ["closed", "merged"]
    assert [one.id for one in mirror.events(database, "p", kinds=("merged", "labeled"), since_us=2)] == [2]
    assert mirror.counts(database, "p")["comments"] == 3


def test_a_delivery_is_new_once_by_its_id_and_by_its_body(database: Database) -> None:
    def new(delivery: str, body: str, project: str = "p") -> bool:
        with database.write() as connection:
            return mirror.take_delivery(connection, database, project, delivery, body, "issues")

    assert new("d-1", "b-1")
    assert not new("d-1", "b-1")
    assert not new("d-2", "b-1")
    assert not new("d-1", "b-2")
    assert new("d-3", "b-2"), "an id that was used before does not spoil a body that is new"
    assert new("d-1", "b-1", "other")


def test_deliveries_of_long_ago_are_forgotten_and_no_others(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = now_us()
    for delivery, at in (("old", now - mirror.DELIVERIES_KEPT_US - 1_000_000), ("new", now)):
        monkeypatch.setattr(mirror, "now_us", lambda at=at: at)
        with database.write() as connection:
            assert mirror.take_delivery(connection, database, "p", delivery, delivery, "issues")
    with database.write() as connection:
        mirror.prune_deliveries(connection, "p")
        assert mirror.take_delivery(connection, database, "p", "old", "old", "issues")
        assert not mirror.take_delivery(connection, database, "p", "new", "new", "issues")


def test_a_cursor_is_kept_with_its_rows_or_not_at_all(database: Database) -> None:
    with pytest.raises(RuntimeError), database.write() as connection:
        mirror.keep(connection, database, "p", [issue(1)])
        mirror.keep_cursor(connection, database, "p", "issues", "acme/widget", {"since": 1})
        raise RuntimeError("killed")
    assert mirror.cursor(database, "p", "issues") is None and mirror.issue(database, "p", 1) is None
    for since in (1, 2):
        with database.write() as connection:
            mirror.keep_cursor(connection, database, "p", "issues", "acme/widget", {"since": since})
    found = mirror.cursor(database, "p", "issues")
    assert found is not None and found.state == {"since": 2}
    mirror.forget(database, "p")
    assert mirror.cursor(database, "p", "issues") is None

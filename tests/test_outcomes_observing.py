"""Observers over a real repository and a mirror: each kind's fate by its rules, looked at as often as
needed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hundredfold.evidence.agenttraces import trace
from hundredfold.outcome import Observation, Origin, Outcome
from hundredfold.outcomes.issues import Issues
from hundredfold.outcomes.lines import Place, changed
from hundredfold.outcomes.observing import Observer
from hundredfold.outcomes.past import PEOPLE, past_commits, past_pulls
from hundredfold.outcomes.references import Reference, parse
from hundredfold.sources.git import Repository, open_repository
from hundredfold.sources.githistory import History
from hundredfold.store import mirror, outcomes
from hundredfold.store.database import Database
from hundredfold.store.items import keep_project
from hundredfold.store.mirrorrows import EventRow, IssueRow, PullRow, ReviewRow, Row
from tests.support.repositories import RepositoryMaker

Make = Callable[..., RepositoryMaker]
DAY = 86_400 * 1_000_000
CLAUDE = "\n\nCo-authored-by: Claude Opus 4.5 <noreply@anthropic.com>"
CODE = "".join(f"value_{n} = {n}\n" for n in range(20))


@pytest.fixture(autouse=True)
def project(database: Database) -> str:
    keep_project(database, "p", Path("/repo"))
    return "p"


@pytest.fixture
def maker(make_repository: Make) -> RepositoryMaker:
    made = make_repository()
    made.commit({"README": "words\n"}, "Start")
    return made


@pytest.fixture
def opened(maker: RepositoryMaker) -> Iterator[Callable[[], Repository]]:
    repositories: list[Repository] = []

    def read() -> Repository:
        repositories.append(open_repository(maker.root))
        return repositories[-1]

    yield read
    for one in repositories:
        one.close()


def kept(database: Database, *rows: Row) -> None:
    with database.write() as connection:
        mirror.keep(connection, database, "p", rows)
        mirror.keep_cursor(connection, database, "p", "whole", "o/r", {})


def issue(number: int, at_us: int, **changes: object) -> IssueRow:
    values: dict[str, object] = {
        "number": number, "pull": False, "title": f"Thing {number}", "body": "", "author": "ada",
        "state": "open", "reason": "", "labels": [], "assignees": [], "comments": 0, "locked": False,
        "created_us": at_us, "updated_us": at_us, "closed_us": None, "closed_by": "", "url": f"u/{number}",
    }  # fmt: skip
    return IssueRow(**(values | changes))  # type: ignore[arg-type]


def pull(number: int, head: str, base: str, at_us: int, **changes: object) -> PullRow:
    values: dict[str, object] = {
        "number": number, "head_ref": "work", "head_sha": head, "head_repository": "o/r", "base_ref": "main",
        "base_sha": base, "draft": False, "merged_us": None, "merge_sha": "", "updated_us": at_us,
    }  # fmt: skip
    return PullRow(**(values | changes))  # type: ignore[arg-type]


def state_of(database: Database, reference: str) -> Observation:
    (row,) = outcomes.of_project(database, "p", references=[reference])
    assert row.observation is not None
    return row.observation


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ({"authors": ("Copilot", "198982749+Copilot@users.noreply.github.com")}, "copilot"),
        ({"text": "Fix it\n\nCo-Authored-By: Claude <noreply@anthropic.com>"}, "claude"),
        ({"text": "Fix it\n\nCo-authored-by: Claude Dupont <claude@dupont.fr>"}, None),
        ({"authors": ("Devin Booker", "devin@example.org")}, None),
        ({"branch": "codex/fix-the-thing"}, "codex"),
        ({"authors": ("devin-ai-integration[bot]",)}, "devin"),
        ({"text": "see https://claude.ai/code for more"}, "claude"),
        ({"authors": ("Ada",), "text": "I dislike claude and codex", "branch": "fix"}, None),
    ],
)
def test_agents_are_told_by_their_traces_and_people_are_not(
    found: dict[str, object], expected: str | None
) -> None:
    told = trace(**found)  # type: ignore[arg-type]
    assert (told.agent if told else None) == expected


def test_references_are_read_back() -> None:
    for one in (Reference("pull", 12), Reference("issue", 7), Reference("commit", sha="a" * 40)):
        assert parse(str(one)) == one
    for text in ("", "pull:", "pull:0", "pull:x", "commit:abc", "file:///etc", "issue:-1"):
        assert parse(text) is None


def test_the_past_in_git_is_followed_to_its_end(
    maker: RepositoryMaker, opened: Callable[[], Repository], database: Database
) -> None:
    stays = maker.commit({"a.py": CODE}, "Add a" + CLAUDE)
    goes = maker.commit({"b.py": CODE}, "Add b" + CLAUDE)
    maker.commit({"c.py": CODE}, "Add c by hand")
    maker.commit({"b.py": None}, f'Revert "Add b"\n\nThis reverts commit {goes}.')
    repository = opened()
    history = History(repository, "main")
    past = list(past_commits(history, "p"))
    assert [one.outcome.reference for one in past] == [f"commit:{stays}", f"commit:{goes}"]
    assert {one.outcome.origin.agent for one in past} == {"claude"}
    everybody = list(past_commits(history, "p", people=True))
    assert [one.outcome.origin.agent for one in everybody].count(PEOPLE) == 3
    outcomes.keep(database, [one.outcome for one in past], look_us=0)

    soon = Observer(database, "p", repository, "main", (maker.clock + 60) * 1_000_000).look()
    assert (soon.looked, soon.states) == (2, {"accepted": 1, "reverted": 1})
    assert state_of(database, f"commit:{goes}").confirmed, "somebody else's word"
    again = Observer(database, "p", repository, "main", (maker.clock + 120) * 1_000_000).look()
    assert again.looked == 0, "nothing is due"
    late = Observer(database, "p", repository, "main", maker.clock * 1_000_000 + 31 * DAY).look()
    assert late.states == {"survived": 1}
    assert state_of(database, f"commit:{stays}").lines_kept == 20


def test_the_past_on_the_forge_has_its_rejected_ones_too(
    maker: RepositoryMaker, opened: Callable[[], Repository], database: Database
) -> None:
    base = maker.git("rev-parse", "HEAD")
    merged = maker.commit({"a.py": CODE}, "Add a (#1)")
    at = maker.clock * 1_000_000
    body = "Adds it.\n\nGenerated with [Claude Code](https://claude.ai/code)"
    closed = {"state": "closed", "closed_us": at + 5, "pull": True, "body": body}
    kept(
        database,
        issue(1, at, **closed),
        pull(1, "f" * 40, base, at, merged_us=at + 5, merge_sha=merged),
        ReviewRow(1, 1, "bob", "APPROVED", "", "f" * 40, at + 2),
        ReviewRow(2, 1, "ada", "COMMENTED", "", "f" * 40, at + 3),
        issue(2, at, **closed),
        pull(2, "e" * 40, base, at),
        issue(3, at, pull=True, body=body),
        pull(3, "d" * 40, base, at),
        issue(4, at, pull=True, body="by hand"),
        pull(4, "c" * 40, base, at),
    )
    past = list(past_pulls(database, "p"))
    assert [one.outcome.reference for one in past] == ["pull:1", "pull:2", "pull:3"]
    outcomes.keep(database, [one.outcome for one in past], look_us=0)
    looked = Observer(database, "p", opened(), "main", at + DAY).look()
    assert looked.states == {"accepted": 1, "pending": 1, "rejected": 1}
    seen = state_of(database, "pull:1")
    assert seen.confirmed and seen.evidence["reviewed by"] == ["bob"], "its author's own word is none"
    assert state_of(database, "pull:2").rule == "closed without being merged"


def test_a_persons_word_stands_against_observers(
    maker: RepositoryMaker, opened: Callable[[], Repository], database: Database
) -> None:
    sha = maker.commit({"a.py": CODE}, "Add a" + CLAUDE)
    origin = Origin(project="p", job="past commits", kind="commit", agent="claude")
    followed = Outcome("o-1", origin, "Add a", maker.clock * 1_000_000, reference=f"commit:{sha}")
    outcomes.keep(database, [followed], look_us=0)
    now = maker.clock * 1_000_000 + DAY
    Observer(database, "p", opened(), "main", now).look()
    word = Observation(
        outcome="o-1", state="rejected", rule="a person says so", strength="high", observed_us=now, by="Ada",
        ended_us=now, person=True, reason="it never worked",
    )  # fmt: skip
    outcomes.overrule(database, word)
    Observer(database, "p", opened(), "main", now + 40 * DAY).look()
    assert state_of(database, f"commit:{sha}").by == "Ada"


def test_duplicates_labels_and_issues_by_the_mirror(database: Database) -> None:
    kept(
        database,
        issue(1, 1, state="closed", reason="duplicate", closed_us=10),
        issue(2, 1),
        issue(3, 1, state="open"),
        EventRow(9, 3, "reopened", "eve", "", {}, 50),
        issue(4, 1, state="closed", reason="completed", closed_us=20, closed_by="bob"),
        issue(5, 1, state="closed", reason="not_planned", closed_us=20),
        issue(6, 1, labels=["bug"]),
    )
    early, late = Issues(database, "p", DAY), Issues(database, "p", 31 * DAY)
    assert early.closed_duplicate("o", 1, 2, 10).observation.state == "accepted"
    over = late.closed_duplicate("o", 1, 2, 10).observation
    assert (over.state, over.strength) == ("survived", "medium")
    orphan = late.closed_duplicate("o", 1, 99, 10).observation
    assert (orphan.state, orphan.strength) == ("accepted", "low"), "closed against nothing is weak"
    back = early.closed_duplicate("o", 3, 2, 10).observation
    assert (back.state, back.ended_us, back.evidence["reopened by"]) == ("reverted", 50, "eve")
    assert early.opened("o", 4, 1).observation.state == "accepted"
    assert early.opened("o", 5, 1).observation.state == "rejected"
    assert early.opened("o", 2, 1).observation.state == "pending"
    assert early.opened("o", 77, 1).observation.state == "unknown"
    assert early.labelled("o", 6, ("bug",), 5).observation.state == "accepted"
    assert early.labelled("o", 6, ("bug", "dup"), 5).observation.state == "reverted"


def test_lines_that_were_moved_are_not_changed_and_edited_ones_are(
    maker: RepositoryMaker, opened: Callable[[], Repository]
) -> None:
    before = maker.commit({"a.py": CODE, "gone.py": CODE}, "Add")
    maker.commit(
        {"a.py": "import os\n\n" + CODE.replace("value_7 = 7", "value_7  =  7"), "gone.py": None}, "Move"
    )
    tip = maker.commit({"a.py": "import os\n\n" + CODE.replace("value_9 = 9", "value_9 = 90")}, "Edit")
    repository = opened()
    assert changed(repository, Place("a.py", before, 6, 9), tip) is False
    assert changed(repository, Place("a.py", before, 9, 11), tip) is True
    assert changed(repository, Place("gone.py", before, 1, 2), tip) is True
    assert changed(repository, Place("never.py", before, 1, 2), tip) is None


def test_many_open_outcomes_ask_the_forge_nothing(
    maker: RepositoryMaker, opened: Callable[[], Repository], database: Database
) -> None:
    """Observers have no way to a forge: what they know is in git and in the store."""
    at = maker.clock * 1_000_000
    origin = Origin(project="p", job="past pull requests", kind="pull_request", agent="codex")
    many = [Outcome(f"o-{n}", origin, "t", at, reference=f"pull:{n}") for n in range(1, 501)]
    outcomes.keep(database, many, look_us=0)
    looked = Observer(database, "p", opened(), "main", at + DAY).look()
    assert (looked.looked, looked.states) == (500, {"pending": 500})
    assert Observer(database, "p", opened(), "main", at + DAY).look().looked == 0

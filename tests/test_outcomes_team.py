"""What a team ships, counted out of a real repository and a mirror, with what each count is a part of."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from hundredfold.outcomes.team import Shipped, months, shipped
from hundredfold.sources.git import open_repository
from hundredfold.sources.githistory import History
from hundredfold.store import mirror
from hundredfold.store.database import Database
from hundredfold.store.items import keep_project
from hundredfold.store.mirrorrows import Row
from tests.support.repositories import RepositoryMaker
from tests.test_outcomes_observing import CLAUDE, DAY, issue, pull

Make = Callable[..., RepositoryMaker]
HOUR = 3_600 * 1_000_000


def kept(database: Database, *rows: Row) -> None:
    keep_project(database, "p", Path("/repo"))
    with database.write() as connection:
        mirror.keep(connection, database, "p", rows)


def test_work_is_counted_by_period_with_the_agents_share(make_repository: Make, database: Database) -> None:
    maker = make_repository()
    base = maker.commit({"a": "1"}, "By hand")
    goes = maker.commit({"b": "1"}, "Add b" + CLAUDE)
    maker.commit({"b": None}, f'Revert "Add b"\n\nThis reverts commit {goes}.')
    maker.git("tag", "v1")
    at = maker.clock * 1_000_000
    done = {"state": "closed", "closed_us": at, "pull": True}
    kept(
        database,
        issue(1, at - 30 * HOUR),
        issue(5, at - 10 * HOUR, body="Fixes #1, which is no pull request"),
        issue(2, at, body="Fixes #1 and closes #9.", author="Copilot", **done),
        pull(2, goes, base, at, merged_us=at),
        issue(3, at, body="resolves: #5", **done),
        pull(3, goes, base, at, merged_us=at),
        issue(4, at, **done),
        pull(4, goes, base, at),
    )
    repository = open_repository(maker.root)
    (one, before) = shipped(
        database, "p", History(repository, "main"), repository.tags(), [("all", 0, at + 1), ("none", 0, 1)]
    )
    repository.close()
    assert (one.commits, one.commits_by_agents, one.reverted, one.reverted_by_agents) == (3, 1, 1, 1)
    assert (one.releases, one.pulls, one.pulls_by_agents, one.closed_unmerged) == (1, 2, 1, 1)
    assert sorted(one.fix_hours) == [10.0, 30.0] and one.median_fix_hours == 20.0
    assert (before.commits, before.median_fix_hours) == (0, None)


def test_months_are_whole_and_the_last_ends_now() -> None:
    found = months(1_767_225_600_000_000 + 5 * DAY, 1_767_225_600_000_000 + 40 * DAY)
    assert [name for name, _, _ in found] == ["2026-01", "2026-02"]
    assert found[0][1] == 1_767_225_600_000_000 and found[0][2] == found[1][1]
    assert found[1][2] == 1_767_225_600_000_000 + 40 * DAY


@pytest.mark.parametrize(("days", "count", "rate"), [(15.0, 3, 6.0), (0.0, 3, 0.0), (60.0, 0, 0.0)])
def test_a_rate_is_for_thirty_days_and_divides_by_nothing(days: float, count: int, rate: float) -> None:
    assert Shipped("x", days).per_month(count) == rate


def test_headings_are_wrapped_between_words_where_the_terminal_is_narrow(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from hundredfold.cli.team import _print

    monkeypatch.setenv("COLUMNS", "80")
    whole = Shipped("2026-09", 30, 2, 345, 40, 3, 1, 120, 30, 14, (30.0, 70.0))
    since = Shipped("since the fleet", 65, 2, 1345, 400, 3, 1, 120, 30, 14, (30.0,))
    _print((whole,), (since,), mirrored=True)
    printed = capsys.readouterr().out
    assert "…" not in printed and all(len(line) <= 80 for line in printed.splitlines())
    for word in ("releases", "reverted", "unmerged", "2026-09"):
        assert word in printed

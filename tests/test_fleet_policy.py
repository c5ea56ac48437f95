"""What the fleet does when agents fail, each by a fault of the simulated provider, in the real program."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.support.program import Ended, hundredfold, weak_project
from tests.support.provider import SURE, simulated_provider
from tests.support.repositories import RepositoryMaker

Make = Callable[..., RepositoryMaker]


def run_with(make: Make, tmp_path: Path, extra: str, commits: int = 1, **profile: Any) -> tuple[Ended, Any]:
    with simulated_provider(tmp_path, seed=2, **profile) as provider:
        repo = weak_project(make(), provider.base_url, commits=commits, extra=extra)
        ended = hundredfold("run", "--json", repo=repo)
    return ended, ended.json()


def test_throttling_requeues_without_spending_the_failure_budget(
    make_repository: Make, tmp_path: Path
) -> None:
    ended, report = run_with(
        make_repository, tmp_path, "[fleet]\nretries = 0", commits=3, faults={"throttled": 0.4}
    )
    assert ended.code in (0, 8), ended.err
    assert set(report["attempts"]) <= {"ok", "throttled"}
    assert report["attempts"]["ok"] >= 3


def test_an_answer_that_breaks_the_schema_is_tried_again_then_the_item_is_incomplete(
    make_repository: Make, tmp_path: Path
) -> None:
    ended, report = run_with(make_repository, tmp_path, "[fleet]\nretries = 1", answers={"schema_break": 1.0})
    assert ended.code == 8
    assert report["attempts"] == {"schema": 2}
    assert report["items"] == {"incomplete": 1}
    assert "schema" in str(report["coverage"]["reasons"])
    assert report["coverage"]["investigated"] == 0


def test_a_refusal_is_kept_and_not_asked_again(make_repository: Make, tmp_path: Path) -> None:
    ended, report = run_with(make_repository, tmp_path, "", answers={"refusal": 1.0})
    assert ended.code == 8
    assert report["attempts"] == {"refused": 1}
    assert report["items"] == {"incomplete": 1}


def test_a_silent_provider_ends_the_attempt_as_stalled(make_repository: Make, tmp_path: Path) -> None:
    ended, report = run_with(
        make_repository, tmp_path, "[fleet]\nretries = 0\nstall-seconds = 3.0", faults={"hang": 1.0}
    )
    assert ended.code == 8
    assert report["attempts"] == {"timeout": 1}
    assert report["items"] == {"incomplete": 1}


def test_a_used_up_quota_stops_the_run(make_repository: Make, tmp_path: Path) -> None:
    ended, report = run_with(make_repository, tmp_path, "", commits=4, faults={"quota": 1.0})
    assert ended.code == 5, (ended.out, ended.err)
    assert report["halted"]
    assert sum(report["items"].values()) == 4


def test_a_full_inbox_defers_new_work(make_repository: Make, tmp_path: Path) -> None:
    with simulated_provider(tmp_path, seed=5, mind=SURE) as provider:
        maker = make_repository()
        repo = weak_project(maker, provider.base_url, extra="[fleet]\nreview-minutes = 0.5")
        first = hundredfold("run", "--json", repo=repo).json()
        assert first["taken"]["deferred"] == 0
        assert hundredfold("inbox", "--json", repo=repo).json()["proposals"]
        maker.commit({"late.py": "import os\n\n\ndef late(a):\n    os.system(a)\n"}, "Later")
        second = hundredfold("run", repo=repo)
        assert second.code == 0
        assert "review minutes" in second.out
        third = hundredfold("run", "--json", repo=repo).json()
        assert third["taken"]["deferred"] >= 1
        assert third["taken"]["queued"] == 0

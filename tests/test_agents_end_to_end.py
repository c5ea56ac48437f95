"""The whole program with an agent that is a process per attempt: from commits to proposals and a bill."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.backends import ready
from tests.support.program import hundredfold, weak_project
from tests.support.provider import SURE, simulated_provider
from tests.support.repositories import RepositoryMaker

pytestmark = pytest.mark.codex


@pytest.mark.parametrize("agent", ["claude", "codex-exec"])
def test_from_commits_to_proposals_and_a_bill(
    agent: str,
    tmp_path: Path,
    make_repository: Callable[..., RepositoryMaker],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ready(agent, monkeypatch)
    with simulated_provider(tmp_path, mind=SURE | {"rounds": [1, 1]}) as provider:
        root = weak_project(make_repository(), provider.base_url, commits=2, agent=agent)
        run = hundredfold("run", "--json", repo=root)
        assert run.code == 0, run.err
        asked = len(provider.lines())
    assert run.json()["items"] == {"done": 2}
    assert run.json()["attempts"]["ok"] >= 2
    assert hundredfold("inbox", "--json", repo=root).json()["proposals"]
    (line,) = hundredfold("spend", "--by", "agent", "--json", repo=root).json()["simulated"]["lines"]
    assert (line["agent"], line["requests"]) == (agent, asked)
    assert line["failed"] == 0

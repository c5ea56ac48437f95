"""The job `benchmarks` on a forge: a step in data.js becomes an issue there, which names the nearest known
one. Codex is the real one.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from hundredfold.simulation.forge.api.issues import new_issue
from tests.support.benchmarks import SLOW_FROM, slower_project
from tests.support.forge import TOKEN, TestForge
from tests.support.program import CONFIG, hundredfold
from tests.support.provider import simulated_provider
from tests.support.repositories import RepositoryMaker

Make = Callable[..., RepositoryMaker]
SETTINGS = """[job.benchmarks]
cadence = ""
[job.benchmarks.results]
files = ["data.js"]
[forge]
kind = "github"
repository = "acme/widget"
base-url = "{api}"
pace-seconds = 0.0
"""


@pytest.mark.codex
def test_from_results_to_an_issue_on_the_forge_and_back(
    make_repository: Make, tmp_path: Path, home: Path
) -> None:
    maker = make_repository()
    shas = slower_project(maker)
    (maker.root / ".git/info/exclude").write_text("hundredfold.toml\ndata.js\n")
    forge = TestForge(tmp_path / "forge")
    forge.clock.at = time.time()
    title = "Python: parse is slower, parse more too"
    known = new_issue(forge.hub, forge.repo, "bob", title, "It was 100 ms and is 130 ms now.").number
    maker.git("push", "-q", str(forge.repo.git.folder), "HEAD:refs/heads/measured")
    before = set(forge.repo.issues)
    with simulated_provider(tmp_path, seed=3, mind={"p_true": 1.0}) as provider, forge.served() as api:
        extra = SETTINGS.format(api=api)
        config = CONFIG.format(base_url=provider.base_url, agent="codex", extra=extra, provider="")
        (maker.root / "hundredfold.toml").write_text(config)
        ran = hundredfold("run", "--json", repo=maker.root, GITHUB_TOKEN=TOKEN)
        assert ran.code == 0, (ran.out, ran.err)
        proposals = hundredfold("inbox", "--json", repo=maker.root).json()["proposals"]
        (proposal,) = [one["id"] for one in proposals if one["type"] == "issue"]
        approved = hundredfold("approve", proposal, "--by", "Ada", repo=maker.root, GITHUB_TOKEN=TOKEN)
        assert approved.code == 0, (approved.out, approved.err)
        (number,) = set(forge.repo.issues) - before
        issue = forge.repo.issues[number]
        body = issue.body or ""
        assert "parse" in issue.title and "slower" in issue.title and "work.py" in body
        assert shas[SLOW_FROM - 3] in body and shas[SLOW_FROM + 3] in body, "the range that was measured"
        assert f"The nearest known issue is #{known} (open): {title}" in body
        undone = hundredfold("undo", proposal, "--by", "Ada", repo=maker.root, GITHUB_TOKEN=TOKEN)
        assert undone.code == 0, undone.err
        assert forge.repo.issues[number].state == "closed"
        assert forge.repo.issues[known].state == "open"


POLICY = """[job.benchmarks]
cadence = ""
[job.benchmarks.results]
files = ["data.js"]
[[publish.policy]]
name = "sure steps"
job = "benchmarks"
types = ["issue"]
confidence = 0.1
"""


def test_a_run_applies_what_the_policy_allows_and_says_by_which_rule(
    make_repository: Make, tmp_path: Path, home: Path
) -> None:
    maker = make_repository()
    slower_project(maker)
    (maker.root / ".git/info/exclude").write_text("hundredfold.toml\ndata.js\n")
    forge = TestForge(tmp_path / "forge")
    forge.clock.at = time.time()
    maker.git("push", "-q", str(forge.repo.git.folder), "HEAD:refs/heads/measured")
    before = set(forge.repo.issues)
    with simulated_provider(tmp_path, seed=3, mind={"p_true": 1.0}) as provider, forge.served() as api:
        extra = POLICY + SETTINGS.format(api=api).partition("[forge]")[2].join(("[forge]", ""))
        config = CONFIG.format(base_url=provider.base_url, agent="native", extra=extra, provider="")
        (maker.root / "hundredfold.toml").write_text(config)
        without = hundredfold("run", "--json", repo=maker.root, GITHUB_TOKEN="")
        assert without.code == 0, without.err
        told = without.json()["by_policy"]
        assert told["published"] == [] and "GITHUB_TOKEN" in told["why_not"]
        assert set(forge.repo.issues) == before, "without a credential nothing is decided"
        ran = hundredfold("run", repo=maker.root, GITHUB_TOKEN=TOKEN)
        assert ran.code == 0, (ran.out, ran.err)
        assert len(set(forge.repo.issues) - before) == 1
        assert "by policy sure steps  applied" in ran.out
        left = hundredfold("inbox", "--json", repo=maker.root).json()["proposals"]
        assert [one["type"] for one in left] == ["notice"], "no rule allows it"

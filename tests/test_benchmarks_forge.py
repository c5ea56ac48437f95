"""The job `benchmarks` on a forge: a step in data.js becomes an issue there, which names the nearest known
one. Codex is the real one.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from hundredfold.simulation.forge.api.issues import new_issue
from tests.support.benchmarks import SLOW_FROM, slower_project, write_results
from tests.support.forge import TOKEN, TestForge
from tests.support.program import CONFIG, command, hundredfold
from tests.support.provider import SURE, simulated_provider
from tests.support.repositories import RepositoryMaker
from tests.support.waiting import PATIENCE_S, until

Make = Callable[..., RepositoryMaker]
FORGE = """[forge]
kind = "github"
repository = "acme/widget"
base-url = "{api}"
pace-seconds = 0.0
"""
SETTINGS = """[job.benchmarks]
cadence = ""
[job.benchmarks.results]
files = ["data.js"]
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
    with simulated_provider(tmp_path, seed=3, mind=SURE) as provider, forge.served() as api:
        extra = SETTINGS + FORGE.format(api=api)
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


POLICY = f"""{SETTINGS}[[publish.policy]]
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
    with simulated_provider(tmp_path, seed=3, mind=SURE) as provider, forge.served() as api:
        extra = POLICY + FORGE.format(api=api)
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


def test_a_watching_run_applies_what_the_policy_allows_once_it_comes(
    make_repository: Make, tmp_path: Path, home: Path
) -> None:
    """Results come while the run watches: the step in them is on the forge without anybody's call, once, and
    what no rule allows waits for people."""
    maker = make_repository()
    slower_project(maker)
    (maker.root / ".git/info/exclude").write_text("hundredfold.toml\ndata.js\n")
    later = (maker.root / "data.js").read_text()
    first = json.loads(later.partition("=")[2])
    first["entries"]["Python"] = first["entries"]["Python"][: SLOW_FROM - 8]
    write_results(maker.root, first["entries"]["Python"])
    forge = TestForge(tmp_path / "forge")
    forge.clock.at = time.time()
    maker.git("push", "-q", str(forge.repo.git.folder), "HEAD:refs/heads/measured")
    before = set(forge.repo.issues)
    with simulated_provider(tmp_path, seed=3, mind=SURE) as provider, forge.served() as api:
        extra = POLICY.replace('cadence = ""', 'cadence = "* * * * * */1"') + FORGE.format(api=api)
        config = CONFIG.format(base_url=provider.base_url, agent="native", extra=extra, provider="")
        (maker.root / "hundredfold.toml").write_text(config)
        out, said = tmp_path / "out.json", tmp_path / "said.txt"
        with out.open("wb") as stdout, said.open("wb") as stderr:
            watching = subprocess.Popen(
                command("run", "--watch", "--json", repo=maker.root),
                env={**os.environ, "GITHUB_TOKEN": TOKEN},
                stdout=stdout,
                stderr=stderr,
            )
        try:
            until(lambda: "watching" in said.read_text(), "it watches")
            assert set(forge.repo.issues) == before, "nothing became slower yet"
            (maker.root / "new.js").write_text(later)
            (maker.root / "new.js").replace(maker.root / "data.js")
            (number,) = until(lambda: set(forge.repo.issues) - before, "the step is told on the forge")
            assert "slower" in forge.repo.issues[number].title
            until(
                lambda: states(maker.root) == ["applied", "open"], "it is recorded, the notice is left open"
            )
        finally:
            watching.send_signal(signal.SIGTERM)
            ended = watching.wait(PATIENCE_S)
        assert ended == 130, said.read_text()
        assert set(forge.repo.issues) - before == {number}, "however often it looked, once"
        (published,) = json.loads(out.read_text())["by_policy"]["published"]
        assert (published["rule"], published["result"]) == ("sure steps", "applied")
        undone = hundredfold(
            "undo", published["proposal"], "--by", "Ada", repo=maker.root, GITHUB_TOKEN=TOKEN
        )
        assert undone.code == 0 and forge.repo.issues[number].state == "closed", undone.err


def states(root: Path) -> list[str]:
    """The states of all proposals, in order."""
    shown = hundredfold("inbox", "--all", "--json", repo=root).json()["proposals"]
    return sorted(one["state"] for one in shown)

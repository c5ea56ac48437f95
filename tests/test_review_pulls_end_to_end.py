"""The job `review` on pull requests: the real program, Codex and git against the simulated forge, whose
repositories are real, and the simulated provider."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hundredfold.config import load_settings, place_of
from hundredfold.simulation.forge.api.pulls import new_pull
from hundredfold.simulation.forge.hub import Repo
from hundredfold.simulation.forge.pushes import moved
from hundredfold.simulation.forge.records import Issue
from tests.support.forge import TOKEN, TestForge, commit
from tests.support.program import CONFIG, hundredfold
from tests.support.provider import simulated_provider

CODE = "def mean_{n}(values):\n    return sum(values) / len(values)\n"
FORGE = """
[forge]
kind = "github"
repository = "acme/widget"
base-url = "{api}"
pace-seconds = 0
[job.review]
passes = 4
cadence = ""
"""


class Fork:
    """A stranger's fork of `acme/widget` with a branch that a pull request is of."""

    def __init__(self, forge: TestForge) -> None:
        self.forge = forge
        self.repo: Repo = forge.hub.fork(forge.repo, "mallory")
        self.sha = self._commit(0, forge.base)
        self.pull: Issue = new_pull(
            forge.hub, forge.repo, "mallory", "Add means", "", ("means", self.sha), ("main", forge.base),
            fork=self.repo,
        )  # fmt: skip

    def _commit(self, n: int, start: str = "") -> str:
        self.forge.clock.at = time.time()
        files = {f"src/stats_{n}.py": CODE.format(n=n).encode()}
        return commit(self.repo.git, "means", files, f"Add mean {n}", int(time.time()), start)

    def push(self, n: int) -> str:
        """Add a commit to the branch, as a push does."""
        before, self.sha = self.sha, self._commit(n)
        moved(self.forge.hub, self.repo, "refs/heads/means", before, self.sha, "mallory")
        return self.sha


@pytest.fixture
def forge(tmp_path: Path) -> TestForge:
    made = TestForge(tmp_path / "forge")
    made.clock.at = time.time()
    made.pull.state = "closed"
    return made


@pytest.fixture
def fork(forge: TestForge) -> Fork:
    return Fork(forge)


@pytest.fixture
def clone(tmp_path: Path, forge: TestForge) -> Iterator[Path]:
    """The user's clone, which holds nothing of the fork, and must not change."""
    root = tmp_path / "widget"
    subprocess.run(
        ["git", "clone", "-q", "--single-branch", f"file://{forge.repo.git.folder}", str(root)], check=True
    )
    (root / ".git/info/exclude").write_text("hundredfold.toml\n")
    before = everything(root)
    yield root
    assert everything(root) == before, "nothing is written to the user's repository"


def everything(root: Path) -> dict[str, bytes]:
    return {
        os.fspath(one.relative_to(root)): one.read_bytes()
        for one in (root / ".git").rglob("*")
        if one.is_file()
    }


def configure(root: Path, base_url: str, api: str, agent: str = "codex", more: str = "") -> None:
    extra = FORGE.format(api=api) + more
    (root / "hundredfold.toml").write_text(
        CONFIG.format(base_url=base_url, agent=agent, extra=extra, provider="")
    )


@pytest.mark.codex
def test_from_a_forks_pull_request_to_a_review_in_its_diff_and_to_a_new_head(
    fork: Fork, clone: Path, tmp_path: Path, home: Path
) -> None:
    forge = fork.forge
    with forge.served() as api, simulated_provider(tmp_path, seed=3, mind={"p_true": 1.0}) as provider:
        configure(clone, provider.base_url, api)
        ran = hundredfold("run", "--json", repo=clone, GITHUB_TOKEN=TOKEN)
        assert ran.code == 0, (ran.out, ran.err)
        assert ran.json()["items"] == {"done": 1}
        (early,) = hundredfold("inbox", "--json", repo=clone).json()["proposals"]
        assert early["type"] == "review" and f"#{fork.pull.number} at {fork.sha[:12]}" in early["title"]

        before = fork.sha
        head = fork.push(1)
        refused = hundredfold("approve", early["id"], "--by", "Ada", repo=clone, GITHUB_TOKEN=TOKEN)
        assert f"#{fork.pull.number} was at {before[:12]}" in refused.out + refused.err
        assert fork.pull.pull is not None and fork.pull.pull.reviews == []

        again = hundredfold("run", "--json", repo=clone, GITHUB_TOKEN=TOKEN)
        assert again.code == 0 and again.json()["items"] == {"done": 1}, (again.out, again.err)
        state = place_of(clone, load_settings(clone)).state
        assert "unchanged since" in (state / "reports/review/coverage.json").read_text()
        waiting = hundredfold("inbox", "--json", repo=clone).json()["proposals"]
        (proposal,) = [one for one in waiting if head[:12] in one["title"]]
        approved = hundredfold("approve", proposal["id"], "--by", "Ada", repo=clone, GITHUB_TOKEN=TOKEN)
        assert approved.code == 0, approved.err
        (review,) = [one for one in fork.pull.pull.reviews if one.body]
        assert review.commit == head and review.state == "COMMENTED" and "against" in review.body
        placed = {(one.path, one.side, one.subject) for one in fork.pull.pull.comments}
        assert ("src/stats_0.py", "RIGHT", "line") in placed, "what stood before is in the diff still"
        kept = b"".join(one.read_bytes() for one in state.rglob("*") if one.is_file())
        assert TOKEN.encode() not in kept

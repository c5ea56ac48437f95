"""The job `bugs` on a forge: a failed run's log becomes an issue there, reproduced first. Codex is the real
one.
"""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from hundredfold.simulation.forge.records import Step, WorkflowJob, WorkflowRun
from tests.support.forge import TOKEN, TestForge
from tests.support.program import CONFIG, hundredfold
from tests.support.provider import SURE, simulated_provider
from tests.support.repositories import RepositoryMaker
from tests.test_bugs_end_to_end import BUGS, CODE, LOG, Make


def failed_run(forge: TestForge, sha: str) -> None:
    at = int(time.time()) - 600
    bare = "\n".join(line.partition(" ")[2] for line in LOG.format(test="test_empty").splitlines())
    step = Step("check", "failure", bare)  # the forge puts its own stamps before the lines
    job = WorkflowJob(501, "tests", "failure", at, at + 60, [step])
    forge.repo.workflow_runs[500] = WorkflowRun(
        500, 1, "CI", ".github/workflows/ci.yml", "push", sha, "main", "ada", "completed", "failure",
        at, at + 60, 1, [job], [],
    )  # fmt: skip


@pytest.mark.codex
def test_from_a_failed_run_on_the_forge_to_an_issue_there_and_back(
    make_repository: Make, tmp_path: Path, home: Path
) -> None:
    maker: RepositoryMaker = make_repository()
    sha = maker.commit({"check.py": CODE})
    (maker.root / ".git/info/exclude").write_text("hundredfold.toml\n")
    forge = TestForge(tmp_path / "forge")
    forge.clock.at = time.time()
    maker.git("push", "-q", str(forge.repo.git.folder), "HEAD:refs/heads/ci")
    failed_run(forge, sha)
    before = set(forge.repo.issues)
    with simulated_provider(tmp_path, seed=3, mind=SURE) as provider, forge.served() as api:
        told = (
            f'[forge]\nkind = "github"\nrepository = "acme/widget"\nbase-url = "{api}"\npace-seconds = 0.0\n'
        )
        config = CONFIG.format(base_url=provider.base_url, agent="codex", extra=BUGS, provider="") + told
        (maker.root / "hundredfold.toml").write_text(config)
        ran = hundredfold("run", "--json", repo=maker.root, GITHUB_TOKEN=TOKEN)
        assert ran.code == 0, (ran.out, ran.err)
        (proposal,) = hundredfold("inbox", "--json", repo=maker.root).json()["proposals"]
        approved = hundredfold("approve", proposal["id"], "--by", "Ada", repo=maker.root, GITHUB_TOKEN=TOKEN)
        assert approved.code == 0, approved.err
        (number,) = set(forge.repo.issues) - before
        issue = forge.repo.issues[number]
        body = issue.body or ""
        assert "A simulated report" in issue.title and "It failed 2 of 2 times" in body
        assert "CI, run 500: tests" in body
        undone = hundredfold("undo", proposal["id"], "--by", "Ada", repo=maker.root, GITHUB_TOKEN=TOKEN)
        assert undone.code == 0, undone.err
        assert forge.repo.issues[number].state == "closed"

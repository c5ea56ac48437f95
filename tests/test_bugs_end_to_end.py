"""The job `bugs` with the real program, Codex, sandbox and git, on the simulated provider."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from hundredfold.config import load_settings, place_of
from tests.support.program import CONFIG, hundredfold
from tests.support.provider import SURE, simulated_provider
from tests.support.repositories import RepositoryMaker

Make = Callable[..., RepositoryMaker]

CODE = """import sys

def share(part, whole):
    return part / whole

def check(name):
    if name == "test_empty":
        assert share(0, 0) == 0, "an empty whole"
    if name == "test_shaky":
        import os
        sys.exit(os.urandom(1)[0] % 2)

check(sys.argv[1])
"""
LOG = """2026-11-01T10:00:00.0000000Z ##[group]Run python3 check.py
2026-11-01T10:00:01.0000000Z PASSED check.py::test_half
2026-11-01T10:00:01.5000000Z Traceback (most recent call last):
2026-11-01T10:00:01.5000000Z   File "/home/runner/work/shop/shop/check.py", line 8, in check
2026-11-01T10:00:01.5000000Z ZeroDivisionError: division by zero
2026-11-01T10:00:01.6000000Z --- FAIL: {test} (0.01s)
2026-11-01T10:00:02.0000000Z ##[error]Process completed with exit code 1.
2026-11-01T10:00:02.1000000Z Post job cleanup.
"""
JUNIT = """<?xml version="1.0"?><testsuites><testsuite name="s"><testcase classname="check" name="test_gone">
<failure message="assert 1 == 2" type="AssertionError">E  assert 1 == 2</failure></testcase></testsuite>
</testsuites>
"""
BUGS = """[job.bugs]
cadence = ""
[job.bugs.reports]
test-command = "python3 check.py {test}"
"""


def prepared(make_repository: Make, agent: str, base_url: str, test: str = "test_empty") -> Path:
    maker = make_repository()
    maker.commit({"check.py": CODE})
    (maker.root / "ci-logs").mkdir()
    (maker.root / "ci-logs" / "run.log").write_text(LOG.format(test=test))
    (maker.root / "ci-logs" / "report.xml").write_text(JUNIT)
    (maker.root / "ci-logs" / "noise.log").write_text("all is well\n")
    (maker.root / "ci-logs" / "torn.xml").write_text("<testsuites><testcase")
    config = CONFIG.format(base_url=base_url, agent=agent, extra=BUGS, provider="")
    (maker.root / "hundredfold.toml").write_text(config)
    (maker.root / ".git/info/exclude").write_text("hundredfold.toml\nci-logs\n")
    return maker.root


@pytest.mark.codex
def test_from_a_failing_log_to_an_issue_that_was_reproduced(
    make_repository: Make, tmp_path: Path, home: Path
) -> None:
    with simulated_provider(tmp_path, seed=3, mind=SURE) as provider:
        repo = prepared(make_repository, "codex", provider.base_url)
        ran = hundredfold("run", "--json", repo=repo)
        assert ran.code == 0, (ran.out, ran.err)
        assert ran.json()["dropped"] == {}
        (proposal,) = hundredfold("inbox", "--json", repo=repo).json()["proposals"]
        assert proposal["type"] == "issue"
        approved = hundredfold("approve", proposal["id"], "--by", "Ada", repo=repo)
        assert approved.code == 0, approved.err
        state = place_of(repo, load_settings(repo)).state
        (applied,) = (state / "forge").rglob("*.md")
        text = applied.read_text()
        assert "It failed 2 of 2 times" in text and "python3 check.py test_empty" in text
        assert "ZeroDivisionError: division by zero" in text and "With `Python 3" in text
        page = (state / "reports/bugs/bugs.md").read_text()
        assert "bug/reproduced" in page
        assert "passes 3 of 3 times" in (state / "reports/bugs/coverage.json").read_text(), (
            "test_gone is mended"
        )
        assert hundredfold("run", "--json", repo=repo).json()["taken"]["queued"] == 0, (
            "known failures cost nothing"
        )


def test_without_a_model_failures_are_run_again_and_told_and_none_is_filed(
    make_repository: Make, tmp_path: Path, home: Path
) -> None:
    repo = prepared(make_repository, "native", "http://127.0.0.1:9")
    ran = hundredfold("run", "--no-model", "--json", repo=repo)
    assert ran.code == 0, (ran.out, ran.err)
    assert hundredfold("inbox", "--json", repo=repo).json()["proposals"] == []
    reports = place_of(repo, load_settings(repo)).state / "reports/bugs"
    page, coverage = (reports / "bugs.md").read_text(), (reports / "coverage.json").read_text()
    assert "fails each time" in page and "No agent was asked why" in page
    assert "no model configured" in coverage, "not looked at is never clean"
    assert "torn.xml is not XML" in coverage and "noise.log" in coverage
    counted = json.loads(coverage)
    assert counted["counts"] == {"investigated": 0, "screened": 1, "not_looked_at": 1}
    assert len(counted["unread"]) == 2, "an input that was not read is no failure"
    assert "- 1 failures: nobody could tell why" in page and "## Inputs that were not read" in page


def test_a_flaky_test_is_told_and_never_filed(make_repository: Make, tmp_path: Path, home: Path) -> None:
    with simulated_provider(tmp_path, seed=3, mind=SURE) as provider:
        repo = prepared(make_repository, "native", provider.base_url, "test_shaky")
        config = (repo / "hundredfold.toml").read_text()
        (repo / "hundredfold.toml").write_text(config + "reruns = 40\n")
        ran = hundredfold("run", "--json", repo=repo)
        assert ran.code == 0, (ran.out, ran.err)
        assert hundredfold("inbox", "--json", repo=repo).json()["proposals"] == []
        assert provider.lines() == [], "no model is asked about a flaky test"
        page = (place_of(repo, load_settings(repo)).state / "reports/bugs/bugs.md").read_text()
        assert "Flaky: test_shaky" in page and "of 40 times" in page

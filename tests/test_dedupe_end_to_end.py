"""The job `dedupe` with the real program, Codex and git, on the simulated provider."""

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
JOB = """[job.dedupe]
source = "issues.jsonl"
cadence = ""
[job.dedupe.duplicates]
candidates = 2
[known]
model = "none"
"""
ISSUES = (
    (
        "Login button crashes the app when rotated",
        "It ends with a NullPointerException in LoginActivity.java.",
    ),
    ("Add a dark theme", "A dark theme for the night would be welcome."),
    (
        "Login screen crashes the app when rotated",
        "A NullPointerException in LoginActivity.java on rotation.",
    ),
)


def prepared(make_repository: Make, agent: str, base_url: str) -> Path:
    maker = make_repository()
    maker.commit({"a.txt": "a"})
    lines = [
        {"number": at, "title": title, "body": body, "created_at": f"2024-01-0{at}T00:00:00Z"}
        for at, (title, body) in enumerate(ISSUES, 1)
    ]
    (maker.root / "issues.jsonl").write_text("".join(json.dumps(one) + "\n" for one in lines))
    (maker.root / "hundredfold.toml").write_text(
        CONFIG.format(base_url=base_url, agent=agent, extra=JOB, provider="")
    )
    (maker.root / ".git/info/exclude").write_text("hundredfold.toml\nissues.jsonl\n")
    return maker.root


@pytest.mark.codex
def test_from_an_export_to_an_applied_proposal(make_repository: Make, tmp_path: Path) -> None:
    with simulated_provider(tmp_path, seed=3, mind=SURE) as provider:
        repo = prepared(make_repository, "codex", provider.base_url)
        ran = hundredfold("run", "--json", repo=repo)
        assert ran.code == 0, (ran.out, ran.err)
        proposals = hundredfold("inbox", "--json", repo=repo).json()["proposals"]
        assert {one["type"] for one in proposals} == {"close", "labels"}
        for one in proposals:
            assert "SIMULATED" in one["title"] and "#3" in one["title"]
            approved = hundredfold("approve", one["id"], "--by", "Ada", repo=repo)
            assert approved.code == 0, approved.err
        state = place_of(repo, load_settings(repo)).state
        texts = [one.read_text() for one in (state / "forge").rglob("*.md")]
        assert len(texts) == 2 and any("This seems to report what #1 reports." in text for text in texts)
        planned = hundredfold("plan", "--json", repo=repo)
        assert planned.code == 0, planned.err
        assert '"state": "new"' not in planned.out, "what was judged is not judged again"


def test_without_a_model_candidates_are_listed_and_people_can_rule(make_repository: Make) -> None:
    repo = prepared(make_repository, "native", "http://127.0.0.1:9/v1")
    ran = hundredfold("run", "--no-model", "--json", repo=repo)
    assert ran.code == 0, (ran.out, ran.err)
    page = (place_of(repo, load_settings(repo)).state / "reports" / "dedupe" / "duplicates.md").read_text()
    assert "issue 3 and issue 1: score" in page and "Candidates that nobody judged" in page
    found = hundredfold("known", "find", "crash of the login when rotated", "--json", repo=repo).json()
    assert found["by"] == "words" and found["found"][0]["match"]["key"] in ("issue:1", "issue:3")
    nothing = hundredfold("known", "find", " ", repo=repo)
    assert (nothing.code, "nothing to search for" in nothing.err) == (2, True)
    kept = hundredfold("known", "never", "1", "3", "--by", "Ada", "--json", repo=repo).json()["kept"]
    assert (kept["one"], kept["other"], kept["by"]) == ("issue:1", "issue:3", "Ada")
    assert hundredfold("known", "rulings", "--json", repo=repo).json()["rulings"][0]["ruling"] == "never"
    wrong = hundredfold("known", "canonical", "77", repo=repo)
    assert wrong.code == 2 and "there is no issue '77'" in wrong.err
    few = hundredfold("known", "train", repo=repo)
    assert few.code == 2 and "at least 30" in few.err

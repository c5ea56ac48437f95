"""The whole way, with the real program, gateway, engine and git: from commits to proposals and back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from hundredfold.config import load_settings, place_of
from hundredfold.prices.book import load_book
from hundredfold.simulation.truth import compare, ledger_rows
from hundredfold.store.database import open_database, sqlite_url
from tests.support.program import hundredfold, refusing_server, weak_project
from tests.support.provider import SURE, simulated_provider
from tests.support.repositories import RepositoryMaker

Make = Callable[..., RepositoryMaker]


def nobody_left(home: Path) -> None:
    below = [
        one.info["cmdline"]
        for one in psutil.process_iter(["cmdline"])
        if any(str(home) in part for part in one.info["cmdline"] or ())
    ]
    assert not below, below


@pytest.mark.parametrize("url", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def test_from_commit_to_proposal_to_undo(
    make_repository: Make, tmp_path: Path, home: Path, url: str, request: pytest.FixtureRequest
) -> None:
    address = (
        sqlite_url(home / "hundredfold.db") if url == "sqlite" else request.getfixturevalue("postgres_url")
    )
    with simulated_provider(tmp_path, seed=5, mind=SURE) as provider:
        repo = weak_project(make_repository(), provider.base_url)
        ran = hundredfold("run", "--json", repo=repo, HUNDREDFOLD_DATABASE=address)
        assert ran.code in (0, 8), ran.err
        report = ran.json()
        assert report["taken"]["queued"] == 3
        assert sum(report["items"].values()) == 3
        assert report["no_model"] is None
        nobody_left(home)
        database = open_database(address)
        found = compare(provider.lines(), ledger_rows(database), load_book())
        assert found.equal, found.differences
        assert found.exact >= 6, "every item was investigated, in at least two requests"
        database.close()

        inbox = hundredfold("inbox", "--json", repo=repo, HUNDREDFOLD_DATABASE=address).json()
        first = inbox["proposals"][0]["id"]
        assert inbox["proposals"][0]["title"].startswith("SIMULATED")
        assert inbox["proposals"][0]["private"]
        place = place_of(repo, load_settings(repo))
        assert not list((place.state / "forge").rglob("*.md")), "nothing is applied before a decision"
        approved = hundredfold("approve", first, "--by", "Ada", repo=repo, HUNDREDFOLD_DATABASE=address)
        assert approved.code == 0, approved.err
        (applied,) = (place.state / "forge").rglob("*.md")
        assert applied.stat().st_mode & 0o077 == 0, "a private finding is for its owner's eyes"
        why = hundredfold("why", first, repo=repo, HUNDREDFOLD_DATABASE=address)
        assert "Ada" in why.out
        assert "investigate" in why.out
        assert hundredfold("undo", first, "--by", "Ada", repo=repo, HUNDREDFOLD_DATABASE=address).code == 0
        assert not list((place.state / "forge").rglob("*.md"))

        again = hundredfold("run", "--json", repo=repo, HUNDREDFOLD_DATABASE=address).json()
        incomplete = report["items"].get("incomplete", 0)
        assert again["taken"]["queued"] == incomplete, "an unchanged digest is not worked twice"


def test_without_a_key_nothing_is_asked_and_nothing_is_called_clean(
    make_repository: Make, home: Path
) -> None:
    maker = make_repository()
    maker.commit({"README.md": "words"}, "Words only")
    repo = weak_project(maker, "http://127.0.0.1:9/v1", provider='key-env = "A_KEY_THAT_IS_NOT_SET"')
    ran = hundredfold("run", "--json", repo=repo)
    assert ran.code == 0, ran.err
    report = ran.json()
    assert "A_KEY_THAT_IS_NOT_SET" in report["no_model"]
    assert report["items"] == {"listed": 3, "skipped": 1}
    assert report["coverage"]["investigated"] == 0
    assert report["coverage"]["not_looked_at"] >= 3
    assert report["listed"]["tasks"] == 3
    assert all(cost > 0 for cost in report["listed"]["cost"].values())
    words = hundredfold("run", repo=repo)
    assert "nobody has looked at it" in words.out
    assert "clean" not in words.out.replace("None of this code is called clean", "")


def test_a_budget_stops_the_run_and_says_so(make_repository: Make, tmp_path: Path) -> None:
    with simulated_provider(tmp_path, seed=1) as provider:
        repo = weak_project(make_repository(), provider.base_url, commits=4, extra='[budgets]\nday = "$0.05"')
        ran = hundredfold("run", repo=repo)
        assert ran.code == 5, (ran.out, ran.err)
        assert "limit" in ran.out
        assert "$0.05" in ran.out
        assert len(provider.lines()) <= 2


def test_a_limit_in_the_middle_of_an_attempt_refuses_its_next_request(
    make_repository: Make, tmp_path: Path
) -> None:
    with simulated_provider(tmp_path, seed=1, mind={"rounds": [6, 6]}) as provider:
        repo = weak_project(
            make_repository(), provider.base_url, commits=1, extra='[budgets]\nattempt = "$0.30"'
        )
        ran = hundredfold("run", "--json", repo=repo)
        assert ran.code == 5, (ran.out, ran.err)
        assert 0 < len(provider.lines()) < 7
        assert ran.json()["attempts"] == {"limit": 1}


def test_a_refused_key_stops_the_run(make_repository: Make, home: Path) -> None:
    with refusing_server() as base_url:
        repo = weak_project(make_repository(), base_url, provider='key-env = "SOME_KEY"')
        ran = hundredfold("run", repo=repo, SOME_KEY="sk-wrong")
    assert ran.code == 4, (ran.out, ran.err)
    assert "key" in ran.out
    assert "sk-wrong" not in ran.out + ran.err


def test_an_unreachable_provider_is_told_and_its_items_are_not_clean(make_repository: Make) -> None:
    repo = weak_project(make_repository(), "http://127.0.0.1:9/v1", commits=1, extra="[fleet]\nretries = 0")
    ran = hundredfold("run", "--json", repo=repo)
    assert ran.code == 8, (ran.out, ran.err)
    report = ran.json()
    assert report["items"] == {"incomplete": 1}
    assert report["coverage"]["investigated"] == 0


def test_text_from_commits_cannot_steer_the_terminal(make_repository: Make, tmp_path: Path) -> None:
    with simulated_provider(tmp_path, seed=1) as provider:
        maker = make_repository()
        repo = weak_project(maker, provider.base_url, commits=1)
        maker.commit(
            {"x.py": "import os\n\n\ndef x(a):\n    os.system(a)\n"}, "\x1b[2J\x1b]0;owned\x07 Harmless"
        )
        for arguments in (("plan",), ("run",), ("run", "--no-model"), ("inbox",), ("spend", "--by", "item")):
            said = hundredfold(*arguments, repo=repo)
            assert "\x1b" not in said.out + said.err, arguments
            assert "\x07" not in said.out + said.err, arguments

"""The job `benchmarks` with the real program, Codex, sandbox, git and a Discord that enforces its limits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from hundredfold.config import load_settings, place_of
from tests.support.benchmarks import SLOW_FROM, slower_project
from tests.support.discord import discord_server
from tests.support.program import CONFIG, hundredfold
from tests.support.provider import SURE, simulated_provider
from tests.support.repositories import RepositoryMaker

Make = Callable[..., RepositoryMaker]
BENCHMARKS = """[notices.discord]
webhook-env = "HOOK"
[job.benchmarks]
cadence = ""
[job.benchmarks.results]
files = ["data.js"]
command = "python3 bench.py"
repeats = 3
"""


def prepared(make_repository: Make, base_url: str, agent: str) -> tuple[Path, list[str]]:
    maker = make_repository()
    shas = slower_project(maker)
    config = CONFIG.format(base_url=base_url, agent=agent, extra=BENCHMARKS, provider="")
    (maker.root / "hundredfold.toml").write_text(config)
    (maker.root / ".git/info/exclude").write_text("hundredfold.toml\ndata.js\n")
    return maker.root, shas


@pytest.mark.codex
def test_from_results_to_the_commit_to_a_notice_with_a_picture_and_back(
    make_repository: Make, tmp_path: Path, home: Path
) -> None:
    with simulated_provider(tmp_path, seed=3, mind=SURE) as provider, discord_server() as discord:
        repo, shas = prepared(make_repository, provider.base_url, "codex")
        ran = hundredfold("run", "--json", repo=repo, HOOK=discord.url)
        assert ran.code == 0, (ran.out, ran.err)
        assert ran.json()["items"] == {"done": 1} and ran.json()["dropped"] == {}
        (status,) = discord.messages.values()
        assert (
            status["embeds"][0]["title"].startswith("SIMULATED") and "ended" in status["embeds"][0]["title"]
        )
        assert "1 done" in status["embeds"][0]["description"]

        proposals = hundredfold("inbox", "--json", repo=repo).json()["proposals"]
        assert sorted(one["type"] for one in proposals) == ["issue", "notice"]
        ids = [one["id"] for one in proposals]
        approved = hundredfold("approve", *ids, "--by", "Ada", repo=repo, HOOK=discord.url)
        assert approved.code == 0, (approved.out, approved.err)
        state = place_of(repo, load_settings(repo)).state
        (applied,) = (state / "forge").rglob("*.md")
        text = applied.read_text()
        assert shas[SLOW_FROM - 1] in text and shas[SLOW_FROM] in text, "bisecting named the one commit"
        assert "Measured again in clean checkouts" in text and "work.py" in text
        assert len(discord.messages) == 2 and len(discord.pictures) == 1
        assert discord.refused == [] and discord.violations == 0
        assert hundredfold("run", "--json", repo=repo).json()["taken"]["queued"] == 0

        assert hundredfold("undo", *ids, "--by", "Ada", repo=repo, HOOK=discord.url).code == 0
        assert len(discord.messages) == 1, "the status stays, the notice is gone"
        assert not list((state / "forge").rglob("*.md"))


def test_without_a_model_the_range_is_narrowed_and_told_and_nothing_is_proposed(
    make_repository: Make, home: Path
) -> None:
    repo, shas = prepared(make_repository, "http://127.0.0.1:9/v1", "native")
    ran = hundredfold("run", "--no-model", "--json", repo=repo, HOOK="http://127.0.0.1:9/api/webhooks/1/x")
    assert ran.code == 0, (ran.out, ran.err)
    assert ran.json()["items"] == {"listed": 1}
    page = (place_of(repo, load_settings(repo)).state / "reports/benchmarks/benchmarks.md").read_text()
    assert shas[SLOW_FROM] in page and "Measured again: narrowed" in page
    assert hundredfold("inbox", "--json", repo=repo).json()["proposals"] == []
    waiting = hundredfold("notices", "--json", repo=repo).json()
    assert waiting["counts"]["waiting"] == 1, "what could not be delivered is kept, the newest of a slot"
    with discord_server() as discord:
        sent = hundredfold("notices", "--test", repo=repo, HOOK=discord.url)
        assert sent.code in (0, 8), sent.err
        assert any("notices arrive here" in one["embeds"][0]["title"] for one in discord.messages.values())


def test_the_table_the_picture_and_measuring_now(make_repository: Make, tmp_path: Path, home: Path) -> None:
    repo, _ = prepared(make_repository, "http://127.0.0.1:9/v1", "native")
    listed = hundredfold("benchmarks", "--plot", str(tmp_path / "p.png"), repo=repo)
    assert listed.code == 0, listed.err
    assert "worse" in listed.out and "steady" in listed.out
    assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")
    rows = hundredfold("benchmarks", "--alerts", "--json", repo=repo).json()["series"]
    assert [one["name"] for one in rows] == ["parse", "parse more"]
    assert rows[0]["alerts"][0]["worse"] is True and rows[0]["points"] == 43
    now = hundredfold("benchmarks", "run", "--repeats", "2", "--json", repo=repo)
    assert now.code == 0, now.err
    (compared,) = now.json()["compared"]
    assert compared["verdict"] == "as before" and compared["suite"] == "Python"
    rows = hundredfold("benchmarks", "--alerts", "--json", repo=repo).json()["series"]
    assert rows[0]["points"] == 44, "what was measured is kept"
    for arguments, says in (
        (("benchmarks", "--series", "nothing like it", "--plot", "x.png"), "nothing to draw"),
        (("benchmarks", "run", "--repeats", "0"), "must be 1 or more"),
        (("benchmarks", "--plot", "x.gif"), ".png"),
    ):
        wrong = hundredfold(*arguments, repo=repo)
        assert wrong.code == 2 and says in wrong.err
    (repo / "hundredfold.toml").write_text(
        '[job.benchmarks.results]\nfiles = ["data.js"]\ncommand = "echo broken; exit 3"\n'
    )
    failed = hundredfold("benchmarks", "run", repo=repo)
    assert failed.code == 4 and "exit code 3" in failed.err and "broken" in failed.err

"""The job `review` with the real program, gateway, engine and git, on the simulated provider."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from hundredfold.config import load_settings, place_of
from tests.support.program import CONFIG, hundredfold
from tests.support.provider import simulated_provider
from tests.support.repositories import RepositoryMaker

Make = Callable[..., RepositoryMaker]
CODE = "def mean_{n}(values):\n    return sum(values) / len(values)\n"
REVIEW = '[job.review]\npasses = 4\ncadence = ""\n'


def test_from_branch_to_review_to_a_new_head(make_repository: Make, tmp_path: Path, home: Path) -> None:
    maker = make_repository()
    maker.commit({"README.md": "words\n"})
    maker.git("checkout", "-q", "-b", "feature")
    maker.commit({f"stats_{n}.py": CODE.format(n=n) for n in range(3)}, "Add means")
    repo = maker.root
    with simulated_provider(tmp_path, seed=3, mind={"p_true": 1.0}) as provider:
        config = CONFIG.format(base_url=provider.base_url, agent="native", extra=REVIEW, provider="")
        (repo / "hundredfold.toml").write_text(config)
        plan = hundredfold("plan", "--json", repo=repo)
        assert plan.code == 0, plan.err
        (planned,) = plan.json()["plans"]
        assert planned["job"] == "review" and planned["tasks"] == 4

        ran = hundredfold("run", "--json", repo=repo)
        assert ran.code == 0, (ran.out, ran.err)
        assert ran.json()["items"] == {"done": 1}
        assert ran.json()["coverage"]["investigated"] == 3
        first = len(provider.lines())
        assert first >= 4

        (proposal,) = hundredfold("inbox", "--json", repo=repo).json()["proposals"]
        assert proposal["type"] == "comment" and not proposal["private"]
        assert "Review of feature at" in proposal["title"]
        approved = hundredfold("approve", proposal["id"], "--by", "Ada", repo=repo)
        assert approved.code == 0, approved.err
        forge = place_of(repo, load_settings(repo)).state / "forge"
        (applied,) = forge.rglob("*.md")
        assert "passes" in applied.read_text() and "stats_" in applied.read_text()

        assert hundredfold("run", "--json", repo=repo).json()["taken"]["queued"] == 0
        assert len(provider.lines()) == first, "an unchanged head costs nothing"

        maker.git("rm", "-q", "--cached", "--ignore-unmatch", "hundredfold.toml")
        (repo / ".git/info/exclude").write_text("hundredfold.toml\n")
        maker.commit({"stats_1.py": CODE.format(n=1).replace("sum", "max")}, "Change one of them")
        again = hundredfold("run", "--json", repo=repo)
        assert again.code == 0, (again.out, again.err)
        assert again.json()["items"] == {"done": 1}
        newest = hundredfold("inbox", "--json", repo=repo).json()["proposals"]
        assert any(maker.git("rev-parse", "HEAD")[:12] in one["title"] for one in newest)
        asked = provider.lines()[first:]
        assert (
            asked
            and "unchanged since"
            in (place_of(repo, load_settings(repo)).state / "reports/review/coverage.json").read_text()
        ), "only what changed was asked again"


def test_an_approval_after_the_branch_moved_is_refused(make_repository: Make, tmp_path: Path) -> None:
    maker = make_repository()
    maker.commit({"README.md": "words\n"})
    maker.git("checkout", "-q", "-b", "feature")
    maker.commit({"stats.py": CODE.format(n=1)}, "Add a mean")
    repo = maker.root
    with simulated_provider(tmp_path, seed=3, mind={"p_true": 1.0}) as provider:
        config = CONFIG.format(base_url=provider.base_url, agent="native", extra=REVIEW, provider="")
        (repo / "hundredfold.toml").write_text(config)
        assert hundredfold("run", "--json", repo=repo).code == 0
        (proposal,) = hundredfold("inbox", "--json", repo=repo).json()["proposals"]
        maker.commit({"stats.py": CODE.format(n=2)}, "Another")
        approved = hundredfold("approve", proposal["id"], "--by", "Ada", repo=repo)
        assert "feature was at" in approved.out + approved.err
        forge = place_of(repo, load_settings(repo)).state / "forge"
        assert not list(forge.rglob("*.md"))

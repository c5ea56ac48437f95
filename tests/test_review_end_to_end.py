"""The job `review` with the real program, gateway, engine and git, on the simulated provider."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from hundredfold.config import load_settings, place_of
from tests.support.program import CONFIG, hundredfold
from tests.support.provider import SURE, simulated_provider
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
    with simulated_provider(tmp_path, seed=3, mind=SURE) as provider:
        config = CONFIG.format(base_url=provider.base_url, agent="native", extra=REVIEW, provider="")
        (repo / "hundredfold.toml").write_text(config)
        none = hundredfold("plan", "--range", "HEAD..HEAD", repo=repo)
        assert none.code == 0 and "HEAD..HEAD adds nothing to HEAD." in none.out
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
        assert hundredfold("run", "--json", repo=repo).json()["taken"]["queued"] == 0
        assert len(provider.lines()) == first, "an unchanged head costs nothing"

        (repo / ".git/info/exclude").write_text("hundredfold.toml\n")
        maker.commit({"stats_1.py": CODE.format(n=1).replace("sum", "max")}, "Change one of them")
        late = hundredfold("approve", proposal["id"], "--by", "Ada", repo=repo)
        state = place_of(repo, load_settings(repo)).state
        assert "feature was at" in late.out + late.err, "the verdict is bound to the head"
        assert not list((state / "forge").rglob("*.md"))

        again = hundredfold("run", "--json", repo=repo)
        assert again.code == 0, (again.out, again.err)
        assert again.json()["items"] == {"done": 1}
        assert "unchanged since" in (state / "reports/review/coverage.json").read_text()
        waiting = hundredfold("inbox", "--json", repo=repo).json()["proposals"]
        newest = next(one for one in waiting if maker.git("rev-parse", "HEAD")[:12] in one["title"])
        approved = hundredfold("approve", newest["id"], "--by", "Ada", repo=repo)
        assert approved.code == 0, approved.err
        (applied,) = (state / "forge").rglob("*.md")
        assert "4 passes" in applied.read_text()

"""`hundredfold worth` and `experiment` as a stranger uses them: pages, files, JSON, and clear errors."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import sqlalchemy as sa

from hundredfold.cli.context import Where
from hundredfold.cli.experiment import experiment
from hundredfold.cli.worth import worth
from hundredfold.config import load_settings
from hundredfold.economics.paired import compared
from hundredfold.errors import ConfigError, StorageError, UnavailableError
from hundredfold.fleet.experiment import ArmJob, arms_of, jobs_of, route_of_words, staged
from hundredfold.jobs.protocol import Project, load_job
from hundredfold.outcomes.ours import follow
from hundredfold.prices.book import load_book
from hundredfold.settings import Settings
from hundredfold.sources.git import open_repository
from hundredfold.store import experiments
from hundredfold.store.database import Database, open_database, sqlite_url
from hundredfold.store.experiments import Experiment
from hundredfold.store.tables.work import items
from hundredfold.vocabulary import Done, Usage
from hundredfold.worth.comparison import comparison, words
from tests.support.outcomes import PROJECT, History
from tests.support.repositories import RepositoryMaker


@pytest.fixture
def where(tmp_path: Path) -> Where:
    repository = RepositoryMaker(tmp_path / "repo")
    repository.commit({"a.py": "import os\n\n\ndef run(x):\n    os.system(x)\n"}, "Add a tool")
    return Where(repo=repository.root)


def test_a_page_without_anything_says_so(where: Where, capsys: pytest.CaptureFixture[str]) -> None:
    assert worth(where=where) == 0
    assert "Nothing was spent and nothing brought about yet." in capsys.readouterr().out
    assert worth("advise", where=where) == 0
    assert "Nothing to advise yet" in capsys.readouterr().out
    assert worth(json=True, where=where) == 0
    assert json.loads(capsys.readouterr().out)["real"]["total"]["per_attempt"]["of"] == 0


def test_files_are_written_or_the_reason_is_told(
    where: Where, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert worth(html=tmp_path / "w.html", plot=tmp_path / "w.png", where=where) == 0
    assert (tmp_path / "w.html").read_text().startswith("<!doctype html>")
    assert (tmp_path / "w.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(StorageError, match="can't be written"):
        worth(html=tmp_path / "none" / "w.html", where=where)
    with pytest.raises(ConfigError, match="kind of picture"):
        worth(plot=tmp_path / "w.bmp", where=where)


def test_wrong_groupings_and_days_are_named(where: Where) -> None:
    with pytest.raises(ConfigError, match="grouped by") as refused:
        worth(by=("jobs",), where=where)
    assert "'job'" in refused.value.mend
    with pytest.raises(ConfigError, match="--since: 'yesterday' is not a day"):
        worth(since="yesterday", where=where)
    with pytest.raises(ConfigError, match="takes no file"):
        worth("advise", Path("x.toml"), where=where)


def test_the_reference_bill_as_page_and_json(
    where: Where, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert worth("reference", html=tmp_path / "r.html", where=where) == 0
    text = capsys.readouterr().out
    for told in ("$1,305,088.81", "$43,503", "34.1 s", "$522,036", "73.3 %", "1.3", "It is no peak", "×3.63"):
        assert told in text
    assert "Both are true of different questions" in text
    assert "$522,036" in (tmp_path / "r.html").read_text()
    worth("reference", json=True, where=where)
    found = json.loads(capsys.readouterr().out)
    assert found["same_tokens_at_standard"] == "522035.524" and found["saved_per_token"] == 0.6
    assert round(found["people_paid"], 1) == 15.7 and found["review_minutes"] == 23_760


# ------------------------------------------------------------------ experiment


def test_a_route_in_words(where: Where) -> None:
    assert route_of_words("tier=fast, effort = high") == {"tier": "fast", "effort": "high"}
    for wrong in ("tier", "speed=fast", "tier="):
        with pytest.raises(ConfigError, match="can't be read"):
            route_of_words(wrong)
    with pytest.raises(ConfigError, match="both routes are the same"):
        arms_of("e-1", [{"tier": "fast"}, {"tier": "fast"}])
    wrong_routes: tuple[dict[str, str], ...] = ({"tier": "quick"}, {"provider": "nobody"})
    for wrong_route in wrong_routes:
        with pytest.raises(ConfigError, match=r"quick|nobody"):
            staged(Settings(), "security", arms_of("e-1", [wrong_route, {}]))
    with pytest.raises(UnavailableError, match="needs a model"):
        experiment(where=where)
    with pytest.raises(ConfigError, match="no experiment ran"):
        experiment("report", where=where)
    with pytest.raises(ConfigError, match="takes no id"):
        experiment("run", "e-1", where=where)


def test_the_arms_have_the_same_items_and_proposals_do_not_tell_which(where: Where) -> None:
    settings = load_settings(where.repo)
    arms = arms_of("e-1", [{"tier": "fast"}, {"tier": "standard"}])
    both = staged(settings, "security", arms)
    repository = open_repository(where.repo)
    one = Experiment("e-1", "p", "security", arms, None, "Ada", 0)
    found = []
    for job in jobs_of(load_job("security"), one):
        assert isinstance(job, ArmJob)
        project = Project(
            "p", repository.root, repository, both.job[job.name],
            earlier=lambda: pytest.fail("an arm remembers nothing"),
        )  # fmt: skip
        found.append(list(job.discover(project)))
        assert both.job[job.name].tier in ("fast", "standard") and "fast" not in job.name
        step = job.advance(project, found[-1][0], (), model=False)
        assert isinstance(step, Done) and {each.job for each in step.proposals} <= {"security"}
        assert job.report(project, [], []) == []
    repository.close()
    first, second = found
    assert [each.key for each in first] == [each.key for each in second] and first
    assert not {each.id for each in first} & {each.id for each in second}


@pytest.fixture
def compared_past(tmp_path: Path) -> tuple[Database, Experiment]:
    """Six items in two arms; the second uses 40 % of the first's money and half of its tokens."""
    database = open_database(sqlite_url(tmp_path / "test.db"))
    past = History(database, tmp_path)
    arms = arms_of("e-1", [{"tier": "fast"}, {"tier": "standard"}])
    one = Experiment("e-1", PROJECT, "security", arms, None, "Ada", 0)
    experiments.keep(database, one)
    for number in range(6):
        for arm, tier, served, factor in zip(
            arms, ("fast", "standard"), ("priority", "default"), (2, 1), strict=True
        ):
            job = f"security@{arm.code}"
            usage = Usage(input=factor * 10_000 * (number + 1), output=100)
            item = past.attempt(job=job, tier=tier, served=served, usage=usage, seconds=factor * 100)
            with database.write() as connection:
                state = "failed" if number == 5 and factor == 1 else "done"
                connection.execute(
                    sa.update(items).where(items.c.id == item).values(key=f"k{number}", state=state)
                )
            if number < 4:
                past.proposal(item, state="applied" if number else "rejected")
            elif number == 4:
                past.proposal(item)
    follow(database, PROJECT)
    return database, one


def test_arms_are_compared_over_the_pairs_that_both_finished(
    compared_past: tuple[Database, Experiment],
) -> None:
    database, one = compared_past
    found = comparison(database, load_book(), one)
    assert found.pairs == 5 and [arm.unfinished for arm in found.arms] == [1, 1] and not found.simulated
    first, second = found.arms
    assert (first.acceptance.hits, first.acceptance.of, first.acceptance.pending) == (3, 4, 1)
    assert first.per_accepted.of == 3 and first.amount.most == sum(
        2 * 10_000 * (n + 1) * 12_500_000 + 100 * 75_000_000 for n in range(5)
    )
    measures = {each.name: each for each in found.measures}
    assert measures["tokens"].ratio == pytest.approx(0.5, abs=0.01) and measures["tokens"].differs
    assert measures["agent seconds"].ratio == pytest.approx(0.5)
    assert measures["proposals"].ratio == 1 and measures["proposals"].differs is False
    assert second.amount.most < first.amount.most / 4
    text = "\n".join(words(found))
    assert "5 pairs" in text and "1 not finished in both arms, left out" in text and "pending" in text


def test_too_few_pairs_give_a_ratio_without_an_interval_and_nothing_is_no_divisor() -> None:
    few = compared("cost", [(2.0, 1.0)] * 4)
    assert few.ratio == 0.5 and few.interval is None and few.differs is None
    assert compared("findings", [(0.0, 1.0)] * 9).ratio is None
    assert compared("findings", []).ratio is None
    wide = compared("cost", [(1.0, 2.0), (2.0, 1.0)] * 5)
    assert wide.interval is not None and wide.differs is False


def test_an_experiment_runs_both_arms_on_the_simulated_provider(
    where: Where, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "c"))
    (where.repo / "hundredfold.toml").write_text('[route]\nagent = "native"\n')
    assert experiment(simulated=True, items=1, agents=2, json=True, where=where) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["simulated"] is True and found["pairs"] == 1
    assert [arm["route"] for arm in found["arms"]] == [{"tier": "fast"}, {"tier": "standard"}]
    assert all(arm["tokens"] > 0 and arm["accepted"]["of"] == 0 for arm in found["arms"])
    cost = next(one for one in found["second_over_first"] if one["name"] == "cost")
    assert 0 < cost["ratio"] < 1 and cost["interval"] is None

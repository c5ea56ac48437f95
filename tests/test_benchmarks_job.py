"""The job `benchmarks`: what is found, how a range is narrowed, what an answer must hold, hostile results."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec import to_builtins

from hundredfold.errors import ConfigError
from hundredfold.jobs.benchmarks import BenchmarksJob
from hundredfold.jobs.benchmarks.bisecting import MARK, Narrowed, command, next_step, results_of
from hundredfold.jobs.benchmarks.subject import Stepped, subject
from hundredfold.jobs.benchmarks.verdicts import checked
from hundredfold.jobs.protocol import Earlier, Project
from hundredfold.sections import ResultsSettings
from hundredfold.settings import JobSettings
from hundredfold.sources.git import open_repository
from hundredfold.store.benchmarks import kept
from hundredfold.store.database import Database, open_database, sqlite_url
from hundredfold.store.items import keep_project
from hundredfold.vocabulary import Answer, Ask, Check, CommandResult, Done, Round, Skip
from tests.support.benchmarks import SLOW_FROM, slower_project, write_results
from tests.support.repositories import RepositoryMaker

Make = Callable[..., RepositoryMaker]
STEPPED = Stepped("s", "", "parse", "ns", "smaller", (1.0,), 0, 100e6, 130e6, 1e-9, 0.01)
RESULTS = ResultsSettings(files=("data.js",), command="python3 bench.py", repeats=3)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """One database: what is found does not depend on which."""
    opened = open_database(sqlite_url(tmp_path / "test.db"))
    yield opened
    opened.close()


def project_of(
    root: Path,
    database: Database,
    results: ResultsSettings = RESULTS,
    earlier: Earlier = Earlier(),  # noqa: B008
) -> Project:
    keep_project(database, "p", root)
    return Project(
        "p",
        root,
        open_repository(root),
        JobSettings(results=results),
        lambda: earlier,
        partial(kept, database, "p"),
    )


def ran(revision: str, value: float | None, words: str = "") -> CommandResult:
    if value is None:
        return CommandResult(("sh",), 1, "it broke")
    text = f"{words}\n{MARK}\nnoise\n" + json.dumps([{"name": "parse", "unit": "ms", "value": value}])
    return CommandResult(("sh",), 0, text)


def measured(step: Check, cost: Callable[[str], float | None]) -> Round:
    return Round(step, results=tuple(ran(one.revision, cost(one.revision)) for one in step.commands))


@pytest.mark.parametrize("culprit", [1, 2, 17, 39, 40])
def test_bisecting_finds_the_commit_in_few_rounds(culprit: int) -> None:
    chain = [f"{n:040x}" for n in range(41)]
    rounds: list[Round] = []
    while isinstance(step := next_step(chain, STEPPED, RESULTS, rounds), Check):
        rounds.append(measured(step, lambda sha: 131.0 if int(sha, 16) >= culprit else 100.0))
    assert (int(step.before, 16), int(step.after, 16)) == (culprit - 1, culprit)
    assert step.why_not == "" and len(rounds) <= 7


def test_commits_that_can_not_be_measured_are_passed_over() -> None:
    chain = [f"{n:040x}" for n in range(11)]

    def cost(sha: str) -> float | None:
        number = int(sha, 16)
        return None if 3 <= number <= 6 else (130.0 if number >= 5 else 100.0)

    rounds: list[Round] = []
    while isinstance(step := next_step(chain, STEPPED, RESULTS, rounds), Check):
        rounds.append(measured(step, cost))
    assert (int(step.before, 16), int(step.after, 16)) == (2, 7)
    assert "4 commits in between" in step.why_not


@pytest.mark.parametrize(
    ("fast", "slow", "says"),
    [
        (100.0, 101.0, "not seen on this machine"),
        (130.0, 100.0, "not seen on this machine"),
        (None, 130.0, "exit code 1"),
        (100.0, None, "exit code 1"),
    ],
)
def test_what_does_not_show_here_is_not_narrowed(fast: float | None, slow: float | None, says: str) -> None:
    chain = ["a" * 40, "b" * 40, "c" * 40]
    step = next_step(chain, STEPPED, RESULTS, ())
    assert isinstance(step, Check) and len(step.commands) == 6
    done = measured(step, lambda sha: fast if sha == chain[0] else slow)
    found = next_step(chain, STEPPED, RESULTS, (done,))
    assert isinstance(found, Narrowed)
    assert (found.before, found.after) == (chain[0], chain[2]) and says in found.why_not


def test_a_results_file_is_shown_after_the_mark_and_what_is_printed_before_does_not_count() -> None:
    script = command(ResultsSettings(command="make bench", output="out file.json"), "a" * 40).argv[2]
    assert "cat -- 'out file.json'" in script and script.index(MARK) < script.index("cat")
    fake = json.dumps([{"name": "parse", "unit": "ms", "value": 1}])
    (one,) = results_of(ran("a", 5.0, words=fake), RESULTS).readings
    assert one.value == 5.0
    assert results_of(CommandResult(("sh",), 0, f"{MARK}\nnothing here"), RESULTS).readings == ()


def test_a_regression_is_one_item_by_its_range_of_commits(make_repository: Make, database: Database) -> None:
    maker = make_repository()
    shas = slower_project(maker)
    job, project = BenchmarksJob(), project_of(maker.root, database)
    (item,) = job.discover(project)
    found = subject(item.payload["subject"])
    assert found.before == shas[27] and found.after == shas[33]
    assert [one.name for one in found.series] == ["parse", "parse more"]
    assert "slower" in item.title and "1 more series" in item.title
    (again,) = job.discover(project)
    assert again.id == item.id, "unchanged results are the same item"
    (task,) = job.planned(project, item)
    assert shas[SLOW_FROM] in task.prompt and "row for row in range(130)" in task.prompt


def test_a_boundary_that_moves_a_little_is_the_same_regression(
    make_repository: Make, database: Database
) -> None:
    maker = make_repository()
    slower_project(maker)
    job, project = BenchmarksJob(), project_of(maker.root, database)
    (item,) = job.discover(project)
    step = job.advance(
        project_of(maker.root, database, ResultsSettings(files=("data.js",))), item, (), model=False
    )
    assert isinstance(step, Done) and not step.complete and step.proposals == ()
    found = step.findings[0]
    text = (maker.root / "data.js").read_text()
    entries = json.loads(text.partition("=")[2])["entries"]["Python"]
    before = next(at for at, one in enumerate(entries) if one["benches"][0]["value"] > 120)
    late = {
        "commit": {"id": "f" * 40},
        "date": entries[before - 1]["date"] + 1000,
        "tool": "customSmallerIsBetter",
        "benches": [
            {"name": "parse", "unit": "ms", "value": 129.0},
            {"name": "parse more", "unit": "us", "value": 391.0},
        ],
    }
    write_results(maker.root, [*entries[:before], late, *entries[before:]])
    (moved,) = job.discover(project_of(maker.root, database, earlier=Earlier((found,))))
    assert subject(moved.payload["subject"]).after == "f" * 40
    assert moved.id == item.id


def test_a_checked_answer_becomes_a_notice_with_a_picture_and_an_issue(
    make_repository: Make, database: Database
) -> None:
    maker = make_repository()
    shas = slower_project(maker)
    pictures: list[bytes] = []

    def keep(content: bytes) -> str:
        pictures.append(content)
        return "0" * 32

    job = BenchmarksJob()
    plain = project_of(maker.root, database, ResultsSettings(files=("data.js",)))
    project = Project(plain.slug, plain.root, plain.repository, plain.job, plain.earlier, plain.series, keep)
    (item,) = job.discover(project)
    ask = job.advance(project, item, (), model=True)
    assert isinstance(ask, Ask)
    answer = {
        "verdict": "explained",
        "commit": shas[SLOW_FROM],
        "title": "t",
        "explanation": "It copies @everyone's rows.",
        "places": [
            {
                "path": "work.py",
                "start_line": 6,
                "end_line": 6,
                "quote": "    rows = [row for row in range(130)]",
            },
            {"path": "work.py", "start_line": 6, "end_line": 6, "quote": "rows = somewhere else"},
        ],
        "mend": "Use the range.",
        "confidence": 0.9,
    }
    done = job.advance(project, item, (Round(ask, (Answer("a", "explain", "ok", answer),)),), model=True)
    assert isinstance(done, Done) and done.complete
    notice, issue = done.proposals
    assert notice.type == "notice" and notice.payload is not None and notice.payload.picture == "0" * 32  # type: ignore[union-attr]
    assert pictures[0].startswith(b"\x89PNG")
    assert shas[SLOW_FROM] in issue.body and "row for row" in issue.body
    assert sum(done.dropped.values()) == 1
    assert done.findings[0].rule == "benchmark/regression"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"places": []}, "without a place"),
        ({"places": [{"path": "nowhere", "start_line": 1, "end_line": 1, "quote": "x"}]}, "without a place"),
        ({"places": "no list"}, "without a place"),
    ],
)
def test_an_explanation_that_does_not_check_out_is_dropped(change: dict[str, Any], says: str) -> None:
    value = {"verdict": "explained", "commit": "", "places": [], "confidence": float("nan")} | change
    found = checked(value, "a", "r", [], lambda revision, path: None, Counter())
    assert isinstance(found, str) and says in found


def test_a_commit_outside_the_range_does_not_count() -> None:
    dropped: Counter[str] = Counter()
    value = {"verdict": "not_explained", "commit": "f" * 40, "places": []}
    found = checked(value, "a", "r", ["a" * 40], lambda revision, path: None, dropped)
    assert not isinstance(found, str) and found.commit == "" and dropped.total() == 1


def entries_of(values: list[Any], unit: str = "ns", name: str = "x", shas: list[str] | None = None) -> Any:
    return [
        {
            "commit": {"id": (shas or [f"{at:040x}" for at in range(len(values))])[at]},
            "date": 1_700_000_000_000 + at * 60_000,
            "tool": "customSmallerIsBetter",
            "benches": [{"name": name, "unit": unit, "value": value}],
        }
        for at, value in enumerate(values)
    ]


def noisy(count: int, level: float = 100.0) -> list[Any]:
    return [float(one) for one in level * np.exp(np.random.default_rng(3).normal(0, 0.01, count))]


@pytest.mark.parametrize(
    "entries",
    [
        entries_of([0.0] * 60),
        entries_of([-5.0, *noisy(60)]),
        entries_of([float("nan"), float("inf"), *noisy(60), None, "7"]),
        entries_of([*noisy(30), *[0.0] * 30]),
        entries_of(noisy(30), name="old") + entries_of(noisy(30, 200.0), name="new"),
        entries_of(noisy(30), "ms") + entries_of(noisy(30, 1e5), "us")[1:],
        entries_of(noisy(30), "ms") + entries_of(noisy(30, 900.0), "widgets"),
        entries_of([*noisy(30), 1e300, *noisy(30), 5e-324]),
        entries_of([1.0] * 60),
        entries_of(noisy(3)),
    ],
    ids=[
        "zeros",
        "negative",
        "nan",
        "becomes zero",
        "renamed",
        "other prefix",
        "other unit",
        "huge",
        "flat",
        "few",
    ],
)
def test_nothing_wrong_is_proposed_of_hostile_results(
    make_repository: Make, database: Database, entries: list[Any]
) -> None:
    maker = make_repository()
    maker.commit({"a": "a"})
    for at, one in enumerate(entries):
        one["date"] = 1_700_000_000_000 + at * 60_000
    write_results(maker.root, entries)
    found = list(BenchmarksJob().discover(project_of(maker.root, database)))
    assert [one for one in found if "subject" in one.payload] == []


def test_values_that_no_reader_can_use_are_told_by_file_and_reason(
    make_repository: Make, database: Database
) -> None:
    maker = make_repository()
    maker.commit({"a": "a"})
    write_results(maker.root, entries_of([float("nan"), *noisy(60), None, "7"]))
    job, project = BenchmarksJob(), project_of(maker.root, database)
    (item,) = job.discover(project)
    assert item.title.startswith("3 values") and job.planned(project, item) == ()
    step = job.advance(project, item, (), model=True)
    assert isinstance(step, Skip)
    (row,) = step.coverage
    assert (row.path, row.unit, row.state) == ("data.js", "", "not_looked_at")
    assert row.reason == "left out: 3 × the value is no finite number"
    page, coverage = job.report(project, [], [to_builtins(row)])
    assert b"0 series that became worse: nobody" in page.content
    assert b"## Inputs that were not read\n\n- data.js: left out: 3" in page.content
    assert json.loads(coverage.content)["counts"]["not_looked_at"] == 0
    assert len(json.loads(coverage.content)["unread"]) == 1
    write_results(maker.root, entries_of(noisy(60)))
    assert list(job.discover(project)) == []


def test_commits_that_are_not_here_are_said_and_nobody_is_asked(
    make_repository: Make, database: Database
) -> None:
    maker = make_repository()
    maker.commit({"a": "a"})
    write_results(maker.root, entries_of([*noisy(30), *noisy(30, 150.0)]))
    project = project_of(maker.root, database)
    (item,) = BenchmarksJob().discover(project)
    done = BenchmarksJob().advance(project, item, (), model=True)
    assert isinstance(done, Done) and done.proposals == () and len(done.findings) == 1
    assert "not in this repository" in done.coverage[0].reason
    assert BenchmarksJob().planned(project, item) == ()


def test_a_step_within_one_commit_is_the_machines_and_nobody_is_asked(
    make_repository: Make, database: Database
) -> None:
    maker = make_repository()
    sha = maker.commit({"a": "a"})
    write_results(maker.root, entries_of([*noisy(30), *noisy(30, 150.0)], shas=[sha] * 60))
    job, project = BenchmarksJob(), project_of(maker.root, database)
    (item,) = job.discover(project)
    assert item.title.endswith("slower within one commit") and job.planned(project, item) == ()
    done = job.advance(project, item, (), model=True)
    assert isinstance(done, Done) and done.complete and done.proposals == ()
    (found,) = done.findings
    assert (found.rule, found.severity) == ("benchmark/environment", "info")
    assert "of one commit" in done.coverage[0].reason
    page = job.report(project, [found], [to_builtins(one) for one in done.coverage])[0].content.decode()
    assert f"within `{sha}`: both sides" in page and "Measured again" not in page


@pytest.mark.parametrize(
    ("after", "title", "line"),
    [
        (1.3e2, "x is 30.0% slower", "(+30.0%, "),
        (1.3e3, "x is 13 times as slow", "(×13, "),
        (1e8, "times as slow, or its unit changed", "(another unit?), "),
    ],
)
def test_a_step_of_many_times_is_no_share_and_may_be_another_unit(
    make_repository: Make, database: Database, after: float, title: str, line: str
) -> None:
    maker = make_repository()
    maker.commit({"a": "a"})
    write_results(maker.root, entries_of([*noisy(30), *noisy(30, after)]))
    (item,) = BenchmarksJob().discover(project_of(maker.root, database))
    assert title in item.title
    assert line in subject(item.payload["subject"]).series[0].line()


def test_results_on_another_branch_are_read_from_git(make_repository: Make, database: Database) -> None:
    maker = make_repository()
    slower_project(maker)
    content = (maker.root / "data.js").read_bytes()
    (maker.root / "data.js").unlink()
    maker.git("checkout", "-q", "--orphan", "gh-pages")
    maker.commit({"dev/bench/data.js": content})
    maker.git("checkout", "-q", "main")
    results = ResultsSettings(files=("gh-pages:dev/bench/data.js",))
    (item,) = BenchmarksJob().discover(project_of(maker.root, database, results))
    assert "parse" in item.title


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ((), "knows no results"),
        (("missing.json",), "which is not there"),
        (("no-branch:data.js",), "can't be read"),
        (("../outside.json",), "which is not there"),
        (("bad.json",), "is not JSON"),
    ],
)
def test_what_can_not_be_read_is_a_clear_error(
    make_repository: Make, tmp_path: Path, database: Database, files: tuple[str, ...], says: str
) -> None:
    maker = make_repository()
    maker.commit({"bad.json": "{"})
    (tmp_path / "outside.json").write_text("[]")
    with pytest.raises(ConfigError, match=says) as refused:
        list(BenchmarksJob().discover(project_of(maker.root, database, ResultsSettings(files=files))))
    assert refused.value.mend

"""The mirror holds what the forge has, after faults, kills, limits and changes, with few requests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from hundredfold.errors import LimitReached
from hundredfold.forges.github.auth import TokenAuth
from hundredfold.forges.github.client import GitHubClient
from hundredfold.simulation.forge.api.comments import new_comment
from hundredfold.simulation.forge.api.issues import close, new_issue
from hundredfold.simulation.forge.api.pulls import settle_merge
from hundredfold.simulation.forge.bodies.pulls import of
from hundredfold.simulation.forge.faults import Fault, Storm
from hundredfold.simulation.forge.filler import Filling, fill
from hundredfold.simulation.forge.limits import Limits
from hundredfold.sources.github.mirror import Mirror, Synced, Wanted
from hundredfold.store import mirror as store
from hundredfold.store.blobs import Blobs
from hundredfold.store.database import Database, open_database, sqlite_url
from hundredfold.store.items import keep_project
from tests.support.forge import TOKEN, TestForge, commit, text

PROJECT, REPOSITORY = "p", "acme/widget"
SMALL = Filling(issues=210, pulls=25, runs=12, days=60)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = open_database(sqlite_url(tmp_path / "store.db"))
    keep_project(opened, PROJECT, tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def forge(tmp_path: Path) -> TestForge:
    made = TestForge(tmp_path / "forge")
    fill(made.hub, made.repo, SMALL)
    return made


@pytest_asyncio.fixture
async def api(forge: TestForge) -> AsyncIterator[str]:
    with forge.served() as url:
        yield url


class Reader:
    """Syncs the forge into the store; no pause takes time."""

    def __init__(self, forge: TestForge, database: Database, folder: Path, api: str) -> None:
        self.forge, self.database, self.folder, self.api = forge, database, folder, api
        self.patience_s = 900.0

    async def _sleep(self, seconds: float) -> None:
        self.forge.clock.step(seconds)

    async def __call__(
        self,
        *,
        wanted: Wanted = Wanted(),  # noqa: B008
        tick: Callable[[str, int, int], None] = lambda *_: None,
        repository: str = REPOSITORY,
    ) -> Synced:
        client = GitHubClient(
            TokenAuth(TOKEN), base_url=self.api, patience_s=self.patience_s, clock=self.forge.clock,
            sleep=self._sleep,
        )  # fmt: skip
        mirror = Mirror(
            client, self.database, Blobs(self.folder / "blobs"), PROJECT, repository, wanted, tick=tick,
            clock=lambda: int(self.forge.clock() * 1e6),
        )  # fmt: skip
        try:
            return await mirror.sync()
        finally:
            await client.close()


@pytest.fixture
def sync(forge: TestForge, database: Database, tmp_path: Path, api: str) -> Reader:
    return Reader(forge, database, tmp_path, api)


def assert_equal(forge: TestForge, database: Database) -> None:
    """Every issue, pull request and comment of the forge is in the mirror as it is, and nothing else is."""
    rows = {one.number: one for one in store.issues(database, PROJECT, pull=None)}
    assert rows.keys() == forge.repo.issues.keys()
    for number, issue in forge.repo.issues.items():
        row = rows[number]
        assert (row.title, row.body, row.author) == (issue.title, issue.body or "", issue.user)
        assert (row.state, row.reason, row.labels) == (issue.state, issue.reason or "", sorted(issue.labels))
        assert (row.created_us, row.updated_us) == (issue.created * 10**6, issue.updated * 10**6)
        assert (row.pull, row.comments, row.closed_by) == (
            issue.pull is not None, len(issue.comments), issue.closed_by or "",
        )  # fmt: skip
        found = {(one.kind, one.id): one.body for one in store.comments(database, PROJECT, number)}
        wanted = {("issue", one.id): one.body for one in issue.comments}
        if issue.pull is not None:
            wanted |= {("inline", one.id): one.body for one in issue.pull.comments}
            pull = store.pull(database, PROJECT, number)
            assert pull is not None
            assert (pull.head_sha, pull.head_ref) == (issue.pull.head_sha, issue.pull.head_ref)
            assert pull.merged_us == (issue.pull.merged * 10**6 if issue.pull.merged else None)
            assert pull.merge_sha == (issue.pull.merge_sha or "")
            reviews = {one.id: one.state for one in store.reviews(database, PROJECT, number)}
            assert reviews == {one.id: one.state for one in issue.pull.reviews}
        assert found == wanted


async def test_all_of_it_arrives_and_a_second_sync_asks_little(
    forge: TestForge, database: Database, sync: Reader
) -> None:
    first = await sync()
    assert_equal(forge, database)
    assert first.refused == {}
    counts = store.counts(database, PROJECT)
    assert counts["labels"] == len(forge.repo.labels)
    assert counts["events"] == len(forge.repo.events)
    assert counts["runs"] == 12
    second = await sync()
    assert second.requests <= 12 and second.requests - second.unchanged <= 3
    assert sum(second.read.values()) == 0
    assert_equal(forge, database)


async def test_what_changed_is_read_and_not_much_else(
    forge: TestForge, database: Database, sync: Reader
) -> None:
    await sync()
    forge.clock.step(3600)
    new_issue(forge.hub, forge.repo, "eve", "Brand new", "b")
    new_comment(forge.hub, forge.repo, forge.issue, "eve", "Still there")
    close(forge.hub, forge.repo, forge.issue, "ada", "not_planned")
    settle_merge(forge.hub, forge.repo, forge.pull, "ada", forge.head)
    forge.repo.version += 1
    changed = await sync()
    assert_equal(forge, database)
    assert changed.requests < 20
    kinds = {one.kind for one in store.events(database, PROJECT, number=forge.pull.number)}
    assert {"merged", "closed"} <= kinds


async def test_nothing_is_lost_when_items_change_while_they_are_read(
    forge: TestForge, database: Database, sync: Reader
) -> None:
    touched: list[str] = []

    def tick(resource: str, done: int, _all: int) -> None:
        if resource in ("issues", "pulls") and len(touched) < 5:
            touched.append(resource)
            forge.clock.step(7)
            for number in (1, 2, 5, 8, 40):  # those that were read move behind those that were not
                forge.hub.touch(forge.repo, forge.repo.issues[number])

    await sync(tick=tick)
    assert len(touched) >= 4
    assert {one.number for one in store.issues(database, PROJECT, pull=None)} == forge.repo.issues.keys()
    await sync()
    assert_equal(forge, database)


async def test_many_of_one_second_are_all_read(forge: TestForge, database: Database, sync: Reader) -> None:
    forge.clock.step(60)
    for number in range(250):
        new_issue(forge.hub, forge.repo, "bot", f"Imported {number}", None)
    forge.clock.step(86_400)
    await sync()
    assert_equal(forge, database)


@pytest.mark.parametrize("after", [1, 3, 5, 6])
async def test_a_killed_sync_goes_on_where_it_was(
    forge: TestForge, database: Database, sync: Reader, after: int
) -> None:
    seen = 0

    def die(_resource: str, _done: int, _all: int) -> None:
        nonlocal seen
        seen += 1
        if seen == after:
            raise SystemExit  # like a kill: no handler of ours runs

    with pytest.raises(SystemExit):
        await sync(tick=die)
    await sync()
    assert_equal(forge, database)
    lists = [line.path for line in forge.hub.log if line.path.endswith("/issues")]
    assert len(lists) <= 3 + 2, "pages that were kept are not read again"


async def test_a_storm_of_faults_is_ridden_out(forge: TestForge, database: Database, sync: Reader) -> None:
    forge.hub.faults.storm = Storm(rate=0.2, seed=3)
    done = await sync()
    assert sum(forge.hub.faults.struck.values()) >= 5
    assert done.retries >= 5
    forge.hub.faults.clear()
    assert_equal(forge, database)


async def test_a_used_up_limit_stops_the_sync_and_the_next_goes_on(
    tmp_path: Path, database: Database
) -> None:
    forge = TestForge(tmp_path / "limited", Limits(core=9, points_per_minute=0))
    fill(forge.hub, forge.repo, SMALL)
    with forge.served() as api:
        sync = Reader(forge, database, tmp_path, api)
        sync.patience_s = 60
        stops = 0
        for _ in range(20):
            try:
                await sync()
                break
            except LimitReached as error:
                assert "goes on from there" in error.mend
                stops += 1
                forge.clock.step(3600)
        assert_equal(forge, database)
        assert stops >= 3
        assert sum(line.status == 403 for line in forge.hub.log) <= stops + 1, (
            "it does not knock again and again"
        )


async def test_a_deleted_comment_goes_from_the_mirror_too(
    forge: TestForge, database: Database, sync: Reader
) -> None:
    kept = new_comment(forge.hub, forge.repo, forge.issue, "eve", "stays")
    gone = new_comment(forge.hub, forge.repo, forge.issue, "eve", "goes")
    await sync()
    forge.clock.step(120)
    forge.issue.comments.remove(gone)
    del forge.repo.comments[gone.id]
    forge.hub.touch(forge.repo, forge.issue)
    done = await sync()
    assert done.read["recounted"] == 1
    assert [one.id for one in store.comments(database, PROJECT, forge.issue.number)] == [kept.id]
    assert (await sync()).read["recounted"] == 0


async def test_what_the_token_may_not_read_is_said_and_the_rest_is_read(
    forge: TestForge, database: Database, sync: Reader
) -> None:
    forge.hub.faults.add(Fault("forbidden", "GET", "/actions/runs", times=-1))
    done = await sync()
    assert list(done.refused) == ["runs"]
    assert "403" in done.refused["runs"]
    assert_equal(forge, database)


async def test_logs_and_reports_of_failed_runs_are_kept(
    forge: TestForge, database: Database, sync: Reader, tmp_path: Path
) -> None:
    await sync()
    blobs = Blobs(tmp_path / "blobs")
    failed = store.runs(database, PROJECT, conclusions=("failure",))
    assert len(failed) == sum(run.conclusion == "failure" for run in forge.repo.workflow_runs.values()) > 0
    for run in failed:
        (job,) = store.jobs(database, PROJECT, run.id)
        assert job.log is not None and b"AssertionError" in blobs.get(job.log)
        (artifact,) = store.artifacts(database, PROJECT, run.id)
        assert artifact.blob is not None and blobs.get(artifact.blob).startswith(b"PK")
    small = await sync(wanted=Wanted(log_bytes=10))
    assert small.read["logs"] == 0, "what was read is not read again"


async def test_a_log_that_is_too_long_is_left_out_and_says_so(
    forge: TestForge, database: Database, sync: Reader
) -> None:
    await sync(wanted=Wanted(log_bytes=10))
    run = store.runs(database, PROJECT, conclusions=("failure",))[0]
    (job,) = store.jobs(database, PROJECT, run.id)
    (artifact,) = store.artifacts(database, PROJECT, run.id)
    assert job.log is None and "longer than 10 bytes" in job.omitted
    assert artifact.blob is None and "larger than 10 bytes" in artifact.omitted


async def test_commits_follow_the_default_branch_even_when_it_is_forced(
    forge: TestForge, database: Database, sync: Reader
) -> None:
    at = int(forge.clock())
    await sync()
    made = [commit(forge.repo.git, "main", {"b.txt": b"%d" % n}, f"More {n}", at + n) for n in range(120)]
    await sync()
    assert set(made) <= {one.sha for one in store.commits(database, PROJECT)}, "more than a page"
    forge.repo.git.set_ref("refs/heads/main", forge.base)
    forced = commit(forge.repo.git, "main", {"c.txt": text(["c"])}, "Third", at + 200)
    await sync()
    assert forced in {one.sha for one in store.commits(database, PROJECT)}


async def test_checks_of_an_open_head_are_asked_until_they_ended(
    forge: TestForge, database: Database, sync: Reader
) -> None:
    from hundredfold.simulation.forge.records import CheckRun

    number = of(forge.pull).head_sha
    run = CheckRun(
        99, 1, forge.app.id, "ci", number, "in_progress", None, int(forge.clock()), None, None, "", {}
    )
    forge.repo.check_runs[run.id] = run
    await sync()
    assert [one.status for one in store.checks(database, PROJECT, number)] == ["in_progress"]
    run.status, run.conclusion = "completed", "failure"
    await sync()
    assert [one.conclusion for one in store.checks(database, PROJECT, number)] == ["failure"]
    before = sum("check-runs" in line.path for line in forge.hub.log)
    await sync()
    paths: list[Any] = [line.path for line in forge.hub.log if "check-runs" in line.path]
    assert sum(forge.head in path for path in paths) == 2
    assert len(paths) >= before


async def test_a_head_without_checks_is_asked_while_it_is_new_and_again_when_a_workflow_ran(
    forge: TestForge, database: Database, sync: Reader
) -> None:
    from hundredfold.simulation.forge.records import CheckRun

    pull = of(forge.pull)
    forge.repo.check_runs.clear()
    asked: list[int] = []

    def tick(resource: str, _done: int, total: int) -> None:
        if resource == "checks":
            asked.append(total)

    async def asks() -> int:
        asked.clear()
        await sync(tick=tick)
        return max(asked, default=0)

    still_open = sum(one.pull is not None and one.state == "open" for one in forge.repo.issues.values())
    assert 1 < await asks() <= still_open
    assert await asks() == 1, "only the one that changed just now is asked again"
    forge.clock.step(7200)
    assert await asks() == 1, "and once more when it was quiet"
    assert await asks() == 0
    run = replace(
        max(forge.repo.workflow_runs.values(), key=lambda one: one.id),
        id=forge.hub.next_id(),
        sha=pull.head_sha,
        created=int(forge.clock()),
    )
    forge.repo.workflow_runs[run.id] = run
    forge.repo.version += 1
    late = CheckRun(
        99,
        1,
        forge.app.id,
        "ci",
        pull.head_sha,
        "completed",
        "success",
        int(forge.clock()),
        None,
        None,
        "",
        {},
    )
    forge.repo.check_runs[late.id] = late
    assert await asks() == 1
    assert [one.name for one in store.checks(database, PROJECT, pull.head_sha)] == ["ci"]
    assert await asks() == 0


async def test_the_mirror_of_another_repository_is_not_mixed_up_with_this_one(
    forge: TestForge, database: Database, sync: Reader
) -> None:
    await sync()
    other = forge.hub.repo("acme/other")
    commit(other.git, "main", {"a": b"a"}, "First", int(forge.clock()))
    new_issue(forge.hub, other, "eve", "The only one", None)
    await sync(repository="acme/other")
    assert [one.title for one in store.issues(database, PROJECT, pull=None)] == ["The only one"]


@pytest.mark.postgres
async def test_it_is_the_same_in_postgresql(
    forge: TestForge, postgres_url: str, tmp_path: Path, api: str
) -> None:
    there = open_database(postgres_url)
    try:
        keep_project(there, PROJECT, tmp_path)
        sync = Reader(forge, there, tmp_path, api)
        await sync()
        forge.clock.step(300)
        gone = new_comment(forge.hub, forge.repo, forge.issue, "eve", "goes")
        await sync()
        forge.issue.comments.remove(gone)
        del forge.repo.comments[gone.id]
        forge.clock.step(300)
        forge.hub.touch(forge.repo, forge.issue)
        assert (await sync()).read["recounted"] == 1
        assert_equal(forge, there)
    finally:
        there.close()


async def test_more_days_than_before_are_read_and_fewer_leave_no_hole(
    forge: TestForge, database: Database, sync: Reader
) -> None:
    def held() -> dict[str, int]:
        there = store.counts(database, PROJECT)
        return {name: there[name] for name in ("runs", "events", "commits", "reviews")}

    await sync(wanted=Wanted(days=10))
    few = held()
    assert 0 < few["runs"] < 12 and few["events"] > 0 and few["commits"] == 0
    await sync(wanted=Wanted(days=0))
    every = held()
    assert every["runs"] == 12 and all(every[name] > few[name] for name in few)
    assert (await sync(wanted=Wanted(days=10))).read["runs"] == 0  # nothing anew
    assert (await sync(wanted=Wanted(days=0))).read["runs"] == 0
    assert held() == every


async def test_a_cursor_kept_without_its_floor_is_read_back_once(database: Database, sync: Reader) -> None:
    await sync(wanted=Wanted(days=10))
    few = store.counts(database, PROJECT)
    for name in ("events", "runs", "commits"):
        kept = store.cursor(database, PROJECT, name)
        assert kept is not None
        state = {key: value for key, value in kept.state.items() if key != "floor_us"}
        with database.write() as connection:
            store.keep_cursor(connection, database, PROJECT, name, kept.repository, state)
    assert (await sync(wanted=Wanted(days=0))).read["runs"] == 12
    every = store.counts(database, PROJECT)
    assert all(every[name] > few[name] for name in ("runs", "events", "commits"))
    assert (await sync(wanted=Wanted(days=0))).read["runs"] == 0

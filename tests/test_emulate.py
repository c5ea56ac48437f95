"""The same calls on our simulated GitHub and on `emulate`: mirror, App, publisher, undo."""

from __future__ import annotations

import asyncio
import contextlib
import copy
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from hundredfold.forges.github.app import AppAuth
from hundredfold.forges.github.auth import Auth, TokenAuth
from hundredfold.forges.github.calls import Call, GitHubError
from hundredfold.forges.github.client import GitHubClient
from hundredfold.forges.github.forge import GitHubForge
from hundredfold.forges.github.pulls import Builder
from hundredfold.forges.preconditions import LiveRepository
from hundredfold.forges.protocol import History
from hundredfold.payloads import (
    Annotation,
    CheckRun,
    Close,
    Comment,
    Commit,
    Issue,
    Labels,
    PullRequest,
)
from hundredfold.proposals.patches import commits_of
from hundredfold.simulation.forge.hub import Hub
from hundredfold.simulation.forge.limits import UNLIMITED
from hundredfold.simulation.forge.running import in_thread
from hundredfold.sources.git import open_repository
from hundredfold.sources.github.mirror import Mirror, Synced
from hundredfold.store import mirror as store
from hundredfold.store.blobs import Blobs
from hundredfold.store.database import Database, open_database, sqlite_url
from hundredfold.store.items import keep_project
from hundredfold.vocabulary import Receipt
from tests.support.emulate import emulated
from tests.support.forge import APP_PERMISSIONS, TOKEN, commit, key_pair
from tests.support.github import nowhere, proposed
from tests.support.proposals import NoRepository
from tests.support.repositories import RepositoryMaker

REPOSITORY, PROJECT = "ada/widget", "p"
ROOT = f"/repos/{REPOSITORY}"


@contextlib.contextmanager
def ours(folder: Path) -> Iterator[tuple[str, str]]:
    hub = Hub(folder, limits=UNLIMITED)
    hub.token("ada", TOKEN)
    repo = hub.repo(REPOSITORY, by="ada")
    commit(repo.git, "main", {"README.md": b"# widget\n"}, "Initial commit", hub.now())
    app = hub.app("fleet", key_pair()[1], APP_PERMISSIONS)
    hub.install(app, "ada")
    with in_thread(hub) as url:
        yield f"{url}/api/v3", str(app.id)


@contextlib.contextmanager
def theirs(folder: Path) -> Iterator[tuple[str, str]]:
    installation = {"installation_id": 100, "account": "ada", "repository_selection": "all"}
    app = {
        "app_id": 12345, "slug": "fleet", "name": "Fleet", "private_key": key_pair()[0], "events": [],
        "permissions": APP_PERMISSIONS, "installations": [installation],
    }  # fmt: skip
    github = {
        "users": [{"login": "ada"}],
        "repos": [{"owner": "ada", "name": "widget", "auto_init": True}],
        "apps": [app],
    }
    with emulated(
        folder, {"tokens": {TOKEN: {"login": "ada", "scopes": ["repo", "user"]}}, "github": github}
    ) as url:
        yield url, "12345"


@pytest.fixture(params=[ours, theirs], ids=["ours", "emulate"])
def github(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, str]]:
    """The API's address and the App's id."""
    with request.param(tmp_path / "github") as served:
        yield served


Connect = Callable[..., GitHubClient]


@pytest_asyncio.fixture
async def connect(github: tuple[str, str]) -> AsyncIterator[Connect]:
    made = []

    def client(auth: Auth) -> GitHubClient:
        made.append(GitHubClient(auth, base_url=github[0], pace_s=0, backoff_s=0.01))
        return made[-1]

    def connected(*, app: bool = False) -> GitHubClient:
        return client(AppAuth(github[1], key_pair()[0], REPOSITORY, client) if app else TokenAuth(TOKEN))

    yield connected
    for one in reversed(made):
        await one.close()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = open_database(sqlite_url(tmp_path / "store.db"))
    keep_project(opened, PROJECT, tmp_path)
    yield opened
    opened.close()


async def sync(client: GitHubClient, database: Database, folder: Path) -> Synced:
    return await Mirror(client, database, Blobs(folder / "blobs"), PROJECT, REPOSITORY).sync()


async def made(client: GitHubClient, path: str, **body: Any) -> Any:
    return (await client.send(Call("POST", ROOT + path, body))).json()


async def test_the_mirror_reads_issues_labels_and_comments(
    connect: Connect, database: Database, tmp_path: Path
) -> None:
    client = connect()
    await made(client, "/labels", name="area", color="112233")
    for number in range(103):  # more than a page
        await made(
            client, "/issues", title=f"Issue {number}", body="b", labels=["area"] if number % 2 else []
        )
    await made(client, "/issues/5/comments", body="Hello")
    await client.send(Call("PATCH", f"{ROOT}/issues/7", {"state": "closed", "state_reason": "not_planned"}))
    done = await sync(client, database, tmp_path)
    rows = {one.number: one for one in store.issues(database, PROJECT)}
    assert {number: row.title for number, row in rows.items()} == {n + 1: f"Issue {n}" for n in range(103)}
    assert (rows[7].state, rows[7].reason, rows[7].author) == ("closed", "not_planned", "ada")
    assert rows[2].labels == ["area"] and rows[1].labels == []
    assert [one.body for one in store.comments(database, PROJECT, 5)] == ["Hello"]
    assert "area" in {one.name for one in store.labels(database, PROJECT)}
    assert len(store.commits(database, PROJECT)) == 1
    assert set(done.refused) <= {"comments", "inline", "events"}, "emulate lists these by item only"


async def test_an_app_is_let_in_and_bears_its_name(
    connect: Connect, database: Database, tmp_path: Path
) -> None:
    client = connect(app=True)
    assert await client.login() == "fleet[bot]"
    await made(client, "/issues", title="By the App")
    await sync(client, database, tmp_path)
    assert [one.author for one in store.issues(database, PROJECT)] == ["fleet[bot]"]


async def state(client: GitHubClient) -> dict[str, Any]:
    """What undoing must bring back."""
    found = {}
    async for one in client.entries(Call("GET", f"{ROOT}/issues", query=(("state", "all"),))):
        comments = Call("GET", f"{ROOT}/issues/{one['number']}/comments")
        found[str(one["number"])] = {
            "title": one["title"],
            "state": one["state"],
            "labels": sorted(label["name"] for label in one["labels"]),
            "comments": [comment["body"] async for comment in client.entries(comments)],
        }
    return found


def publisher(
    github: tuple[str, str], local: LiveRepository, build: Builder = nowhere, *, app: bool = False
) -> GitHubForge:
    def client(auth: Auth) -> GitHubClient:
        return GitHubClient(auth, base_url=github[0], pace_s=0, backoff_s=0.01)

    def connected() -> GitHubClient:
        return client(AppAuth(github[1], key_pair()[0], REPOSITORY, client) if app else TokenAuth(TOKEN))

    return GitHubForge(connected, REPOSITORY, local, build, settle_s=0.01)


async def test_what_the_publisher_does_is_done_once_and_taken_back(
    connect: Connect, github: tuple[str, str]
) -> None:
    client = connect()
    await made(client, "/labels", name="area", color="112233")
    for number in range(4):
        await made(client, "/issues", title=f"Issue {number}")
    await made(client, "/issues/4/labels", labels=["area"])
    before = await state(client)
    wanted = [
        (proposed(Comment(number=1), "comment"), "x-000000000001"),
        (proposed(Labels(number=2, add=("area",)), "labels"), "x-000000000002"),
        (proposed(Close(number=3, reason="duplicate", duplicate_of=1), "close"), "x-000000000003"),
        (proposed(Issue(labels=("area",)), "issue"), "x-000000000004"),
        (proposed(Comment(number=1), "later", body="What is now to be said.\n"), "x-000000000005"),
        (proposed(Labels(number=4, remove=("area",)), "unlabel"), "x-000000000006"),
    ]
    forge = publisher(github, NoRepository())

    def publish() -> list[Receipt]:
        receipts = [forge.apply(*one) for one in wanted[:4]]
        for at in (0, 3):  # what bears a marker is found again, even by a publisher that remembers nothing
            assert forge.apply(*wanted[at]).location == receipts[at].location
        return receipts + [forge.apply(*one) for one in wanted[4:]]

    def take_back(receipts: list[Receipt]) -> list[str]:
        done = [
            forge.undo(receipt, key)
            for receipt, (_, key) in reversed(list(zip(receipts, wanted, strict=True)))
        ]
        forge.close()
        return done[::-1]

    receipts = await asyncio.to_thread(publish)
    applied = await state(client)
    (comment,) = applied["1"]["comments"]
    assert "What is now to be said." in comment, "a later comment of the same job replaces the earlier"
    assert applied["2"]["labels"] == ["area"] and applied["4"]["labels"] == []
    assert applied["3"]["state"] == "closed"
    assert applied["5"]["labels"] == ["area"]
    residue = await asyncio.to_thread(take_back, receipts)
    assert residue == ["", "", "", "the issue #5 stays, closed", "", ""]
    after = await state(client)
    assert after.pop("5")["state"] == "closed"
    assert after == before


FILE = "app.py"


async def based(client: GitHubClient, folder: Path) -> tuple[RepositoryMaker, str]:
    """A repository on this machine, and its commit as the branch `trunk` on the forge, object by object."""
    maker = RepositoryMaker(folder)
    sha = maker.commit({FILE: "one\n"}, "Begin")
    at = datetime.fromtimestamp(maker.clock, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    person = {"name": "Ada", "email": "ada@example.org", "date": at}
    blob = await made(client, "/git/blobs", content="one\n", encoding="utf-8")
    entry = {"path": FILE, "mode": "100644", "type": "blob", "sha": blob["sha"]}
    tree = await made(client, "/git/trees", tree=[entry])
    commit = await made(
        client,
        "/git/commits",
        message="Begin\n",
        tree=tree["sha"],
        parents=[],
        author=person,
        committer=person,
    )
    assert commit["sha"] == sha
    await made(client, "/git/refs", ref="refs/heads/trunk", sha=sha)
    return maker, sha


async def test_a_draft_pull_request_and_a_check_run_are_published_and_taken_back(
    connect: Connect, github: tuple[str, str], tmp_path: Path
) -> None:
    client = connect()
    maker, base = await based(client, tmp_path / "local")
    (maker.root / FILE).write_text("one\ntwo\n")
    patch = maker.git("diff", "--binary") + "\n"
    maker.git("checkout", "-q", "--", FILE)
    local = open_repository(maker.root)
    forge = publisher(github, local, partial(commits_of, local))
    by_app = publisher(github, local, app=True)  # GitHub takes check runs of Apps only

    async def got(path: str) -> Any:
        return (await client.send(Call("GET", ROOT + path))).json()

    async def branches() -> dict[str, str]:
        return {one["name"]: one["commit"]["sha"] for one in await got("/branches")}

    before = await branches()
    pull = PullRequest(
        base="trunk",
        base_sha=base,
        branch="fleet/two",
        commits=(Commit(message="Say two", patch=patch),),
    )
    opened = await asyncio.to_thread(forge.apply, proposed(pull, "pull"), "x-000000000011")
    begun = copy.deepcopy(opened.undo["work"])
    for step in begun["steps"][-2:]:  # as if the answers about the branch and the pull request were lost
        step["result"] = None
    again = await asyncio.to_thread(
        forge.apply, proposed(pull, "pull"), "x-000000000011", History(begun=begun)
    )
    assert again.location == opened.location
    (there,) = await got("/pulls")
    number, head = there["number"], there["head"]["sha"]
    assert (there["draft"], there["base"]["ref"], there["head"]["ref"]) == (True, "trunk", "fleet/two")
    assert await branches() == {**before, "fleet/two": head}
    tip = await got(f"/git/commits/{head}")
    assert (tip["message"].strip(), [one["sha"] for one in tip["parents"]]) == ("Say two", [base])

    annotation = Annotation(path=FILE, start_line=2, end_line=2, message="Two")
    check = CheckRun(head=head, name="fleet", conclusion="failure", annotations=(annotation,))
    checked = await asyncio.to_thread(by_app.apply, proposed(check, "check"), "x-000000000013")
    runs = f"/commits/{head}/check-runs"
    (run,) = (await got(runs))["check_runs"]
    assert (run["name"], run["conclusion"], run["external_id"]) == ("fleet", "failure", "x-000000000013")
    assert run["output"]["annotations_count"] == 1

    assert await asyncio.to_thread(by_app.undo, checked, "x-000000000013") == (
        "the check run 'fleet' stays, as neutral"
    )
    (run,) = (await got(runs))["check_runs"]
    assert run["conclusion"] == "neutral" and run["output"]["title"] == "Withdrawn"
    assert await asyncio.to_thread(forge.undo, opened, "x-000000000011") == (
        f"the pull request #{number} stays, closed"
    )
    closed = await got(f"/pulls/{number}")
    assert closed["state"] == "closed" and "withdrawn" in closed["body"].lower()
    assert await branches() == before
    for one in (forge, by_app):
        await asyncio.to_thread(one.close)
    local.close()


async def test_why_emulate_is_asked_for_no_other_types(tmp_path: Path) -> None:
    """If one of these fails, `emulate` has learnt it, and the tests above should ask for it."""
    with theirs(tmp_path / "github") as (url, _):
        client = GitHubClient(TokenAuth(TOKEN), base_url=url, pace_s=0)
        for path in ("/code-scanning/sarifs", "/security-advisories"):  # sarif, advisory: no such routes
            with pytest.raises(GitHubError, match="404"):
                await made(client, path)
        # review, and comments, labels, closing of a pull request: GitHub has one at /issues/N too
        _, base = await based(client, tmp_path / "local")
        await made(client, "/git/refs", ref="refs/heads/fleet/two", sha=base)
        pull = await made(client, "/pulls", title="Two", head="fleet/two", base="main")
        with pytest.raises(GitHubError, match="404"):
            await client.send(Call("GET", f"{ROOT}/issues/{pull['number']}"))
        await client.close()

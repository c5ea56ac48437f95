"""The same calls on our simulated GitHub and on `emulate`: mirror, App, publisher, undo."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from hundredfold.forges.github.app import AppAuth
from hundredfold.forges.github.auth import Auth, TokenAuth
from hundredfold.forges.github.calls import Call
from hundredfold.forges.github.client import GitHubClient
from hundredfold.forges.github.forge import GitHubForge
from hundredfold.payloads import Close, Comment, Issue, Labels
from hundredfold.simulation.forge.hub import Hub
from hundredfold.simulation.forge.limits import UNLIMITED
from hundredfold.simulation.forge.running import in_thread
from hundredfold.sources.github.mirror import Mirror, Synced
from hundredfold.store import mirror as store
from hundredfold.store.blobs import Blobs
from hundredfold.store.database import Database, open_database, sqlite_url
from hundredfold.store.items import keep_project
from tests.support.emulate import emulated
from tests.support.forge import APP_PERMISSIONS, TOKEN, commit, key_pair
from tests.support.github import nowhere, proposed
from tests.support.proposals import NoRepository

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


async def test_what_the_publisher_does_is_done_once_and_taken_back(
    connect: Connect, github: tuple[str, str]
) -> None:
    import asyncio

    client = connect()
    await made(client, "/labels", name="area", color="112233")
    for number in range(3):
        await made(client, "/issues", title=f"Issue {number}")
    before = await state(client)

    def publish() -> list[str]:
        forge = GitHubForge(
            lambda: GitHubClient(TokenAuth(TOKEN), base_url=github[0], pace_s=0, backoff_s=0.01),
            REPOSITORY,
            NoRepository(),
            nowhere,
            settle_s=0.01,
        )
        wanted = [
            (proposed(Comment(number=1), "comment"), "x-000000000001"),
            (proposed(Labels(number=2, add=("area",)), "labels"), "x-000000000002"),
            (proposed(Close(number=3, reason="duplicate", duplicate_of=1), "close"), "x-000000000003"),
            (proposed(Issue(labels=("area",)), "issue"), "x-000000000004"),
        ]
        receipts = [forge.apply(*one) for one in wanted]
        for at in (0, 3):  # what bears a marker is found again, even by a publisher that remembers nothing
            assert forge.apply(*wanted[at]).location == receipts[at].location
        applied.update(asyncio.run(observed()))
        residue = [forge.undo(receipt, key) for receipt, (_, key) in zip(receipts, wanted, strict=True)]
        forge.close()
        return residue

    async def observed() -> dict[str, Any]:
        own = GitHubClient(TokenAuth(TOKEN), base_url=github[0])
        try:
            return await state(own)
        finally:
            await own.close()

    applied: dict[str, Any] = {}
    residue = await asyncio.to_thread(publish)
    assert len(applied["1"]["comments"]) == 1
    assert applied["2"]["labels"] == ["area"]
    assert applied["3"]["state"] == "closed"
    assert applied["4"]["labels"] == ["area"]
    assert residue == ["", "", "", "the issue #4 stays, closed"]
    after = await state(client)
    assert after.pop("4")["state"] == "closed"
    assert after == before

"""Webhooks: only what is signed, once, whole; bursts told once an item; GitHub's own examples are read."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from hundredfold.errors import StorageError, UnavailableError
from hundredfold.simulation.forge.hub import Hook
from hundredfold.simulation.forge.server import signed
from hundredfold.sources.github.bodies import OddBody
from hundredfold.sources.github.deliveries import change_of
from hundredfold.sources.github.receiver import Receiver
from hundredfold.store import mirror as store
from hundredfold.store.database import Database, open_database, sqlite_url
from hundredfold.store.items import keep_project
from tests.support.forge import TOKEN, TestForge
from tests.support.openapi import fetched
from tests.support.waiting import comes

SECRET, PROJECT, REPOSITORY = "It's a Secret to Everybody", "p", "Codertocat/Hello-World"


def examples() -> list[tuple[str, dict[str, Any]]]:
    """GitHub's own example payloads, each with its event."""
    file = fetched("@octokit/webhooks-examples", "7.6.1", "package/api.github.com/index.json")
    return [(one["name"], body) for one in json.loads(file.read_bytes()) for body in one["examples"]]


def example(event: str, action: str = "", repository: str = REPOSITORY) -> dict[str, Any]:
    return next(
        body
        for name, body in examples()
        if name == event
        and body.get("action", "") in ("", action or body.get("action", ""))
        and body.get("repository", {}).get("full_name") == repository
    )


@pytest_asyncio.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = open_database(sqlite_url(tmp_path / "store.db"))
    keep_project(opened, PROJECT, tmp_path)
    yield opened
    opened.close()


class Listener:
    """A receiver that is served, what it told, and a way to deliver to it."""

    def __init__(self, database: Database, repository: str = REPOSITORY, **times: float) -> None:
        self.told: list[tuple[str, ...]] = []
        self.receiver = Receiver(
            database, PROJECT, repository, SECRET, self._tell, **{"quiet_s": 0.05, **times}
        )
        self.url = ""

    async def _tell(self, items: tuple[str, ...]) -> None:
        self.told.append(items)

    async def deliver(
        self, event: str, payload: Any, *, secret: str = SECRET, delivery: str = "", **headers: str
    ) -> int:
        body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        sent = {
            **signed(event, body, secret, delivery),
            **{k.replace("_", "-"): v for k, v in headers.items()},
        }
        async with (
            aiohttp.ClientSession() as session,
            session.post(self.url, data=body, headers=sent) as answer,
        ):
            return answer.status

    async def quiet(self) -> None:
        await asyncio.sleep(0.3)


@pytest_asyncio.fixture
async def listener(database: Database) -> AsyncIterator[Listener]:
    made = Listener(database)
    async with made.receiver.serving("127.0.0.1", 0) as made.url:
        yield made


async def test_a_signed_delivery_is_in_the_mirror_and_told(listener: Listener, database: Database) -> None:
    payload = example("issues", "opened")
    assert await listener.deliver("issues", payload) == 202
    row = store.issue(database, PROJECT, payload["issue"]["number"])
    assert row is not None and row.title == payload["issue"]["title"]
    await comes(lambda: listener.told)
    assert listener.told == [(f"issue {row.number}",)]


async def test_what_is_not_signed_by_the_secret_changes_nothing(
    listener: Listener, database: Database
) -> None:
    payload = example("issues", "opened")
    good = json.dumps(payload).encode()
    assert await listener.deliver("issues", payload, secret="guess") == 401
    assert await listener.deliver("issues", payload, X_Hub_Signature_256="") == 401
    assert await listener.deliver("issues", payload, X_Hub_Signature_256="sha256=é") == 401
    stolen = signed("issues", good, SECRET)["X-Hub-Signature-256"]
    assert await listener.deliver("issues", good + b" ", X_Hub_Signature_256=stolen) == 401
    assert store.issue(database, PROJECT, payload["issue"]["number"]) is None
    await listener.quiet()
    assert listener.told == []


async def test_a_replay_is_refused_under_whatever_id_and_event_it_comes(listener: Listener) -> None:
    payload = example("issues", "opened")
    assert await listener.deliver("issues", payload, delivery="d-1") == 202
    assert await listener.deliver("issues", payload, delivery="d-1") == 409
    assert await listener.deliver("issues", payload, delivery="d-2") == 409
    assert await listener.deliver("label", payload, delivery="d-3") in (409, 422)
    assert await listener.deliver("issues", example("issues", "edited"), delivery="d-1") == 409
    assert listener.receiver.tally.taken == 1


async def test_a_burst_is_told_once_an_item(database: Database) -> None:
    listener = Listener(database, quiet_s=600.0, longest_wait_s=6000.0)
    payload = example("issues", "opened")
    other = example("issue_comment", "created")
    other["issue"]["number"] = 77
    deliveries = []
    async with listener.receiver.serving("127.0.0.1", 0) as listener.url:  # what waits is told at its end
        for number in range(60):
            one = json.loads(json.dumps(payload if number % 2 else other))
            one["issue"]["title"] = f"Title {number}"
            deliveries.append(listener.deliver("issues" if number % 2 else "issue_comment", one))
        assert set(await asyncio.gather(*deliveries)) == {202}
        assert listener.told == []
    assert sorted(item for told in listener.told for item in told) == ["issue 1", "issue 77"]
    assert listener.receiver.tally.taken == 60


async def test_a_burst_without_end_is_told_now_and_then(database: Database) -> None:
    listener = Listener(database, quiet_s=0.2, longest_wait_s=0.6)
    payload = example("issues", "opened")
    async with listener.receiver.serving("127.0.0.1", 0) as listener.url:
        end = time.monotonic() + 1.6
        number = 0
        while time.monotonic() < end:
            number += 1
            payload["issue"]["title"] = str(number)
            await listener.deliver("issues", payload)
            await asyncio.sleep(0.05)
        assert listener.told
    assert {item for told in listener.told for item in told} == {"issue 1"}


async def test_an_older_delivery_that_comes_late_changes_nothing(
    listener: Listener, database: Database
) -> None:
    payload = example("issues", "edited")
    payload["issue"]["updated_at"] = "2026-01-02T00:00:00Z"
    await listener.deliver("issues", payload)
    payload["issue"] |= {"updated_at": "2026-01-01T00:00:00Z", "title": "Of yesterday"}
    assert await listener.deliver("issues", payload) == 202
    row = store.issue(database, PROJECT, payload["issue"]["number"])
    assert row is not None and row.title != "Of yesterday"


async def test_what_was_deleted_goes(listener: Listener, database: Database) -> None:
    created = example("issue_comment", "created")
    await listener.deliver("issue_comment", created)
    assert len(store.comments(database, PROJECT, created["issue"]["number"])) == 1
    await listener.deliver("issue_comment", {**created, "action": "deleted"})
    assert store.comments(database, PROJECT, created["issue"]["number"]) == []


async def test_what_is_no_payload_is_refused_with_the_reason(listener: Listener, database: Database) -> None:
    assert await listener.deliver("issues", b"[1]") == 422
    assert await listener.deliver("issues", b"\xff") == 422
    wrong = example("issues", "opened")
    wrong["issue"]["number"] = "seven"
    assert await listener.deliver("issues", wrong) == 422
    assert await listener.deliver("issues", wrong, Content_Type="application/x-www-form-urlencoded") == 415
    wrong["issue"]["number"] = 7
    assert await listener.deliver("issues", wrong) == 202, "what was refused is not known as delivered"
    assert await listener.deliver("issues", {**wrong, "repository": {"full_name": "eve/evil"}}) == 202
    assert listener.receiver.tally.ignored == 1


async def test_a_database_that_is_away_asks_for_another_delivery(
    listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    payload = example("issues", "opened")

    def refuse(*_: Any) -> bool:
        raise StorageError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(listener.receiver, "_keep", refuse)
        assert await listener.deliver("issues", payload, delivery="d-1") == 503
    assert await listener.deliver("issues", payload, delivery="d-1") == 202


async def test_a_port_that_is_taken_is_said_with_the_mend(listener: Listener, database: Database) -> None:
    port = int(listener.url.rstrip("/").rpartition(":")[2])
    with pytest.raises(UnavailableError, match="webhooks can't be taken") as refused:
        async with Listener(database).receiver.serving("127.0.0.1", port):
            pass
    assert "webhook-port" in refused.value.mend


def test_every_example_of_githubs_is_read_or_of_no_concern() -> None:
    found = examples()
    assert len(found) > 300
    changes = {event: change_of(event, body) for event, body in found}
    assert {event for event, change in changes.items() if change.items} == {
        "issues", "issue_comment", "pull_request", "pull_request_review", "pull_request_review_comment",
        "check_run", "status", "workflow_run", "workflow_job", "push",
    }  # fmt: skip


@pytest.mark.parametrize(
    "event", ["issues", "pull_request", "check_run", "workflow_job", "status", "push", "label"]
)
def test_a_payload_that_lacks_anything_is_read_or_named(event: str) -> None:
    """Every field of an example taken away, or made another kind of value, in turn: an error names it, or it
    is none that is read. Nothing else is raised."""
    whole = max((body for name, body in examples() if name == event), key=lambda one: len(json.dumps(one)))
    paths = list(_paths(whole))
    refused = 0
    for path in paths[:: max(1, len(paths) // 250)]:
        odd: tuple[Any, ...] = (None, 7, "x", [], {}, [None])
        for value in odd:
            payload = json.loads(json.dumps(whole))
            inner = payload
            for step in path[:-1]:
                inner = inner[step]
            inner[path[-1]] = value
            try:
                change_of(event, payload)
            except OddBody:
                refused += 1
    assert refused > 0


def _paths(value: Any, before: tuple[Any, ...] = ()) -> Any:
    entries = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for key, inner in entries:
        if key in ("repository", "sender", "organization", "installation"):
            continue
        yield (*before, key)
        yield from _paths(inner, (*before, key))


async def test_the_forge_tells_the_mirror_what_people_do(tmp_path: Path, database: Database) -> None:
    forge = TestForge(tmp_path / "forge")
    listener = Listener(database, "acme/widget")
    async with listener.receiver.serving("127.0.0.1", 0) as listener.url:
        forge.hub.hooks.append(Hook(listener.url, SECRET))
        with forge.served() as api:
            async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {TOKEN}"}) as session:
                root = f"{api}/repos/acme/widget"
                await session.post(f"{root}/issues/1/comments", json={"body": "Hello"})
                await session.patch(f"{root}/issues/1", json={"state": "closed"})
                await session.post(f"{root}/pulls/2/reviews", json={"event": "APPROVE"})
                await session.put(f"{root}/pulls/2/merge", json={})
                await comes(lambda: (there := store.pull(database, PROJECT, 2)) and there.merged_us)
    issue, pull = store.issue(database, PROJECT, 1), store.pull(database, PROJECT, 2)
    assert issue is not None and (issue.state, issue.comments) == ("closed", 1)
    assert [one.body for one in store.comments(database, PROJECT, 1)] == ["Hello"]
    assert [one.state for one in store.reviews(database, PROJECT, 2)] == ["APPROVED"]
    assert pull is not None and pull.merged_us is not None
    assert {"issue 1", "pull 2"} <= {item for told in listener.told for item in told}

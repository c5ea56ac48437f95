"""The simulated forge beside its answers: ETags, pages, limits, faults, git, webhooks, state."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web

from hundredfold.simulation.forge.api.issues import new_issue
from hundredfold.simulation.forge.dump import difference, dump
from hundredfold.simulation.forge.faults import Fault, Storm
from hundredfold.simulation.forge.hub import Hook
from hundredfold.simulation.forge.limits import Limits
from tests.support.forge import TOKEN, TestForge
from tests.support.waiting import comes

ISSUES = "/repos/acme/widget/issues"
SIGNED_IN = {"Authorization": f"token {TOKEN}"}


@pytest.fixture
def forge(tmp_path: Path) -> TestForge:
    return TestForge(tmp_path / "forge")


@pytest_asyncio.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(headers=SIGNED_IN) as made:
        yield made


async def test_an_unchanged_answer_costs_nothing_of_the_limit(
    forge: TestForge, session: aiohttp.ClientSession
) -> None:
    with forge.served() as api:
        async with session.get(api + ISSUES) as first:
            etag, left = first.headers["ETag"], int(first.headers["X-RateLimit-Remaining"])
        async with session.get(api + ISSUES, headers={"If-None-Match": etag}) as second:
            assert second.status == 304
            assert int(second.headers["X-RateLimit-Remaining"]) == left
        new_issue(forge.hub, forge.repo, "bob", "Another", None)
        async with session.get(api + ISSUES, headers={"If-None-Match": etag}) as third:
            assert third.status == 200
            assert int(third.headers["X-RateLimit-Remaining"]) == left - 1


async def test_links_lead_through_all_pages_and_since_leaves_the_old_out(
    forge: TestForge, session: aiohttp.ClientSession
) -> None:
    for number in range(25):
        forge.clock.step()
        new_issue(forge.hub, forge.repo, "bob", f"Issue {number}", None)
    with forge.served() as api:
        url, seen = f"{api}{ISSUES}?per_page=10&state=all", []
        while url:
            async with session.get(url) as answer:
                seen += [one["number"] for one in await answer.json()]
                url = str(answer.links["next"]["url"]) if "next" in answer.links else ""
        assert sorted(seen) == list(range(1, 28))
        since = "2026-11-20T12:00:20Z"
        async with session.get(f"{api}{ISSUES}?state=all&since={since}") as answer:
            assert len(await answer.json()) == 6


async def test_the_primary_limit_ends_with_its_hour(tmp_path: Path, session: aiohttp.ClientSession) -> None:
    forge = TestForge(tmp_path / "forge", Limits(core=2))
    with forge.served() as api:
        statuses = [(await session.get(api + ISSUES)).status for _ in range(3)]
        refused = await session.get(api + ISSUES)
        assert refused.headers["X-RateLimit-Remaining"] == "0"
        assert float(refused.headers["X-RateLimit-Reset"]) == int(forge.clock()) + 3600
        forge.clock.step(3600)
        assert statuses == [200, 200, 403]
        assert (await session.get(api + ISSUES)).status == 200


async def test_the_secondary_limit_on_content_says_how_long_to_wait(
    tmp_path: Path, session: aiohttp.ClientSession
) -> None:
    forge = TestForge(tmp_path / "forge", Limits(content_per_minute=2))
    with forge.served() as api:
        answers = [await session.post(f"{api}{ISSUES}/1/comments", json={"body": "b"}) for _ in range(3)]
        assert [one.status for one in answers] == [201, 201, 403]
        assert int(answers[2].headers["Retry-After"]) == 60
        assert "secondary rate limit" in (await answers[2].json())["message"]


async def test_each_fault_strikes_as_often_as_asked(forge: TestForge, session: aiohttp.ClientSession) -> None:
    with forge.served() as api:
        where = f"{api}{ISSUES}/1/comments"

        async def post() -> int:
            async with session.post(where, json={"body": "b"}) as answer:
                return answer.status

        forge.hub.faults.add(Fault("forbidden", "POST", "/comments$"))
        forge.hub.faults.add(Fault("throttled", "POST"))
        forge.hub.faults.add(Fault("bad_gateway", "POST"))
        forge.hub.faults.add(Fault("bad_gateway", "POST", after=True))
        assert [await post() for _ in range(5)] == [403, 429, 502, 502, 201]
        assert len(forge.issue.comments) == 2, "the second 502 was carried out"
        forge.hub.faults.add(Fault("cut", "POST", after=True))
        with pytest.raises(aiohttp.ClientError):
            await post()
        assert len(forge.issue.comments) == 3
        forge.hub.faults.add(Fault("gone", "GET", branch="acme/widget:topic"))
        async with session.get(f"{api}/repos/acme/widget/pulls/2") as answer:
            assert (await answer.json())["state"] == "closed"
        await session.get(where)
        forge.issue.comments.clear()
        forge.hub.faults.add(Fault("stale", "GET"))
        assert [len(await (await session.get(where)).json()) for _ in range(2)] == [3, 0]


async def test_a_storm_strikes_its_share_the_same_way_under_the_same_seed(forge: TestForge) -> None:
    def struck() -> list[str]:
        storm = Storm(rate=0.1, seed=7)
        found = [storm.draw("GET", f"/issues/{number}") for number in range(2000)]
        return [fault.kind if fault else "" for fault in found]

    first = struck()
    assert first == struck()
    assert 150 < sum(map(bool, first)) < 250


def test_git_clones_and_pushes_and_pull_requests_follow(forge: TestForge, tmp_path: Path) -> None:
    with forge.served() as api:
        host = api.removesuffix("/api/v3").removeprefix("http://")
        url = f"http://x-access-token:{TOKEN}@{host}/acme/widget.git"

        environment = {"PATH": os.environ["PATH"], "GIT_TERMINAL_PROMPT": "0", "HOME": str(tmp_path)}

        def git(*arguments: str, ok: bool = True) -> str:
            done = subprocess.run(
                ["git", "-c", "user.name=ada", "-c", "user.email=a@b", *arguments],
                capture_output=True, text=True, check=False, env=environment,
            )  # fmt: skip
            assert (done.returncode == 0) == ok, done.stderr
            return done.stdout.strip()

        clone = str(tmp_path / "clone")
        git("clone", "-q", "-b", "topic", url, clone)
        (tmp_path / "clone" / "new.txt").write_text("x")
        git("-C", clone, "add", "-A")
        git("-C", clone, "commit", "-q", "-m", "More")
        git("-C", clone, "push", "-q", "origin", "topic")
        assert forge.pull.pull is not None
        assert forge.pull.pull.head_sha == git("-C", clone, "rev-parse", "HEAD")
        git("-C", clone, "push", "-q", f"http://{host}/acme/widget.git", "topic:other", ok=False)
        git("-C", clone, "push", "-q", "origin", "topic:main")
        assert forge.pull.pull.merged is not None, "its head is in the base now"


async def test_what_changes_is_told_to_webhooks_with_a_signature(
    forge: TestForge, session: aiohttp.ClientSession
) -> None:
    got: list[tuple[str, dict[str, Any]]] = []

    async def receive(request: web.Request) -> web.Response:
        body = await request.read()
        mark = hmac.new(b"s3cret", body, hashlib.sha256).hexdigest()
        assert request.headers["X-Hub-Signature-256"] == f"sha256={mark}"
        got.append((request.headers["X-GitHub-Event"], json.loads(body)))
        return web.Response()

    application = web.Application()
    application.router.add_post("/hook", receive)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        forge.hub.hooks.append(Hook(f"http://127.0.0.1:{runner.addresses[0][1]}/hook", "s3cret"))
        with forge.served() as api:
            await session.post(f"{api}{ISSUES}", json={"title": "Told"})
            await session.post(f"{api}{ISSUES}/1/comments", json={"body": "b"})
            await session.patch(f"{api}/repos/acme/widget/pulls/2", json={"state": "closed"})
            await comes(lambda: len(got) == 3)
    finally:
        await runner.cleanup()
    assert [(event, body["action"]) for event, body in got] == [
        ("issues", "opened"),
        ("issue_comment", "created"),
        ("pull_request", "closed"),
    ]
    assert all(body["installation"]["id"] == forge.installation.id for _, body in got)


async def test_the_state_tells_what_changed_object_by_object(
    forge: TestForge, session: aiohttp.ClientSession
) -> None:
    before = dump(forge.hub)
    with forge.served() as api:
        comment = await (await session.post(f"{api}{ISSUES}/1/comments", json={"body": "b"})).json()
        await session.patch(f"{api}{ISSUES}/1", json={"state": "closed", "labels": ["bug"]})
        told = difference(before, dump(forge.hub))
        assert told[f"acme/widget comment {comment['id']} on 1"] == "made"
        assert "state: 'open' → 'closed'" in told["acme/widget issue 1"]
        await session.delete(f"{api}{ISSUES}/comments/{comment['id']}")
        await session.patch(f"{api}{ISSUES}/1", json={"state": "open", "labels": []})
    assert difference(before, dump(forge.hub)) == {}

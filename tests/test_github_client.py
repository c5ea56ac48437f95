"""The client waits out limits, repeats only what may be repeated, and shows its token to one host alone."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web

from hundredfold.errors import ConfigError
from hundredfold.forges.github.auth import TokenAuth
from hundredfold.forges.github.calls import Call, GitHubError, RateLimited, Uncertain, path_of
from hundredfold.forges.github.client import TRIES, GitHubClient

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Scripted:
    """A server that answers what a test says, one after another, and a clock that sleeping moves on."""

    def __init__(self) -> None:
        self.answers: list[Handler] = []
        self.seen: list[web.Request] = []
        self.now = 1_000_000.0
        self.slept: list[float] = []
        self.client: GitHubClient

    async def handle(self, request: web.Request) -> web.StreamResponse:
        await request.read()
        self.seen.append(request)
        return await self.answers.pop(0)(request)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
async def scripted() -> AsyncIterator[Scripted]:
    server = Scripted()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.client = GitHubClient(
        TokenAuth("t0ken"),
        base_url=f"http://127.0.0.1:{runner.addresses[0][1]}/api/v3",
        pace_s=0,
        clock=lambda: server.now,
        sleep=server.sleep,
    )
    yield server
    await server.client.close()
    await runner.cleanup()


def json(status: int = 200, body: Any = None, **headers: str) -> Handler:
    async def answer(_: web.Request) -> web.Response:
        return web.json_response(
            body if body is not None else {},
            status=status,
            headers={name.replace("_", "-"): value for name, value in headers.items()},
        )

    return answer


def bare(status: int, **headers: str) -> Handler:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=status, headers=headers)

    return answer


async def hang_up(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


@pytest.mark.parametrize("method", ["GET", "PATCH", "PUT", "DELETE"])
async def test_what_may_be_repeated_is_after_a_fault(scripted: Scripted, method: Any) -> None:
    scripted.answers = [json(502), hang_up, json(200, {"ok": 1})]
    assert (await scripted.client.send(Call(method, "/x"))).json() == {"ok": 1}
    assert len(scripted.seen) == 3 and scripted.slept


@pytest.mark.parametrize("fault", [json(502), hang_up], ids=["502", "lost"])
async def test_a_post_is_never_sent_twice_on_its_own(scripted: Scripted, fault: Any) -> None:
    scripted.answers = [fault]
    with pytest.raises(Uncertain, match=r"POST /x: .* may have taken effect"):
        await scripted.client.send(Call("POST", "/x", {"body": "b"}))
    assert len(scripted.seen) == 1
    scripted.answers = [json(502), json(201)]
    await scripted.client.send(Call("POST", "/labels", {"labels": []}, repeatable=True))


async def test_faults_end_after_so_many_tries(scripted: Scripted) -> None:
    scripted.answers = [json(503)] * TRIES
    with pytest.raises(GitHubError, match="answered 503"):
        await scripted.client.send(Call("GET", "/x"))
    assert len(scripted.seen) == TRIES


async def test_limits_are_waited_out_for_posts_too(scripted: Scripted) -> None:
    scripted.answers = [
        json(429, {"message": "slow"}, retry_after="7"),
        json(403, {"message": "You have exceeded a secondary rate limit."}),
        json(
            403,
            {"message": "API rate limit exceeded"},
            x_ratelimit_limit="5000",
            x_ratelimit_remaining="0",
            x_ratelimit_reset=str(1_000_000 + 500),
        ),
        json(201, {"id": 1}),
    ]
    assert (await scripted.client.send(Call("POST", "/x", {}))).json() == {"id": 1}
    assert scripted.slept[0] == pytest.approx(7) and scripted.slept[1] >= 60
    assert scripted.now >= 1_000_500
    assert scripted.client.rate is not None and scripted.client.rate.remaining == 0


async def test_a_limit_beyond_our_patience_says_when_to_come_back(scripted: Scripted) -> None:
    scripted.answers = [json(429, retry_after="3600")]
    with pytest.raises(RateLimited) as raised:
        await scripted.client.send(Call("GET", "/x"))
    assert raised.value.until_s == scripted.now + 3600 and "13:46:40" not in raised.value.mend
    assert "Call again after 14:46:40 UTC" in raised.value.mend
    assert scripted.slept == []


async def test_nothing_is_sent_once_the_last_request_is_used(scripted: Scripted) -> None:
    scripted.answers = [
        json(200, x_ratelimit_limit="60", x_ratelimit_remaining="0", x_ratelimit_reset="1000030"),
        json(200),
    ]
    await scripted.client.send(Call("GET", "/x"))
    await scripted.client.send(Call("GET", "/x"))
    assert scripted.slept == [30]


async def test_a_refusal_is_no_limit_and_says_what_to_do(scripted: Scripted) -> None:
    details = {"message": "Resource not accessible", "errors": [{"code": "x"}]}
    scripted.answers = [json(403, details, x_ratelimit_remaining="4000")]
    with pytest.raises(GitHubError, match="Resource not accessible; x") as raised:
        await scripted.client.send(Call("POST", "/x", {}))
    assert raised.value.status == 403 and "permission" in raised.value.mend
    assert "t0ken" not in f"{raised.value}{raised.value.mend}"


async def test_an_etag_is_asked_with_and_304_is_no_fault(scripted: Scripted) -> None:
    scripted.answers = [json(200, [1], ETag='"a"'), bare(304)]
    first = await scripted.client.send(Call("GET", "/x"))
    again = await scripted.client.send(Call("GET", "/x"), etag=first.etag)
    assert again.unchanged and scripted.seen[1].headers["If-None-Match"] == '"a"'
    assert scripted.client.tally.unchanged == 1


async def test_pages_follow_links_on_the_same_host_only(scripted: Scripted) -> None:
    base = scripted.client.base_url
    scripted.answers = [
        json(200, [{"n": 1}], Link=f'<{base}/x?page=2>; rel="next", <{base}/x?page=9>; rel="last"'),
        json(200, [{"n": 2}], Link='<http://127.0.0.1:1/x?page=3>; rel="next"'),
    ]
    found = []
    with pytest.raises(GitHubError, match="another host"):
        async for one in scripted.client.entries(Call("GET", "/x", query=(("state", "all"),))):
            found.append(one["n"])
    assert found == [1, 2]
    assert [str(one.rel_url) for one in scripted.seen] == [
        "/api/v3/x?state=all&per_page=100",
        "/api/v3/x?page=2",
    ]


async def test_changes_are_spaced(scripted: Scripted) -> None:
    scripted.client._pace_s = 1.0
    scripted.answers = [json()] * 4
    for call in (Call("GET", "/x"), Call("PATCH", "/x"), Call("PATCH", "/x"), Call("PATCH", "/x")):
        await scripted.client.send(call)
    assert sum(scripted.slept) == pytest.approx(2.0)


async def test_a_change_does_not_follow_a_renamed_repository(scripted: Scripted) -> None:
    scripted.answers = [bare(307, Location="/api/v3/y")]
    with pytest.raises(GitHubError, match="elsewhere"):
        await scripted.client.send(Call("PATCH", "/x"))


def test_a_path_quotes_each_part() -> None:
    assert (
        path_of("repos", "o", "r", "issues", 3, "labels", "a/b c") == "/repos/o/r/issues/3/labels/a%2Fb%20c"
    )


@pytest.mark.parametrize("url", ["http://example.com", "ftp://x", "https://", "https://u:p@x"])
def test_a_credential_is_not_sent_in_the_clear(url: str) -> None:
    with pytest.raises(ConfigError):
        GitHubClient(TokenAuth("t"), base_url=url)


def test_a_token_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FORGE", raising=False)
    with pytest.raises(ConfigError, match="FORGE"):
        TokenAuth.from_environment("FORGE")
    monkeypatch.setenv("FORGE", "a b")
    with pytest.raises(ConfigError, match="no token") as raised:
        TokenAuth.from_environment("FORGE")
    assert "a b" not in str(raised.value)

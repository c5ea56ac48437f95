"""Chat Completions and Messages over real HTTP: exact rows, each key where it belongs, and no other model."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from hundredfold.gateway.settings import Upstream as Told
from hundredfold.store.database import open_database, sqlite_url
from hundredfold.vocabulary import Limit
from tests.support.gateways import KEY, Running, make_attempt, running
from tests.support.upstream import Upstream, fixed, upstream
from tests.support.waiting import arrives
from tests.support.wires import CHAT_DONE, CHAT_REPORT, chat_chunk, message_events, sent

ATTEMPT = "a-000000000001"
OTHER_KEY = "sk-ant-another-key"
CHAT_BODY = {"model": "gpt-5.5", "stream": True, "messages": [{"role": "user", "content": "hi"}]}
MESSAGE_BODY = {"model": "claude-opus-4-7", "max_tokens": 1000, "stream": True, "messages": []}
VERSION = {"anthropic-version": "2023-06-01", "x-api-key": "made-up"}


@pytest.fixture
async def openai() -> AsyncIterator[Upstream]:
    async with upstream(sent(chat_chunk(), CHAT_REPORT, CHAT_DONE)) as served:
        yield served


@pytest.fixture
async def anthropic() -> AsyncIterator[Upstream]:
    async with upstream(sent(*message_events())) as served:
        yield served


@pytest.fixture
async def gateway(
    tmp_path: Path, openai: Upstream, anthropic: Upstream, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Running]:
    monkeypatch.setenv("TEST_PROVIDER_KEY", KEY)
    monkeypatch.setenv("TEST_OTHER_KEY", OTHER_KEY)
    database = open_database(sqlite_url(tmp_path / "test.db"))
    make_attempt(database)
    others = {"anthropic": Told(anthropic.base_url, "TEST_OTHER_KEY", "anthropic", simulated=True)}
    async with running(database, tmp_path / "g", openai.base_url, others) as found:
        yield found
    database.close()


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


def to_anthropic(gateway: Running, *limits: Limit, **more: Any) -> str:
    return gateway.address(ATTEMPT, *limits, upstream="anthropic", model="claude-opus-4-7", **more)


def routes(gateway: Running) -> list[tuple[Any, ...]]:
    with gateway.database.read() as connection:
        found = connection.exec_driver_sql(
            "SELECT provider, dialect, model, served_model, tier, served_tier FROM routes"
        )
        return [tuple(row) for row in found]


async def test_a_chat_that_did_not_ask_for_usage_is_metered_and_does_not_see_it(
    gateway: Running, openai: Upstream, client: aiohttp.ClientSession
) -> None:
    openai.respond = sent(chat_chunk(), CHAT_REPORT, CHAT_DONE, content_length=True)
    async with client.post(gateway.address(ATTEMPT) + "/chat/completions", json=CHAT_BODY) as answer:
        assert await answer.read() == chat_chunk() + CHAT_DONE
    assert json.loads(openai.seen[0].body) == {**CHAT_BODY, "stream_options": {"include_usage": True}}
    [row] = await gateway.rows()
    assert (row["status"], row["key"]) == ("settled", "chatcmpl-1")
    assert [row[kind] for kind in ("input", "cached", "output", "reasoning")] == [1000, 896, 70, 64]
    assert routes(gateway) == [("openai", "chat", "gpt-5.5", "gpt-5.5-2026-04-23", "standard", "priority")]


async def test_a_chat_cut_after_its_report_is_exact_and_before_it_an_interval(
    gateway: Running, openai: Upstream, client: aiohttp.ClientSession
) -> None:
    address = gateway.address(ATTEMPT) + "/chat/completions"
    for parts in (
        [chat_chunk(id="cut")],
        [chat_chunk(id="whole"), CHAT_REPORT.replace(b"chatcmpl-1", b"whole")],
    ):

        async def dropped(seen, request, parts=parts):  # type: ignore[no-untyped-def]
            response = aiohttp.web.StreamResponse(headers={"Content-Type": "text/event-stream"})
            await response.prepare(request)
            for part in parts:
                await response.write(part)
            await asyncio.sleep(0.1)
            request.transport.close()
            return response

        openai.respond = dropped
        with pytest.raises(aiohttp.ClientError):
            async with client.post(address, json=CHAT_BODY) as answer:
                await answer.read()
    rows = {row["key"]: row for row in await gateway.rows()}
    assert (rows["cut"]["status"], rows["cut"]["floor_output"]) == ("cut", 0)
    assert (rows["whole"]["status"], rows["whole"]["output"]) == ("settled", 70)


async def test_a_message_is_metered_with_its_cache_and_passes_byte_for_byte(
    gateway: Running, anthropic: Upstream, client: aiohttp.ClientSession
) -> None:
    url = to_anthropic(gateway) + "/messages?beta=true"
    async with client.post(url, json=MESSAGE_BODY, headers=VERSION) as answer:
        assert await answer.read() == b"".join(message_events())
    assert anthropic.seen[0].path == "/v1/messages?beta=true"
    assert anthropic.seen[0].headers["anthropic-version"] == VERSION["anthropic-version"]
    assert json.loads(anthropic.seen[0].body) == MESSAGE_BODY
    [row] = await gateway.rows()
    assert (row["status"], row["key"]) == ("settled", "msg_1")
    assert [row[kind] for kind in ("input", "cached", "cache_write", "output")] == [3210, 3000, 200, 40]
    assert routes(gateway) == [
        ("anthropic", "messages", "claude-opus-4-7", "claude-opus-4-7", "standard", "standard")
    ]


async def test_a_fast_route_to_anthropic_asks_for_speed_with_its_beta(
    gateway: Running, anthropic: Upstream, client: aiohttp.ClientSession
) -> None:
    anthropic.respond = sent(*message_events({"speed": "fast"}))
    headers = {**VERSION, "anthropic-beta": "other-beta"}
    url = to_anthropic(gateway, tier="fast") + "/messages"
    async with client.post(url, json=MESSAGE_BODY, headers=headers) as answer:
        await answer.read()
    assert json.loads(anthropic.seen[0].body)["speed"] == "fast"
    assert anthropic.seen[0].headers["anthropic-beta"] == "other-beta,fast-mode-2026-02-01"
    await gateway.rows()
    assert routes(gateway)[0][4:] == ("fast", "fast")


async def test_two_providers_at_once_get_their_own_key_and_never_the_others(
    gateway: Running, openai: Upstream, anthropic: Upstream, client: aiohttp.ClientSession
) -> None:
    chat, message = gateway.address(ATTEMPT) + "/chat/completions", to_anthropic(gateway) + "/messages"

    async def ask(url: str, body: dict[str, Any]) -> None:
        headers = {**VERSION, "Authorization": "Bearer made-up"}
        async with client.post(url, json=body, headers=headers) as answer:
            assert answer.status == 200
            await answer.read()

    pairs = [(chat, CHAT_BODY), (message, MESSAGE_BODY)] * 10
    await asyncio.gather(*(ask(url, body) for url, body in pairs))
    assert len(openai.seen) == len(anthropic.seen) == 10
    assert {seen.headers.get("Authorization") for seen in openai.seen} == {f"Bearer {KEY}"}
    assert {seen.headers.get("x-api-key") for seen in anthropic.seen} == {OTHER_KEY}
    assert OTHER_KEY not in str([seen.headers for seen in openai.seen])
    assert KEY not in str([seen.headers for seen in anthropic.seen])
    assert "made-up" not in str([seen.headers for seen in (*openai.seen, *anthropic.seen)])


async def test_counting_tokens_and_listing_models_pass_unmetered_with_the_right_key(
    gateway: Running, anthropic: Upstream, client: aiohttp.ClientSession
) -> None:
    anthropic.respond = fixed(200, b'{"input_tokens": 14}')
    address = to_anthropic(gateway)
    async with client.post(address + "/messages/count_tokens", json=MESSAGE_BODY, headers=VERSION) as answer:
        assert await answer.json() == {"input_tokens": 14}
    async with client.get(address + "/models", headers=VERSION) as answer:
        await answer.read()
    assert [seen.headers.get("x-api-key") for seen in anthropic.seen] == [OTHER_KEY] * 2
    assert json.loads(anthropic.seen[0].body) == MESSAGE_BODY
    assert await gateway.rows() == []
    assert 'unmetered_total{upstream="anthropic"} 2' in await gateway.handle.metrics()


async def test_another_model_than_the_routes_is_refused_and_its_snapshots_are_not(
    gateway: Running, openai: Upstream, client: aiohttp.ClientSession
) -> None:
    address = gateway.address(ATTEMPT)
    for model in ("gpt-5.5-pro", "gpt-5.5-mini-2026-04-23", "gpt-5"):
        async with client.post(address + "/chat/completions", json={**CHAT_BODY, "model": model}) as answer:
            error = (await answer.json())["error"]
            assert (answer.status, error["code"]) == (400, "model_not_granted")
            assert "gpt-5.5;" in error["message"]
    assert openai.seen == []
    async with client.post(
        address + "/chat/completions", json={**CHAT_BODY, "model": "gpt-5.5-2026-04-23"}
    ) as answer:
        assert answer.status == 200
        await answer.read()
    rows = await gateway.rows()
    assert [row["status"] for row in rows].count("refused") == 3


async def test_a_limit_stops_a_message_with_an_error_its_clients_do_not_retry(
    gateway: Running, anthropic: Upstream, client: aiohttp.ClientSession
) -> None:
    url = to_anthropic(gateway, Limit("project:p", "day", 1)) + "/messages"
    async with client.post(url, json=MESSAGE_BODY, headers=VERSION) as answer:
        body = await answer.json()
        assert (answer.status, answer.headers["x-should-retry"]) == (402, "false")
    assert (body["type"], body["error"]["type"]) == ("error", "billing_error")
    assert "[budgets]" in body["error"]["message"]
    assert anthropic.seen == []


async def test_what_a_message_said_so_far_is_the_least_when_its_client_goes_away(
    gateway: Running, anthropic: Upstream, client: aiohttp.ClientSession
) -> None:
    begun = message_events(stop=False)

    async def slow(seen, request):  # type: ignore[no-untyped-def]
        response = aiohttp.web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for part in begun:
            await response.write(part)
        await asyncio.sleep(600)
        return response

    anthropic.respond = slow
    async with client.post(to_anthropic(gateway) + "/messages", json=MESSAGE_BODY) as answer:
        await answer.content.readuntil(b"content_block_stop")
    [row] = await arrives(gateway.rows)
    assert (row["status"], row["error"]) == ("cut", "client_gone")
    assert row["floor_input"] == row["input"] == 3210  # more than the bytes of this short request
    assert (row["floor_output"], row["output"]) == (1, 1000)


@pytest.mark.parametrize(("status", "kind"), [(529, "overloaded_error"), (429, "rate_limit_error")])
async def test_an_overloaded_provider_is_a_row_and_a_pause(
    status: int, kind: str, gateway: Running, anthropic: Upstream, client: aiohttp.ClientSession
) -> None:
    said = json.dumps({"type": "error", "error": {"type": kind, "message": "later"}}).encode()
    anthropic.respond = fixed(status, said, {"Retry-After": "7"})
    async with client.post(to_anthropic(gateway) + "/messages", json=MESSAGE_BODY) as answer:
        assert (answer.status, await answer.read()) == (status, said)
    [row] = await gateway.rows()
    assert (row["status"], row["http_status"], row["error"]) == ("error", status, kind)
    told = (await gateway.handle.status()).upstreams
    assert told["anthropic"].throttled_until_s > 0
    assert told["openai"].throttled_until_s == 0

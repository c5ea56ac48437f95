"""What goes through the gateway comes out as it went in, and no key leaves it."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import json
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
import zstandard
from yarl import URL

from hundredfold.gateway.grants import close_grant
from hundredfold.store.database import open_database, sqlite_url
from tests.support.gateways import KEY, Running, make_attempt, running
from tests.support.upstream import Upstream, events, fixed, json_answer, streamed, upstream
from tests.support.waiting import arrives

BODY = json.dumps({"model": "gpt-5.5", "input": "hi", "stream": True}).encode()


@pytest.fixture
async def provider() -> AsyncIterator[Upstream]:
    async with upstream() as served:
        yield served


@pytest.fixture
async def gateway(
    tmp_path: Path, provider: Upstream, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Running]:
    monkeypatch.setenv("TEST_PROVIDER_KEY", KEY)
    database = open_database(sqlite_url(tmp_path / "test.db"))
    make_attempt(database)
    async with running(database, tmp_path / "gateway", provider.base_url) as found:
        yield found
    database.close()


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(auto_decompress=False) as session:
        yield session


SHAPES = {
    "one write": lambda raw: [raw],
    "byte by byte": lambda raw: [raw[i : i + 1] for i in range(len(raw))][:4000],
    "odd pieces": lambda raw: [raw[i : i + 37] for i in range(0, len(raw), 37)],
    "crlf": lambda raw: [raw.replace(b"\n", b"\r\n")],
    "comments and no event names": lambda raw: [b": keep-alive\n\n" + raw.replace(b"event: ", b": ")],
}


@pytest.mark.parametrize("shape", SHAPES)
async def test_streams_are_passed_byte_for_byte_and_metered_exactly(
    shape: str, gateway: Running, provider: Upstream, client: aiohttp.ClientSession
) -> None:
    async def respond(seen, request):  # type: ignore[no-untyped-def]
        from aiohttp import web

        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "X-Kept": "yes"})
        await response.prepare(request)
        for piece in SHAPES[shape](b"".join(events(seen, 4))):
            await response.write(piece)
            seen.sent.update(piece)
        return response

    provider.respond = respond
    url = URL(gateway.address("a-000000000001") + "/responses?x=%2F", encoded=True)
    async with client.post(url, data=BODY) as answer:
        got = await answer.read()
        assert answer.headers["X-Kept"] == "yes"
    seen = provider.seen[0]
    assert hashlib.sha256(got).digest() == seen.sent.digest()
    assert (seen.body, seen.path) == (BODY, "/v1/responses?x=%2F")
    [row] = await gateway.rows()
    assert (row["status"], row["key"], row["attempt"]) == ("settled", "resp_000000", 1)
    assert (row["input"], row["cached"], row["output"], row["reasoning"]) == (100, 0, 40, 0)


async def test_an_unstreamed_answer_is_metered_and_passed_with_its_length(
    gateway: Running, provider: Upstream, client: aiohttp.ClientSession
) -> None:
    async def respond(seen, request):  # type: ignore[no-untyped-def]
        return await fixed(200, json_answer(seen), {"Content-Type": "application/json"})(seen, request)

    provider.respond = respond
    async with client.post(gateway.address("a-000000000001") + "/responses", data=BODY) as answer:
        got = await answer.read()
        assert answer.headers["Content-Length"] == str(len(got))
    assert hashlib.sha256(got).digest() == provider.seen[0].sent.digest()
    assert [(r["status"], r["key"]) for r in await gateway.rows()] == [("settled", "resp_000000")]


async def test_the_key_goes_to_the_provider_and_nowhere_else(
    gateway: Running, provider: Upstream, client: aiohttp.ClientSession
) -> None:
    address = gateway.address("a-000000000001")
    headers = {
        "Authorization": "Bearer what-the-agent-made-up",
        "Connection": "keep-alive, X-Hop",
        "X-Hop": "1",
    }
    async with client.post(address + "/responses", data=BODY, headers=headers) as answer:
        said = str(answer.headers) + (await answer.read()).decode()
    assert provider.seen[0].headers["Authorization"] == f"Bearer {KEY}"
    assert provider.seen[0].headers["Accept-Encoding"] == "identity"
    assert "X-Hop" not in provider.seen[0].headers
    token = address.split("/")[4]
    await gateway.rows()
    kept = b"".join(path.read_bytes() for path in gateway.folder.rglob("*") if path.is_file())
    for secret in (KEY, token):
        assert secret not in said
        assert secret.encode() not in kept
    assert gateway.folder.stat().st_mode & 0o777 == 0o700
    assert all(p.stat().st_mode & 0o077 == 0 for p in gateway.folder.rglob("*"))


async def test_a_redirect_is_passed_on_and_not_followed_with_the_key(
    gateway: Running, provider: Upstream, client: aiohttp.ClientSession
) -> None:
    provider.respond = fixed(307, b"{}", {"Location": provider.base_url + "/elsewhere"})
    url = gateway.address("a-000000000001") + "/responses"
    async with client.post(url, data=BODY, allow_redirects=False) as answer:
        assert answer.status == 307
    assert len(provider.seen) == 1


async def test_wrong_addresses_all_look_the_same(gateway: Running, client: aiohttp.ClientSession) -> None:
    good = gateway.address("a-000000000001")
    closed = gateway.address("a-000000000001")
    base = gateway.handle.base_url
    answers = set()
    async with client.post(closed + "/responses", data=BODY) as answer:
        assert answer.status == 200
        await answer.read()
    await asyncio.to_thread(close_grant, gateway.database, "a-000000000001")

    async def noticed() -> bool:
        async with client.post(closed + "/responses", data=BODY) as answer:
            await answer.read()
            return answer.status != 200

    await arrives(noticed, "the grant's end")
    for url, headers in (
        (closed + "/responses", {}),
        (good + "/responses", {"Host": "evil.example"}),
        (base + "/a/guess/v1/responses", {}),
        (base + "/control/status", {}),
        (base + "/control/status", {"Authorization": "Bearer guess"}),
        (base + "/", {}),
    ):
        async with client.post(url, data=BODY, headers=headers) as answer:
            answers.add((answer.status, await answer.read()))
    assert answers == {(404, b"not found\n")}


async def test_only_what_can_be_metered_goes_out(
    gateway: Running, provider: Upstream, client: aiohttp.ClientSession
) -> None:
    address = gateway.address("a-000000000001")
    for path in ("/completions", "/embeddings", "/messages/batches", "/responses/../files"):
        async with client.post(URL(address + path, encoded=True), data=BODY) as answer:
            assert answer.status == 404
            await answer.read()
    async with client.post(address + "/responses", data=b"not json") as answer:
        assert (answer.status, (await answer.json())["error"]["code"]) == (400, "bad_request")
    assert provider.seen == []
    provider.respond = fixed(200, b'{"data": []}')
    async with client.get(address + "/models") as answer:
        assert await answer.read() == b'{"data": []}'
    assert await gateway.rows() == []


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
async def test_a_compressed_request_is_passed_as_it_is_unless_its_tier_must_change(
    encoding: str, gateway: Running, provider: Upstream, client: aiohttp.ClientSession
) -> None:
    packed = gzip.compress(BODY) if encoding == "gzip" else zstandard.compress(BODY)
    headers = {"Content-Encoding": encoding}
    for tier, expected in (("standard", packed), ("fast", b'{"service_tier":"priority",' + BODY[1:])):
        url = gateway.address("a-000000000001", tier=tier) + "/responses"  # type: ignore[arg-type]
        async with client.post(url, data=packed, headers=headers, compress=False) as answer:
            assert answer.status == 200
            await answer.read()
        assert provider.seen[-1].body == expected
        assert provider.seen[-1].headers.get("Content-Encoding") == (encoding if tier == "standard" else None)


async def test_a_20_mb_request_passes_whole(
    gateway: Running, provider: Upstream, client: aiohttp.ClientSession
) -> None:
    body = json.dumps({"model": "gpt-5.5", "input": "ä\\x" * 5_000_000}, ensure_ascii=False).encode()
    assert len(body) > 20_000_000
    async with client.post(gateway.address("a-000000000001") + "/responses", data=body) as answer:
        assert answer.status == 200
        await answer.read()
    assert hashlib.sha256(provider.seen[0].body).digest() == hashlib.sha256(body).digest()


async def test_a_slow_client_slows_the_provider_instead_of_filling_memory(
    gateway: Running, provider: Upstream, client: aiohttp.ClientSession
) -> None:
    written = 0

    async def respond(seen, request):  # type: ignore[no-untyped-def]
        nonlocal written
        from aiohttp import web

        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for event in [b": " + b"x" * 65536 + b"\n\n"] * 800 + events(seen, 1):
            await response.write(event)
            written += len(event)
        return response

    provider.respond = respond
    async with client.post(gateway.address("a-000000000001") + "/responses", data=BODY) as answer:
        await asyncio.sleep(1.0)
        held_back = written
        got = len(await answer.read())
    assert held_back < 40_000_000 < got == written
    assert [r["status"] for r in await gateway.rows()] == ["settled"]


async def test_the_routes_tier_wins_and_the_served_tier_is_kept(
    gateway: Running, provider: Upstream, client: aiohttp.ClientSession
) -> None:
    provider.respond = streamed(1)
    for asked in (None, "flex", "priority"):
        body = {"model": "gpt-5.5", **({"service_tier": asked} if asked else {})}
        url = gateway.address("a-000000000001", tier="fast") + "/responses"
        async with client.post(url, json=body) as answer:
            await answer.read()
        assert json.loads(provider.seen[-1].body)["service_tier"] == "priority"
    await gateway.rows()
    with gateway.database.read() as connection:
        found = connection.exec_driver_sql("SELECT tier, served_tier FROM routes").all()
    assert [tuple(row) for row in found] == [("fast", "default")]

"""Whatever happens to a request, it has exactly one row; a limit stops; a kill loses nothing."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import psutil
import pytest

from hundredfold.errors import UnavailableError
from hundredfold.gateway import client as gateway_client
from hundredfold.gateway.client import supervise
from hundredfold.gateway.settings import StateFolder
from hundredfold.prices.book import load_book
from hundredfold.store.database import Database, now_us, open_database, sqlite_url
from hundredfold.vocabulary import Limit, Usage
from tests.support.gateways import KEY, Running, make_attempt, running
from tests.support.upstream import Upstream, fixed, streamed, upstream
from tests.support.waiting import PATIENCE_S, arrives, comes

BODY = json.dumps({"model": "gpt-5.5", "input": "hi", "stream": True}).encode()
ATTEMPT = "a-000000000001"


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
    async with running(database, tmp_path / "g", provider.base_url) as found:
        yield found
    database.close()


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        yield session


async def ask(client: aiohttp.ClientSession, address: str) -> tuple[int, bytes]:
    """One request; status 0 if the connection broke."""
    try:
        async with client.post(address + "/responses", data=BODY) as answer:
            return answer.status, await answer.read()
    except aiohttp.ClientError:
        return 0, b""


def price_of_one() -> int:
    usage = Usage(input=-(-len(BODY) // 3), output=100)
    return load_book().worst_case(
        prices="openai", model="gpt-5.5", tier="standard", usage=usage, at_us=now_us()
    )


@pytest.mark.parametrize(
    ("status", "body", "headers", "code"),
    [
        (429, b'{"error": {"code": "rate_limit_exceeded"}}', {"Retry-After": "7"}, "rate_limit_exceeded"),
        (500, b"oops", {}, "http_500"),
        (401, b'{"error": {"code": "invalid_api_key"}}', {}, "invalid_api_key"),
    ],
)
async def test_a_providers_error_passes_and_is_a_row_that_costs_nothing(
    status: int, body: bytes, headers: dict[str, str], code: str,
    gateway: Running, provider: Upstream, client: aiohttp.ClientSession,
) -> None:  # fmt: skip
    provider.respond = fixed(status, body, headers)
    async with client.post(gateway.address(ATTEMPT) + "/responses", data=BODY) as answer:
        assert (answer.status, await answer.read()) == (status, body)
        assert answer.headers.get("Retry-After") == headers.get("Retry-After")
    [row] = await gateway.rows()
    assert (row["status"], row["http_status"], row["error"], row["input"]) == ("error", status, code, 0)
    told = await gateway.handle.status()
    paused = gateway.handle.paused_until("openai") - time.time()
    assert (5 < paused <= 7) if status == 429 else paused < 0
    assert told.requests == {"error": 1}


async def test_a_used_up_quota_is_told_from_a_throttle(
    gateway: Running, provider: Upstream, client: aiohttp.ClientSession
) -> None:
    provider.respond = fixed(429, b'{"error": {"code": "insufficient_quota"}}')
    await ask(client, gateway.address(ATTEMPT))
    told = (await gateway.handle.status()).upstreams["openai"]
    assert (told.quota_exhausted, told.throttled_until_s) == (True, 0)


async def test_a_cut_stream_is_seen_as_cut_and_kept_as_an_interval(
    gateway: Running, provider: Upstream, client: aiohttp.ClientSession
) -> None:
    provider.respond = streamed(cut_after=20)
    assert (await ask(client, gateway.address(ATTEMPT)))[0] == 0
    [row] = await gateway.rows()
    assert (row["status"], row["key"], row["floor_input"], row["floor_output"]) == (
        "cut",
        "resp_000000",
        0,
        0,
    )
    assert row["input"] >= len(BODY)
    assert row["output"] >= 1000


async def test_a_client_that_goes_away_stops_the_provider_and_leaves_an_interval(
    gateway: Running, provider: Upstream, client: aiohttp.ClientSession
) -> None:
    provider.respond = streamed(200, pause_s=0.02)
    async with client.post(gateway.address(ATTEMPT) + "/responses", data=BODY) as answer:
        await answer.content.readany()
    rows = await arrives(gateway.rows)
    assert [(r["status"], r["error"]) for r in rows] == [("cut", "client_gone")]


async def test_silence_and_a_refused_connection_have_bounds_and_rows(
    gateway: Running, provider: Upstream, client: aiohttp.ClientSession, tmp_path: Path
) -> None:
    async def silent(seen: object, request: object) -> aiohttp.web.StreamResponse:
        await asyncio.sleep(600)
        raise AssertionError("nobody waits that long")

    provider.respond = silent
    folder, url = tmp_path / "impatient", provider.base_url
    async with running(gateway.database, folder, url, first_byte_seconds=1.0) as impatient:
        status, body = await ask(client, impatient.address(ATTEMPT))
        assert (status, json.loads(body)["error"]["code"]) == (504, "provider_timeout")
        await impatient.handle.flush()
    make_attempt(gateway.database, 2)
    async with running(gateway.database, tmp_path / "other", "http://127.0.0.1:9") as other:
        status, body = await ask(client, other.address("a-000000000002"))
        assert (status, json.loads(body)["error"]["code"]) == (502, "provider_unreachable")
        await other.handle.flush()
    found = {row["attempt"]: (row["status"], row["error"]) for row in await gateway.rows()}
    assert found == {1: ("cut", "silence"), 2: ("error", "unreachable")}


async def test_a_hundred_at_once_never_pass_the_limit_by_more_than_the_reserve_leaves_out(
    tmp_path: Path, provider: Upstream, database: Database, client: aiohttp.ClientSession,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("TEST_PROVIDER_KEY", KEY)
    make_attempt(database)
    provider.respond = streamed(4, pause_s=0.5)
    stop = 10 * price_of_one() + 1
    limits = (Limit("project:p", "day", stop), Limit("attempt:" + ATTEMPT, "ever", 10 * stop))
    async with running(database, tmp_path / "g", provider.base_url, reserve_output=100) as gateway:
        address = gateway.address(ATTEMPT, *limits)
        answers = await asyncio.gather(*(ask(client, address) for _ in range(100)))
        refused = [json.loads(body)["error"] for status, body in answers if status == 429]
        assert len(provider.seen) == 10
        assert len(refused) == 90
        assert {one["code"] for one in refused} == {"insufficient_quota"}
        assert "[budgets]" in refused[0]["message"]
        rows = await gateway.rows()
        assert [row["status"] for row in rows].count("refused") == 90
        os.kill((await gateway.handle.status()).pid, signal.SIGKILL)
        await gateway.handle.ensure()
        # What was spent before the kill is read from the ledger.
        spent = (await ask(client, gateway.address(ATTEMPT, Limit("project:p", "day", 1))))[0]
        assert spent == 429


async def test_the_ledger_away_for_a_while_stalls_nothing_and_loses_nothing(
    gateway: Running, provider: Upstream, client: aiohttp.ClientSession
) -> None:
    address = gateway.address(ATTEMPT)
    await ask(client, address)
    with gateway.database.write():  # holds SQLite's only write lock
        begun = time.monotonic()
        for _ in range(20):
            assert (await ask(client, address))[0] == 200
        assert time.monotonic() - begun < 60
        assert (await gateway.handle.status()).behind
    assert [row["key"] for row in await gateway.rows()] == [f"resp_{n:06d}" for n in range(21)]


async def test_a_killed_gateway_is_back_on_its_port_and_a_second_start_ends_quietly(
    gateway: Running, client: aiohttp.ClientSession
) -> None:
    address = gateway.address(ATTEMPT)
    watch = asyncio.create_task(supervise(gateway.handle))
    os.kill((await gateway.handle.status()).pid, signal.SIGKILL)
    begun = time.monotonic()

    async def answers() -> bool:
        return (await ask(client, address))[0] == 200

    await arrives(answers)
    watch.cancel()
    print(f"back after {time.monotonic() - begun:.2f} s")
    command = [sys.executable, "-m", "hundredfold.gateway", "--state", str(gateway.folder)]
    second = await asyncio.to_thread(subprocess.run, command, capture_output=True, timeout=PATIENCE_S)
    assert (second.returncode, second.stdout, second.stderr) == (0, b"", b"")
    assert (await ask(client, address))[0] == 200


async def test_a_gateway_that_lives_but_does_not_answer_is_replaced_on_its_port(
    gateway: Running, client: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway_client, "SILENCES", 2)
    address = gateway.address(ATTEMPT)
    hung = (await gateway.handle.status()).pid
    os.kill(hung, signal.SIGSTOP)
    monkeypatch.setattr(gateway_client, "ANSWER_S", 1.0)
    await gateway.handle.ensure()
    assert (await gateway.handle.status()).pid != hung
    assert (await ask(client, address))[0] == 200


async def test_a_taken_port_is_said_and_not_changed_under_the_agents(
    gateway: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway_client, "ANSWER_S", 1.0)
    before = gateway.handle.base_url
    await gateway.handle.stop()
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", int(before.rpartition(":")[2])))
        taken.listen()
        with pytest.raises(UnavailableError, match="is taken by another program"):
            await gateway.handle.ensure()
    await gateway.handle.ensure()
    assert gateway.handle.base_url == before


async def test_an_orphan_ends_by_itself(
    tmp_path: Path, provider: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEST_PROVIDER_KEY", KEY)
    database = open_database(sqlite_url(tmp_path / "test.db"))
    async with running(database, tmp_path / "g", provider.base_url, idle_exit_seconds=0.5) as gateway:
        process = psutil.Process((await gateway.handle.status()).pid)  # asking on would keep it up
        await comes(lambda: not process.is_running() or process.status() == psutil.STATUS_ZOMBIE)


async def test_another_key_or_configuration_restarts_it_and_metrics_are_for_who_has_the_secret(
    gateway: Running, client: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ask(client, gateway.address(ATTEMPT))
    before = (await gateway.handle.status()).pid
    await gateway.handle.ensure()
    assert (await gateway.handle.status()).pid == before
    text = await gateway.handle.metrics()
    assert 'hundredfold_gateway_requests_total{upstream="openai",status="settled"} 1' in text
    monkeypatch.setenv("TEST_PROVIDER_KEY", "another")
    await gateway.handle.ensure()
    assert (await gateway.handle.status()).pid != before


async def test_kills_at_any_instant_lose_nothing_and_count_nothing_twice(
    tmp_path: Path, provider: Upstream, database: Database, client: aiohttp.ClientSession,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("TEST_PROVIDER_KEY", KEY)
    make_attempt(database)
    provider.respond = streamed(10, pause_s=0.005)
    instants = random.Random(7)
    async with running(database, tmp_path / "g", provider.base_url) as gateway:
        address = gateway.address(ATTEMPT)
        whole: set[str] = set()

        async def one() -> None:
            deadline = time.monotonic() + PATIENCE_S
            while time.monotonic() < deadline:
                status, body = await ask(client, address)
                if status == 200 and b"response.completed" in body:
                    whole.add(json.loads(body.rsplit(b"data: ", 1)[1])["response"]["id"])
                    return
                await asyncio.sleep(0.25)
            raise AssertionError("never answered")

        async def forty() -> None:
            gate = asyncio.Semaphore(20)

            async def gated() -> None:
                async with gate:
                    await one()

            await asyncio.gather(*(gated() for _ in range(200)))

        work = asyncio.create_task(forty())
        watch = asyncio.create_task(supervise(gateway.handle))
        kills = 0
        while not work.done() and kills < 5:
            await asyncio.sleep(instants.uniform(0.05, 0.3))
            address_file = StateFolder(gateway.folder).read_address()
            assert address_file is not None
            if await gateway.handle.healthy():
                os.kill((await gateway.handle.status()).pid, signal.SIGKILL)
                kills += 1
        await work
        watch.cancel()
        rows = await gateway.rows()
    assert kills == 5
    truth = {seen.response_id: seen for seen in provider.seen if seen.response_id}
    settled = {row["key"]: row for row in rows if row["status"] == "settled"}
    assert len(whole) == 200
    assert whole <= set(settled), "an answer that a client has whole is a settled row"
    for key, row in settled.items():
        usage = truth[key].usage
        assert usage is not None
        assert (row["input"], row["output"]) == (usage["input_tokens"], usage["output_tokens"])
    intervals = [row for row in rows if row["status"] in ("cut", "unsettled")]
    unsettled_requests = len(provider.seen) - len(settled)
    assert len(intervals) >= unsettled_requests, "each request the provider saw is one row"
    assert all(row["input"] >= 300 and row["output"] >= 300 for row in intervals)
    assert len({row["key"] for row in rows}) == len(rows)

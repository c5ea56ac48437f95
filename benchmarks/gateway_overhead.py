"""What the gateway adds: the same client and provider, directly and through it, in the same run; and through
LiteLLM's proxy, if it is installed in a virtual environment of its own.

    python -m benchmarks.gateway_overhead [--requests 1000] [--streams 1 50 200]
        [--api responses|chat|messages] [--litellm VENV] [--litellm-requests 200]

The provider is a process of its own that streams 42 events an answer from bytes made beforehand. Latency is
from sending a request to the last byte of its answer. CPU seconds and memory are those of the way's own
processes. LiteLLM gets the same requests over Chat Completions with one worker and no database; it meters
nothing durably, so it is asked for less. (`uv venv VENV && uv pip install --python VENV/bin/python
'litellm[proxy]'` installs it.)
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import socket
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import aiohttp
import psutil
from aiohttp import web
from msgspec import Struct

from hundredfold.gateway.client import ensure_gateway
from hundredfold.gateway.grants import open_grant
from hundredfold.gateway.settings import GatewayConfig, Upstream
from hundredfold.store.database import open_database, sqlite_url
from tests.support.gateways import ledger_rows, make_attempt

MODEL = "gpt-5.5"
DELTAS = 40
LITELLM_START_S = 120.0
PROMPT = "a few words " * 300
WORDS = "some words of an answer " * 2


class Api(Struct, frozen=True):
    """One provider API: where and what is asked, and the stream that is answered ("ID" stands for its id)."""

    path: str
    body: bytes
    first: bytes
    delta: bytes
    last: bytes


def event(data: dict[str, Any], named: bool = True) -> bytes:
    name = f"event: {data['type']}\n" if named else ""
    return f"{name}data: {json.dumps(data)}\n\n".encode()


def responses_api() -> Api:
    response = {"id": "ID", "model": MODEL, "service_tier": "default"}
    usage = {"input_tokens": 1000, "output_tokens": 400}
    return Api(
        path="/responses",
        body=json.dumps({"model": MODEL, "stream": True, "input": PROMPT}).encode(),
        first=event({"type": "response.created", "response": response}),
        delta=event({"type": "response.output_text.delta", "item_id": "msg_1", "delta": WORDS}),
        last=event({"type": "response.completed", "response": {**response, "usage": usage}}),
    )


def chat_api() -> Api:
    about = {"id": "ID", "object": "chat.completion.chunk", "created": 1, "model": MODEL}
    usage = {"prompt_tokens": 1000, "completion_tokens": 400, "total_tokens": 1400}
    choice = {"index": 0, "delta": {"content": WORDS}, "finish_reason": None}
    ended = {"index": 0, "delta": {}, "finish_reason": "stop"}
    return Api(
        path="/chat/completions",
        body=json.dumps(
            {"model": MODEL, "stream": True, "messages": [{"role": "user", "content": PROMPT}]}
        ).encode(),
        first=event({**about, "choices": [choice]}, named=False),
        delta=event({**about, "choices": [choice]}, named=False),
        last=event({**about, "choices": [ended]}, named=False)
        + event({**about, "choices": [], "usage": usage}, named=False)
        + b"data: [DONE]\n\n",
    )


def messages_api() -> Api:
    message = {
        "id": "ID",
        "type": "message",
        "model": MODEL,
        "usage": {"input_tokens": 1000, "output_tokens": 1},
    }
    delta = {"type": "text_delta", "text": WORDS}
    ended = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 400}}
    return Api(
        path="/messages",
        body=json.dumps(
            {
                "model": MODEL,
                "stream": True,
                "max_tokens": 1000,
                "messages": [{"role": "user", "content": PROMPT}],
            }
        ).encode(),
        first=event({"type": "message_start", "message": message}),
        delta=event({"type": "content_block_delta", "index": 0, "delta": delta}),
        last=event(ended) + event({"type": "message_stop"}),
    )


APIS = {"responses": responses_api(), "chat": chat_api(), "messages": messages_api()}


def provider(port: Connection) -> None:
    """Serve until killed."""
    by_path = {api.path: api for api in APIS.values()}
    served = 0

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        nonlocal served
        served += 1
        api = by_path.get(request.path.removeprefix("/v1"))
        if api is None:
            return web.Response(status=404)
        await request.read()
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        name = b"id_%d" % served
        await response.write(api.first.replace(b'"ID"', b'"%b"' % name))
        for _ in range(DELTAS):
            await response.write(api.delta)
        await response.write(api.last.replace(b'"ID"', b'"%b"' % name))
        return response

    async def serve() -> None:
        runner = web.ServerRunner(web.Server(answer, access_log=None))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, backlog=1024).start()
        port.send(runner.addresses[0][1])
        await asyncio.Event().wait()

    asyncio.run(serve())


@contextmanager
def provided() -> Iterator[str]:
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=provider, args=(there,), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{here.recv()}/v1"
    finally:
        process.kill()


class Way(Struct, frozen=True):
    """One way to the provider. `process` is what it costs, None for none."""

    name: str
    base_url: str
    process: psutil.Process | None = None
    key: str = ""

    def cpu_s(self) -> float:
        """CPU seconds used so far."""
        return sum(sum(one.cpu_times()[:2]) for one in self._family())

    def rss(self) -> int:
        """Bytes of memory held now."""
        return sum(one.memory_info().rss for one in self._family())

    def _family(self) -> list[psutil.Process]:
        return [self.process, *self.process.children(recursive=True)] if self.process else []


async def load(way: Way, api: Api, requests: int, streams: int) -> tuple[list[float], float]:
    """Milliseconds of each request, and seconds of the whole."""
    taken: list[float] = []
    left = iter(range(requests))
    headers = {"Content-Type": "application/json", "anthropic-version": "2023-06-01"}
    if way.key:
        headers["Authorization"] = f"Bearer {way.key}"
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:

        async def worker() -> None:
            for _ in left:
                begun = time.perf_counter()
                async with session.post(way.base_url + api.path, data=api.body) as answer:
                    assert answer.status == 200, await answer.text()
                    async for _ in answer.content.iter_any():
                        pass
                taken.append((time.perf_counter() - begun) * 1000)

        begun = time.perf_counter()
        await asyncio.gather(*(worker() for _ in range(streams)))
        return taken, time.perf_counter() - begun


async def measure(way: Way, api: Api, requests: int, streams: int) -> None:
    before = way.cpu_s()
    taken, wall = await load(way, api, max(requests, streams), streams)
    await asyncio.sleep(0.5)  # what it does after the answer is its work, too
    cuts = statistics.quantiles(taken, n=100)
    line = f"{streams:>7} {way.name:<8} {cuts[49]:>8.2f} {cuts[98]:>8.2f} {len(taken) / wall:>7.0f}"
    if way.process is not None:
        line += f" {(way.cpu_s() - before) * 1000 / len(taken):>12.2f} {way.rss() / 1e6:>7.0f}"
    print(line, flush=True)


@contextmanager
def litellm(venv: Path, provider_url: str, folder: Path) -> Iterator[Way]:
    """LiteLLM's proxy in front of the provider, until the block is left."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config = {
        "model_list": [
            {
                "model_name": MODEL,
                "litellm_params": {
                    "model": f"openai/{MODEL}",
                    "api_base": provider_url,
                    "api_key": "sk-provider",
                },
            }
        ],
        "litellm_settings": {"telemetry": False},
        "general_settings": {"master_key": "sk-client"},
    }
    file = folder / "litellm.yaml"  # YAML takes JSON
    file.write_text(json.dumps(config), encoding="utf-8")
    environment = {"PATH": f"{venv}/bin:{os.environ['PATH']}", "HOME": str(folder), "NO_DOCS": "True"}
    environment["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # it would fetch its prices otherwise
    command = [f"{venv}/bin/litellm", "--config", str(file), "--host", "127.0.0.1", "--port", str(port)]
    with (folder / "litellm.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "--num_workers", "1"], stdout=log, stderr=log, env=environment, cwd=folder
        )
    try:
        _wait_for(port, process, folder / "litellm.log")
        yield Way("litellm", f"http://127.0.0.1:{port}/v1", psutil.Process(process.pid), "sk-client")
    finally:
        process.terminate()
        process.wait(30)


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + LITELLM_START_S
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as trial:
            if trial.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.2)
    raise SystemExit(f"LiteLLM does not start:\n{log.read_text(errors='replace')[-2000:]}")


async def compare(arguments: argparse.Namespace, provider_url: str, folder: Path) -> None:
    api = APIS[arguments.api]
    database = open_database(sqlite_url(folder / "bench.db"))
    attempt = make_attempt(database)
    config = GatewayConfig(database.url, {"p": Upstream(provider_url, simulated=True)})
    handle = await ensure_gateway(folder / "gateway", config)
    token = open_grant(database, attempt_id=attempt, upstream="p", model=MODEL, tier="standard", limits=())
    process = psutil.Process((await handle.status()).pid)
    ways = [Way("direct", provider_url), Way("gateway", handle.address_for(token), process)]
    for way in ways:
        await load(way, api, 50, 10)
    print(f"{arguments.api}\nstreams way        p50 ms   p99 ms   req/s  CPU s/1,000  RSS MB")
    for number in arguments.streams:
        for way in ways:
            await measure(way, api, arguments.requests, number)
    await handle.flush()
    rows = ledger_rows(database)
    print(f"{len(rows):,} ledger rows, settled: {sum(row['status'] == 'settled' for row in rows):,}")
    await handle.stop()
    if arguments.litellm is not None:
        with litellm(arguments.litellm, provider_url, folder) as other:
            await load(other, APIS["chat"], 20, 2)
            print("chat")
            for number in arguments.streams:
                await measure(other, APIS["chat"], arguments.litellm_requests, number)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--requests", type=int, default=1000)
    parser.add_argument("--streams", type=int, nargs="+", default=[1, 50, 200])
    parser.add_argument("--api", choices=APIS, default="responses")
    parser.add_argument("--litellm", type=Path, help="a virtual environment with litellm[proxy]")
    parser.add_argument("--litellm-requests", type=int, default=200)
    arguments = parser.parse_args()
    with provided() as provider_url, tempfile.TemporaryDirectory() as folder:
        asyncio.run(compare(arguments, provider_url, Path(folder)))


if __name__ == "__main__":
    main()

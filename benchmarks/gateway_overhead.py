"""What the gateway adds: the same client and provider, directly and through it, in the same run; and through
other gateways, if they are installed: LiteLLM's proxy (in a virtual environment of its own) and Portkey's
(from npm, below a folder of its own).

    python -m benchmarks.gateway_overhead [--requests 1000] [--streams 1 50 200] [--sustained 10]
        [--api responses|chat|messages] [--litellm VENV] [--portkey FOLDER]

    uv venv VENV && uv pip install --python VENV/bin/python 'litellm[proxy]'
    npm install --prefix FOLDER @portkey-ai/gateway@1.15.2

The provider is a process of its own that streams 42 events an answer from bytes made beforehand. Latency is
from sending a request to the last byte of its answer. CPU seconds and memory are those of the way's own
processes. The ways take turns at each number of streams. `--sustained` then keeps each way busy for so many
seconds at several numbers of streams and tells the most requests per second that it kept up. LiteLLM gets
the same requests over Chat Completions with one worker and no database, and is asked for fewer; neither it
nor Portkey meters anything durably.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import aiohttp
import psutil
from aiohttp import web
from msgspec import Struct

from benchmarks.other_gateways import Way, litellm, portkey
from hundredfold.gateway.client import ensure_gateway
from hundredfold.gateway.grants import open_grant
from hundredfold.gateway.settings import GatewayConfig, Upstream
from hundredfold.store.database import open_database, sqlite_url
from tests.support.gateways import ledger_rows, make_attempt

MODEL = "gpt-5.5"
DELTAS = 40
SUSTAINED_STREAMS = (8, 32, 100)
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


async def load(
    way: Way, *, streams: int, requests: int | None = None, until: float | None = None
) -> tuple[list[float], float]:
    """Milliseconds of each request, and seconds of the whole: so many requests, or for so many seconds."""
    taken: list[float] = []
    api = APIS[way.api]
    headers = {"Content-Type": "application/json", "anthropic-version": "2023-06-01", **way.headers}
    connector = aiohttp.TCPConnector(limit=0)
    begun = time.perf_counter()
    left = iter(range(requests)) if requests is not None else itertools.count()

    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:

        async def worker() -> None:
            for _ in left:
                asked = time.perf_counter()
                if until is not None and asked > begun + until:
                    return
                async with session.post(way.base_url + api.path, data=api.body) as answer:
                    assert answer.status == 200, await answer.text()
                    async for _ in answer.content.iter_any():
                        pass
                taken.append((time.perf_counter() - asked) * 1000)

        await asyncio.gather(*(worker() for _ in range(streams)))
        return taken, time.perf_counter() - begun


async def measure(way: Way, requests: int, streams: int) -> None:
    before = way.cpu_s()
    taken, wall = await load(way, requests=requests, streams=streams)
    await asyncio.sleep(0.5)  # what it does after the answer is its work, too
    cuts = statistics.quantiles(taken, n=100)
    line = f"{streams:>7} {way.name:<8} {cuts[49]:>8.2f} {cuts[98]:>8.2f} {len(taken) / wall:>7.0f}"
    if way.process is not None:
        line += f" {(way.cpu_s() - before) * 1000 / len(taken):>12.2f} {way.rss() / 1e6:>7.0f}"
    print(line, flush=True)


async def sustained(way: Way, seconds: float) -> tuple[float, int]:
    """The most requests per second that the way keeps up, and at how many streams."""
    best = (0.0, 0)
    for streams in SUSTAINED_STREAMS:
        taken, wall = await load(way, until=seconds, streams=streams)
        best = max(best, (len(taken) / wall, streams))
    return best


async def compare(arguments: argparse.Namespace, provider_url: str, folder: Path) -> None:
    database = open_database(sqlite_url(folder / "bench.db"))
    attempt = make_attempt(database)
    config = GatewayConfig(database.url, {"p": Upstream(provider_url, simulated=True)})
    handle = await ensure_gateway(folder / "gateway", config)
    token = open_grant(database, attempt_id=attempt, upstream="p", model=MODEL, tier="standard", limits=())
    process = psutil.Process((await handle.status()).pid)
    with ExitStack() as stack:
        ways = [
            Way("direct", provider_url, arguments.api),
            Way("gateway", handle.address_for(token), arguments.api, process),
        ]
        if arguments.portkey is not None:
            ways.append(stack.enter_context(portkey(arguments.portkey, provider_url, folder, arguments.api)))
        if arguments.litellm is not None:
            ways.append(stack.enter_context(litellm(arguments.litellm, provider_url, folder, MODEL)))
        for way in ways:
            await load(way, requests=int(50 * way.share), streams=5)
        print(f"{arguments.api}\nstreams way        p50 ms   p99 ms   req/s  CPU s/1,000  RSS MB")
        for number in arguments.streams:
            for way in ways:
                await measure(way, max(int(arguments.requests * way.share), number), number)
        if arguments.sustained:
            print(f"highest sustained over {arguments.sustained:g} s")
            for way in ways:
                rate, streams = await sustained(way, arguments.sustained)
                print(f"{way.name:<8} {rate:>7.0f} req/s at {streams} streams", flush=True)
        await handle.flush()
        rows = ledger_rows(database)
        print(f"{len(rows):,} ledger rows, settled: {sum(row['status'] == 'settled' for row in rows):,}")
        await handle.stop()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--requests", type=int, default=1000)
    parser.add_argument("--streams", type=int, nargs="+", default=[1, 50, 200])
    parser.add_argument("--sustained", type=float, default=0.0, help="seconds; 0 leaves it out")
    parser.add_argument("--api", choices=APIS, default="responses")
    parser.add_argument("--litellm", type=Path, help="a virtual environment with litellm[proxy]")
    parser.add_argument("--portkey", type=Path, help="a folder with npm's @portkey-ai/gateway")
    arguments = parser.parse_args()
    with provided() as provider_url, tempfile.TemporaryDirectory() as folder:
        asyncio.run(compare(arguments, provider_url, Path(folder)))


if __name__ == "__main__":
    main()

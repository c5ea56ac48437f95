"""What the gateway adds: the same client and provider, directly and through it, in the same run.

    python -m benchmarks.gateway_overhead [--requests 1000] [--streams 1 50 200]

The provider is a process of its own that streams 42 events an answer from bytes made beforehand. Latency is
from sending a request to the last byte of its answer. CPU seconds and memory are the gateway's process alone.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

import aiohttp
import psutil
from aiohttp import web

from hundredfold.gateway.client import ensure_gateway
from hundredfold.gateway.grants import open_grant
from hundredfold.gateway.settings import GatewayConfig, Upstream
from hundredfold.store.database import open_database, sqlite_url
from tests.support.gateways import ledger_rows, make_attempt

BODY = json.dumps({"model": "gpt-5.5", "stream": True, "input": "a few words " * 300}).encode()
DELTAS = 40


def provider(port: Connection) -> None:
    """Serve until killed."""
    delta = {
        "type": "response.output_text.delta",
        "item_id": "msg_1",
        "delta": "some words of an answer " * 2,
    }
    middle = f"event: {delta['type']}\ndata: {json.dumps(delta)}\n\n".encode()
    usage = {"input_tokens": 1000, "output_tokens": 400}
    served = 0

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        nonlocal served
        served += 1
        await request.read()
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        about = f'"response":{{"id":"resp_{served}","model":"gpt-5.5","service_tier":"default"'
        await response.write(
            f'event: response.created\ndata: {{"type":"response.created",{about}}}}}\n\n'.encode()
        )
        for _ in range(DELTAS):
            await response.write(middle)
        await response.write(
            f'event: response.completed\ndata: {{"type":"response.completed",{about},'
            f'"usage":{json.dumps(usage)}}}}}\n\n'.encode()
        )
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


async def load(url: str, requests: int, streams: int) -> tuple[list[float], float]:
    """Milliseconds of each request, and seconds of the whole."""
    taken: list[float] = []
    left = iter(range(requests))
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as session:

        async def worker() -> None:
            for _ in left:
                begun = time.perf_counter()
                async with session.post(url, data=BODY) as answer:
                    assert answer.status == 200, await answer.text()
                    async for _ in answer.content.iter_any():
                        pass
                taken.append((time.perf_counter() - begun) * 1000)

        begun = time.perf_counter()
        await asyncio.gather(*(worker() for _ in range(streams)))
        return taken, time.perf_counter() - begun


def told(name: str, streams: int, taken: list[float], wall: float, cpu: float | None, rss: int) -> None:
    cuts = statistics.quantiles(taken, n=100)
    line = f"{streams:>7} {name:<8} {cuts[49]:>8.2f} {cuts[98]:>8.2f} {len(taken) / wall:>7.0f}"
    print(line + (f" {cpu * 1000 / len(taken):>12.2f} {rss / 1e6:>7.0f}" if cpu is not None else ""))


async def compare(base_url: str, requests: int, streams: list[int], folder: Path) -> None:
    database = open_database(sqlite_url(folder / "bench.db"))
    attempt = make_attempt(database)
    config = GatewayConfig(database.url, {"p": Upstream(base_url, simulated=True)})
    handle = await ensure_gateway(folder / "gateway", config)
    token = open_grant(
        database, attempt_id=attempt, upstream="p", model="gpt-5.5", tier="standard", limits=()
    )
    process = psutil.Process((await handle.status()).pid)
    through = handle.address_for(token) + "/responses"
    await load(through, 50, 10)
    await load(base_url + "/responses", 50, 10)
    print("streams way        p50 ms   p99 ms   req/s  CPU s/1,000  RSS MB")
    for number in streams:
        direct, wall = await load(base_url + "/responses", requests, number)
        told("direct", number, direct, wall, None, 0)
        before = sum(process.cpu_times()[:2])
        taken, wall = await load(through, requests, number)
        await handle.flush()
        cpu = sum(process.cpu_times()[:2]) - before
        told("gateway", number, taken, wall, cpu, process.memory_info().rss)
    rows = ledger_rows(database)
    print(f"{len(rows):,} ledger rows, settled: {sum(row['status'] == 'settled' for row in rows):,}")
    await handle.stop()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--requests", type=int, default=1000)
    parser.add_argument("--streams", type=int, nargs="+", default=[1, 50, 200])
    arguments = parser.parse_args()
    with provided() as base_url, tempfile.TemporaryDirectory() as folder:
        asyncio.run(compare(base_url, arguments.requests, arguments.streams, Path(folder)))


if __name__ == "__main__":
    main()

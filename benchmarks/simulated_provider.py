"""CPU and memory of the simulated provider under many streams: `python benchmarks/simulated_provider.py`.

The body is one of Codex's first requests in size (38 KB). What is measured is the provider's process alone.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from pathlib import Path

import aiohttp
import psutil

from tests.support.provider import simulated_provider


def body(number: int) -> bytes:
    preamble = {
        "type": "message",
        "role": "developer",
        "content": [{"type": "input_text", "text": "x" * 36_000}],
    }
    said = {"type": "input_text", "text": f"Look at src/main.py, number {number}."}
    shell = {"type": "function", "name": "exec_command", "parameters": {"type": "object", "properties": {}}}
    request = {
        "model": "gpt-5.5",
        "stream": True,
        "prompt_cache_key": str(number),
        "tools": [shell],
        "input": [preamble, {"type": "message", "role": "user", "content": [said]}],
    }
    return json.dumps(request).encode()


async def load(url: str, pid: int, requests: int, at_once: int) -> None:
    process = psutil.Process(pid)
    room = asyncio.Semaphore(at_once)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def one(number: int) -> None:
            async with room, session.post(f"{url}/responses", data=body(number)) as answer:
                assert b"response.completed" in await answer.read()

        before, begun = process.cpu_times(), time.perf_counter()
        await asyncio.gather(*(one(number) for number in range(requests)))
        wall, after = time.perf_counter() - begun, process.cpu_times()
    cpu = after.user + after.system - before.user - before.system
    print(
        f"{requests} requests, {at_once} at once: {wall:.2f} s, {cpu / requests * 1000:.2f} CPU ms each, "
        f"{process.memory_info().rss / 1e6:.0f} MB"
    )


def main() -> None:
    for pace in (0.0, 200.0):
        print(f"tokens per second: {pace or 'as fast as it can'}")
        with (
            tempfile.TemporaryDirectory() as folder,
            simulated_provider(Path(folder), latency={"tokens_per_second": pace}) as provider,
        ):
            for at_once in (20, 100, 1000):
                asyncio.run(load(provider.base_url, provider.pid, max(200, at_once * 2), at_once))


if __name__ == "__main__":
    main()

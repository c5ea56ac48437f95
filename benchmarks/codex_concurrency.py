"""What Codex attempts at once cost: `python -m benchmarks.codex_concurrency [AT_ONCE] [TASKS] [PER_SERVER]`.

The simulated provider is another process. Each task makes three requests: a patch, a shell command, the
answer. Prints one JSON line: end states, wall seconds, and over all Codex processes together (their sandboxes
and commands too) CPU seconds, the peak of their proportional memory, that peak by tenth of the run, and how
many were left at the end.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import json
import resource
import sys
import tempfile
import time
from pathlib import Path

import psutil

from hundredfold.agents.codex.backend import THREADS_PER_SERVER, CodexBackend
from tests.support.codex import make_order, processes_below
from tests.support.provider import simulated_provider

SAMPLE_EVERY_S = 0.5


class Meter:
    """Samples memory and CPU of every process of the servers below a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.peaks: list[tuple[float, float]] = []
        self._cpu: dict[tuple[int, float], float] = {}

    @property
    def cpu_s(self) -> float:
        return sum(self._cpu.values())

    async def run(self) -> None:
        while True:
            await asyncio.to_thread(self.sample)
            await asyncio.sleep(SAMPLE_EVERY_S)

    def sample(self) -> None:
        total = 0
        for server in processes_below(self.folder):
            with contextlib.suppress(psutil.Error, OSError):
                total += server.memory_full_info().pss
                times = server.cpu_times()
                # what it waited for is counted by it; of what still runs, the last sample counts
                spent = times.user + times.system + times.children_user + times.children_system
                if server.name() in ("codex", "bwrap"):
                    self._cpu[(server.pid, server.create_time())] = spent
        self.peaks.append((time.monotonic(), total / 2**20))


async def measured(at_once: int, tasks: int, per_server: int, folder: Path, url: str) -> dict[str, object]:
    backend = CodexBackend(folder / "codex", threads_per_server=per_server)
    meter = Meter(folder / "codex")
    places = asyncio.Semaphore(at_once)
    most_servers = 0

    async def task(number: int) -> str:
        nonlocal most_servers
        order = make_order(folder, url, f"n{number}", writable=True, deadline_s=600.0, stall_s=300.0)
        async with places:
            outcome = await backend.run(order, lambda event: None)
            most_servers = max(most_servers, len(list((folder / "codex" / "servers").iterdir())))
        patched = (order.workspace / "simulated-change.txt").exists()
        return (outcome.error_kind or outcome.status) + ("" if patched else ", not patched")

    began, own = time.monotonic(), time.process_time()
    sampling = asyncio.ensure_future(meter.run())
    ended = await asyncio.gather(*(task(number) for number in range(tasks)))
    wall = time.monotonic() - began
    await asyncio.to_thread(meter.sample)
    sampling.cancel()
    await backend.close()
    tenths = collections.defaultdict[int, float](float)
    for at, megabytes in meter.peaks:
        tenth = min(9, int(10 * (at - began) / wall))
        tenths[tenth] = max(tenths[tenth], megabytes)
    return {
        "simulated": True,
        "at_once": at_once,
        "tasks": tasks,
        "ended": dict(collections.Counter(ended)),
        "servers": most_servers,
        "wall_s": round(wall, 1),
        "codex_cpu_s": round(meter.cpu_s, 1),
        "own_cpu_s_with_metering": round(time.process_time() - own, 1),
        "peak_pss_mb": round(max(megabytes for _, megabytes in meter.peaks)),
        "peak_pss_mb_by_tenth": [round(tenths[tenth]) for tenth in range(10)],
        "left_over": len(processes_below(folder / "codex")),
    }


def main() -> None:
    numbers = [int(word) for word in sys.argv[1:4]]
    at_once, tasks, per_server = numbers + [100, 100, THREADS_PER_SERVER][len(numbers) :]
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        mind = {"rounds": [2, 2], "patch": True}
        with simulated_provider(folder, mind=mind, latency={"first_byte_ms": 2000.0}) as provider:
            figures = asyncio.run(measured(at_once, tasks, per_server, folder, provider.base_url))
    print(json.dumps(figures))


if __name__ == "__main__":
    main()

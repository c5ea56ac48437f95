"""What the durable engine costs an attempt: CPU milliseconds and database bytes, and what it costs idle.

    ./dev exec python -m benchmarks.engine_overhead --items 1000 10000

Items that ask once, of agents that answer at once: what is left is the engine's own work (our rows of items
and attempts are not in it).
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from pathlib import Path
from typing import Any

from hundredfold.fleet.engine import Engine, StepTaken, TryTaken
from hundredfold.store.database import open_database, sqlite_url

IDLE_S = 20.0


class Nothing:
    """Work that costs nothing."""

    def __init__(self) -> None:
        self.ended = 0

    async def advance(self, item: str, rounds: list[list[Any]]) -> StepTaken:
        if rounds:
            self.ended += 1
            return StepTaken(kind="done", blob="", passes=[], provider="")
        return StepTaken(kind="ask", blob="step", passes=[1], provider="p")

    async def attempt(self, item: str, step: str, place: list[int]) -> TryTaken:
        return TryTaken(answer="answer", again_in_s=0.0)

    async def check(self, item: str, step: str) -> str:
        raise AssertionError("no step asks for a check")

    async def give_up(self, item: str, reason: str) -> None:
        raise AssertionError(reason)


async def measured(folder: Path, count: int) -> None:
    work = Nothing()
    engine = Engine(
        open_database(sqlite_url(folder / "x.db")), "p", work, items=100, attempts=100, per_provider=100
    )
    await engine.launch()
    began, cpu = time.monotonic(), time.process_time()
    for number in range(count):
        await engine.enqueue(f"i-{number}", 1, 100)
    while work.ended < count:
        await asyncio.sleep(0.2)
    wall, cpu = time.monotonic() - began, time.process_time() - cpu
    size = sum(one.stat().st_size for one in folder.glob("engine.db*"))
    print(
        f"| {count:,} | {wall:.1f} | {1000 * cpu / count:.1f} | {size / count:,.0f} | {count / wall:.0f} |",
        flush=True,
    )
    await engine.close()


async def idle(folder: Path) -> None:
    engine = Engine(
        open_database(sqlite_url(folder / "x.db")),
        "p",
        Nothing(),
        items=1,
        attempts=1,
        per_provider=1,
        idle=True,
    )
    await engine.launch()
    await asyncio.sleep(2)
    cpu = time.process_time()
    await asyncio.sleep(IDLE_S)
    print(f"\nidle, polling once a second: {100 * (time.process_time() - cpu) / IDLE_S:.2f} % of a core")
    await engine.close()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--items", type=int, nargs="+", default=[1000, 10_000])
    arguments = parser.parse_args()
    print("| attempts | wall s | CPU ms an attempt | engine database bytes an attempt | attempts a second |")
    print("|---|---|---|---|---|")
    for count in arguments.items:
        with tempfile.TemporaryDirectory() as folder:
            asyncio.run(measured(Path(folder), count))
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(idle(Path(folder)))


if __name__ == "__main__":
    main()

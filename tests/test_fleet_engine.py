"""The engine, on real DBOS: every item reaches its end once, whatever happens on the way."""

from __future__ import annotations

import asyncio
import io
import logging
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from hundredfold.fleet.engine import Engine, StepTaken, TryTaken
from hundredfold.store.database import Database, open_database, sqlite_url
from tests.support.waiting import PATIENCE_S, comes

END = StepTaken(kind="done", blob="", passes=[], provider="")


class Recorder:
    """Work that asks twice (with two passes), then is done; it counts what it is called for."""

    def __init__(self, log: Path | None = None, throttle_first: bool = False) -> None:
        self.ended: list[str] = []
        self.tries: list[tuple[str, tuple[int, ...]]] = []
        self.most = self._now = 0
        self.throttle_first = throttle_first

    async def advance(self, item: str, rounds: list[list[Any]]) -> StepTaken:
        if len(rounds) < 2:
            return StepTaken(kind="ask", blob=f"step{len(rounds)}", passes=[2], provider="p")
        assert rounds == [[f"step{n}", [f"{item}:{n}.0.{one}" for one in (0, 1)]] for n in (0, 1)]
        self.ended.append(item)
        return END

    async def attempt(self, item: str, step: str, place: list[int]) -> TryTaken:
        key = (item, tuple(place))
        self.tries.append(key)
        if self.throttle_first and self.tries.count(key) == 1:
            return TryTaken(answer="", again_in_s=0.05)
        self._now += 1
        self.most = max(self.most, self._now)
        await asyncio.sleep(0.02)
        self._now -= 1
        return TryTaken(answer=f"{item}:" + ".".join(map(str, place)), again_in_s=0.0)

    async def check(self, item: str, step: str) -> str:
        raise AssertionError("no step asks for a check")

    async def give_up(self, item: str, reason: str) -> None:
        raise AssertionError(reason)


async def work_off(database: Database, work: Recorder, count: int, attempts: int = 8) -> None:
    engine = Engine(database, "p", work, items=count, attempts=attempts, per_provider=attempts)
    await engine.launch()
    try:
        for number in range(count):
            await engine.enqueue(f"i-{number}", 1, 100)
        await comes(lambda: len(work.ended) >= count)
    finally:
        await engine.close()


async def test_every_item_goes_through_its_rounds_once(database: Database) -> None:
    work = Recorder()
    await work_off(database, work, 6)
    assert sorted(work.ended) == [f"i-{n}" for n in range(6)]
    assert len(work.tries) == len(set(work.tries)) == 6 * 4


async def test_a_launch_does_not_need_the_standard_error_of_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost, second = io.TextIOWrapper(io.BytesIO()), tmp_path / "second"
    second.mkdir()
    logging.getLogger("dbos").handlers.clear()
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stderr", lost)
        await work_off(open_database(sqlite_url(tmp_path / "x.db")), Recorder(), 1)
    lost.close()
    await work_off(open_database(sqlite_url(second / "x.db")), Recorder(), 1)


async def test_no_more_attempts_at_once_than_allowed(tmp_path: Path) -> None:
    work = Recorder()
    await work_off(open_database(sqlite_url(tmp_path / "x.db")), work, 8, attempts=3)
    assert 1 <= work.most <= 3


async def test_a_throttled_try_is_tried_again(tmp_path: Path) -> None:
    work = Recorder(throttle_first=True)
    await work_off(open_database(sqlite_url(tmp_path / "x.db")), work, 2)
    assert all(work.tries.count(key) == 2 for key in work.tries)


KILLED = """
import asyncio, os, sys
sys.path.insert(0, {root!r})
from hundredfold.store.database import open_database
from tests.test_fleet_engine import Recorder, Engine

class Dies(Recorder):
    async def attempt(self, item, step, place):
        if len(self.tries) >= {after}:
            os.kill(os.getpid(), 9)
        return await super().attempt(item, step, place)

async def main():
    engine = Engine(open_database({url!r}), "p", Dies(), items=6, attempts=2, per_provider=2)
    await engine.launch()
    for number in range(6):
        await engine.enqueue(f"i-{{number}}", 1, 100)
    await asyncio.sleep(600)

asyncio.run(main())
"""


async def test_after_a_kill_the_next_launch_brings_every_item_to_its_end(tmp_path: Path) -> None:
    url = sqlite_url(tmp_path / "x.db")
    root = str(Path(__file__).parent.parent)
    for after in (1, 5):
        script = textwrap.dedent(KILLED).format(root=root, url=url, after=after)
        done = subprocess.run(
            [sys.executable, "-c", script], cwd=root, capture_output=True, timeout=PATIENCE_S
        )
        assert done.returncode == -9, done.stderr.decode()
    work = Recorder()
    await work_off(open_database(url), work, 6)
    assert sorted(work.ended) == [f"i-{n}" for n in range(6)]


async def test_ended_workflows_are_forgotten_after_a_week_and_no_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = open_database(sqlite_url(tmp_path / "x.db"))
    await work_off(database, Recorder(), 3)
    engine = Engine(database, "p", Recorder(), items=1, attempts=1, per_provider=1)
    await engine.launch()
    try:
        assert await engine.forget_old() == 0
        monkeypatch.setattr("hundredfold.fleet.engine.KEPT_DAYS", -1)
        assert await engine.forget_old() == 3
        assert await engine.forget_old() == 0
    finally:
        await engine.close()

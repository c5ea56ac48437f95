"""A Codex attempt outlives the process that began it, and is found again whatever died."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hundredfold.agents.codex.backend import CodexBackend
from hundredfold.agents.codex.home import Home
from hundredfold.agents.codex.process import recorded, running
from hundredfold.agents.protocol import Event, Gone, Started
from tests.support.codex import ANSWER, make_order, processes_below, shell_model
from tests.support.waiting import comes

pytestmark = pytest.mark.codex


@asynccontextmanager
async def killed_orchestrator(tmp_path: Path, url: str) -> AsyncIterator[dict[str, Any]]:
    """The session of an attempt whose orchestrator was killed with -9 while a command of it ran."""
    file = tmp_path / "session.json"
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.support.codex_orchestrator", str(tmp_path), url, str(file)
    )
    try:
        await comes(lambda: file.exists() or child.returncode is not None)
        assert child.returncode is None
    finally:
        child.kill()
        await child.wait()
    yield json.loads(file.read_text())


def home_of(tmp_path: Path, session: dict[str, Any]) -> Home:
    return Home(tmp_path / "codex" / "servers" / session["server"])


def kill(home: Home) -> None:
    record = recorded(home)
    assert record is not None
    os.killpg(record.pid, signal.SIGKILL)


async def resumed(tmp_path: Path, session: dict[str, Any]) -> str:
    backend = CodexBackend(tmp_path / "codex")
    events: list[Event] = []
    try:
        # Its address is not known to a later process; the running agent has it.
        outcome = await backend.run(make_order(tmp_path, ""), events.append, session)
    finally:
        await backend.close()
    assert events[0] == Started(session)
    assert processes_below(tmp_path / "codex") == []
    assert outcome.status == "completed", outcome
    return outcome.text


async def test_a_turn_that_still_runs_is_waited_for(tmp_path: Path) -> None:
    async with shell_model("sleep 2", "echo after") as model:
        async with killed_orchestrator(tmp_path, model.url) as session:
            assert json.loads(await resumed(tmp_path, session)) == ANSWER
        assert len(model.bodies) == 3  # nothing was asked twice
    assert "after" in model.outputs[1]


async def test_a_turn_that_ended_while_nobody_listened_is_read(tmp_path: Path) -> None:
    async with shell_model("sleep 1") as model:
        async with killed_orchestrator(tmp_path, model.url) as session:
            await comes(lambda: len(model.bodies) >= 2)
            await asyncio.sleep(0.5)
            assert json.loads(await resumed(tmp_path, session)) == ANSWER
        assert len(model.bodies) == 2


async def test_a_turn_whose_server_died_too_goes_on_in_its_thread(tmp_path: Path) -> None:
    async with (
        shell_model("echo before", "sleep 2") as model,
        killed_orchestrator(tmp_path, model.url) as session,
    ):
        await comes(lambda: len(model.bodies) >= 2)
        kill(home_of(tmp_path, session))
        assert json.loads(await resumed(tmp_path, session)) == ANSWER
    assert "before" in model.outputs[0]


async def test_a_thread_whose_history_is_lost_is_gone(tmp_path: Path) -> None:
    async with shell_model("sleep 2") as model, killed_orchestrator(tmp_path, model.url) as session:
        home = home_of(tmp_path, session)
        kill(home)
        for rollout in (home.codex / "sessions").rglob("*.jsonl*"):
            rollout.unlink()
        with pytest.raises(Gone):
            await resumed(tmp_path, session)
    assert processes_below(tmp_path / "codex") == []


async def test_servers_left_running_are_ended_by_the_next_process_that_does_not_need_them(
    tmp_path: Path,
) -> None:
    first = CodexBackend(tmp_path / "codex")
    async with shell_model() as model:
        await first.run(make_order(tmp_path, model.url), lambda event: None)
    await first.close(keep_running=True)
    (folder,) = (tmp_path / "codex" / "servers").iterdir()
    record = recorded(Home(folder))
    assert record is not None
    assert running(record)
    await CodexBackend(tmp_path / "codex").close()
    assert not running(record)
    assert not folder.exists()


async def test_a_process_that_only_took_over_the_id_of_a_dead_server_is_spared(tmp_path: Path) -> None:
    first = CodexBackend(tmp_path / "codex")
    async with shell_model() as model:
        await first.run(make_order(tmp_path, model.url), lambda event: None)
    await first.close(keep_running=True)
    (folder,) = (tmp_path / "codex" / "servers").iterdir()
    home = Home(folder)
    kill(home)
    stranger = await asyncio.create_subprocess_exec("sleep", "30", start_new_session=True)
    record = recorded(home)
    assert record is not None
    other = msgspec.structs.replace(record, pid=stranger.pid)
    home.record.write_bytes(msgspec.json.encode(other, enc_hook=str))
    await CodexBackend(tmp_path / "codex").close()
    assert stranger.returncode is None
    assert not folder.exists()
    stranger.kill()
    await stranger.wait()


async def test_a_second_backend_leaves_the_servers_of_a_first_alone(tmp_path: Path) -> None:
    first, second = CodexBackend(tmp_path / "codex"), CodexBackend(tmp_path / "codex")
    async with shell_model("sleep 2") as model:
        running_ = asyncio.ensure_future(first.run(make_order(tmp_path, model.url), lambda event: None))
        await comes(lambda: model.bodies)
        await second.close()
        outcome = await running_
    await first.close()
    assert outcome.status == "completed"

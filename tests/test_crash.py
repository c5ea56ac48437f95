"""kill -9 of orchestrator, gateway or both, and Ctrl-C: nothing is lost, done twice or left behind."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest
import sqlalchemy as sa

from hundredfold.config import load_settings, place_of
from hundredfold.prices.book import load_book
from hundredfold.simulation.truth import compare, ledger_rows
from hundredfold.store.database import open_database, sqlite_url
from tests.support.program import command, hundredfold, weak_project
from tests.support.provider import RunningProvider, simulated_provider
from tests.support.repositories import RepositoryMaker
from tests.support.waiting import PATIENCE_S, until

Make = Callable[..., RepositoryMaker]
PACED = {"first_byte_ms": 700.0}


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home that Codex accepts: not below the temporary folder, and with a short path for its sockets."""
    cache = Path.home() / ".cache"
    cache.mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="hf-", dir=cache))
    monkeypatch.setenv("HUNDREDFOLD_HOME", str(folder))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def started(repo: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command("run", repo=repo),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def more_than(provider: RunningProvider, count: int, run: subprocess.Popen[bytes]) -> bool:
    return len(provider.lines()) > count or run.poll() is not None


def query(home: Path, text: str) -> list[tuple[Any, ...]]:
    database = open_database(sqlite_url(home / "hundredfold.db"), migrate=False)
    try:
        with database.read() as connection:
            return [tuple(row) for row in connection.execute(sa.text(text))]
    finally:
        database.close()


def processes_below(home: Path) -> list[str]:
    found = []
    for one in psutil.process_iter(["cmdline", "status"]):
        line = " ".join(one.info["cmdline"] or [])
        if str(home) in line and one.info["status"] != psutil.STATUS_ZOMBIE:
            found.append(f"{one.pid} {line}")
    return found


def judged(home: Path, provider: RunningProvider, commits: int) -> None:
    states: dict[str, int] = dict(query(home, "SELECT state, count(*) FROM items GROUP BY state"))
    assert set(states) <= {"done", "skipped", "incomplete"}, states
    assert sum(states.values()) == commits
    twice = query(
        home,
        "SELECT item, round, task, pass FROM attempts WHERE state = 'ok'"
        " GROUP BY item, round, task, pass HAVING count(*) > 1",
    )
    assert not twice, "a finished task was done again"
    database = open_database(sqlite_url(home / "hundredfold.db"), migrate=False)
    found = compare(provider.lines(), ledger_rows(database), load_book())
    database.close()
    assert found.equal, found.differences
    assert not processes_below(home)


@pytest.mark.parametrize("seed", [1, 2])
def test_killed_at_seeded_instants_every_item_is_done_once_and_nothing_is_charged_twice(
    make_repository: Make, tmp_path: Path, home: Path, seed: int
) -> None:
    chooser = random.Random(seed)
    with simulated_provider(tmp_path, seed=seed, latency=PACED) as provider:
        repo = weak_project(
            make_repository(), provider.base_url, commits=6, extra="[job.security]\ncommits = 6"
        )
        address = place_of(repo, load_settings(repo)).state / "gateway" / "address.json"
        run = started(repo)
        for target in ("gateway", "orchestrator", "both"):
            before = len(provider.lines())
            until(partial(more_than, provider, before, run))
            time.sleep(chooser.uniform(0.0, 0.7))
            if target != "orchestrator":
                os.kill(json.loads(address.read_text())["pid"], signal.SIGKILL)
            if target != "gateway":
                run.kill()
                run.wait()
                run = started(repo)
        assert run.wait(PATIENCE_S) in (0, 8)
        judged(home, provider, 6)


@pytest.mark.codex
def test_a_killed_orchestrator_finds_its_codex_agents_again(
    make_repository: Make, tmp_path: Path, home: Path
) -> None:
    with simulated_provider(tmp_path, seed=3, latency={"first_byte_ms": 4000.0}) as provider:
        repo = weak_project(make_repository(), provider.base_url, commits=3, agent="codex")
        run = started(repo)
        running = "SELECT count(*) FROM attempts WHERE state = 'running' AND session IS NOT NULL"
        until(lambda: len(provider.lines()) >= 1)
        until(lambda: query(home, running) == [(3,)])
        run.kill()
        run.wait()
        first = {row[0] for row in query(home, "SELECT id FROM attempts WHERE state = 'running'")}
        assert started(repo).wait(PATIENCE_S) in (0, 8)
        ended: dict[str, str] = dict(query(home, "SELECT id, state FROM attempts"))
        assert {ended[one] for one in first} == {"ok"}, "found again, not started anew"
        judged(home, provider, 3)


@pytest.mark.codex
def test_a_run_without_a_model_ends_what_a_killed_run_left_up(
    make_repository: Make, tmp_path: Path, home: Path
) -> None:
    with simulated_provider(tmp_path, seed=3, latency={"first_byte_ms": 4000.0}) as provider:
        repo = weak_project(make_repository(), provider.base_url, commits=1, agent="codex")
        run = started(repo)
        until(lambda: len(provider.lines()) >= 1)
        run.kill()
        run.wait()
        assert processes_below(home), "gateway and agents outlive their orchestrator"
        listed = hundredfold("run", "--no-model", "--json", repo=repo)
        assert listed.json()["items"] == {"listed": 1}
        assert not processes_below(home)
        judged_later = hundredfold("run", "--json", repo=repo)
        assert judged_later.code in (0, 8), judged_later.err
        judged(home, provider, 1)


def test_ctrl_c_ends_the_agents_and_the_next_run_goes_on(
    make_repository: Make, tmp_path: Path, home: Path
) -> None:
    with simulated_provider(tmp_path, seed=4, latency=PACED) as provider:
        repo = weak_project(make_repository(), provider.base_url, commits=4)
        run = started(repo)
        until(lambda: len(provider.lines()) >= 1)
        run.send_signal(signal.SIGINT)
        assert run.wait(PATIENCE_S) == 130
        assert not processes_below(home)
        again = hundredfold("run", "--json", repo=repo)
        assert again.code in (0, 8), again.err
        assert again.json()["taken"]["continued"] >= 1
        judged(home, provider, 4)


def test_watching_keeps_the_cadence_until_it_is_ended(
    make_repository: Make, tmp_path: Path, home: Path
) -> None:
    maker = make_repository()
    with simulated_provider(tmp_path, seed=4) as provider:
        every_second = '[job.security]\ncadence = "* * * * * */1"'
        repo = weak_project(maker, provider.base_url, commits=1, extra=every_second)
        watching = subprocess.Popen(
            command("run", "--watch", repo=repo), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        ended = "SELECT count(*) FROM items WHERE state IN ('done', 'incomplete')"
        until(lambda: len(provider.lines()) >= 1)
        until(lambda: query(home, ended) == [(1,)])
        maker.commit({"late.py": "import os\n\n\ndef late(a):\n    os.system(a)\n"}, "Later")
        until(lambda: query(home, ended) == [(2,)])
        watching.send_signal(signal.SIGTERM)
        assert watching.wait(PATIENCE_S) == 130
        assert not processes_below(home)


def test_a_cancelled_item_is_left_and_its_agent_ended_while_the_others_go_on(
    make_repository: Make, tmp_path: Path, home: Path
) -> None:
    with simulated_provider(tmp_path, seed=4, latency={"first_byte_ms": 10000.0}) as provider:
        repo = weak_project(make_repository(), provider.base_url, commits=2)
        run = started(repo)
        until(lambda: len(provider.lines()) >= 2)
        item = query(home, "SELECT id FROM items ORDER BY id")[0][0]
        cancelled = hundredfold("cancel", item, "--by", "Ada", repo=repo)
        assert cancelled.code == 0, cancelled.err
        assert run.wait(PATIENCE_S) == 8
        states = dict(query(home, "SELECT id, state FROM items"))
        assert states.pop(item) == "cancelled"
        assert set(states.values()) <= {"done", "incomplete"}
        ended = query(home, f"SELECT state FROM attempts WHERE item = '{item}'")
        assert ended == [("cancelled",)]
        assert query(home, f"SELECT reason FROM items WHERE id = '{item}'") == [("cancelled by Ada",)]
        assert not processes_below(home)
        assert hundredfold("cancel", "i-nothing", repo=repo).code == 2

"""What every backend promises of an attempt (`agents/protocol.py`), held by the real programs.

The provider is the simulated one; its exact log is the truth for tokens.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import psutil
import pytest

from hundredfold.agents.protocol import Backend, Event, Gone, Outcome, Progress, Spent, Started, WorkOrder
from hundredfold.fleet.answers import judged
from hundredfold.gateway.settings import Upstream
from hundredfold.prices.book import load_book
from hundredfold.simulation.truth import compare, ledger_rows
from hundredfold.store.database import open_database, sqlite_url
from hundredfold.vocabulary import AgentTask, Usage
from tests.support import gateways
from tests.support.backends import KINDS, Kind, programs_of, ready
from tests.support.codex import SCHEMA, make_order, processes_below
from tests.support.provider import RunningProvider, simulated_provider
from tests.support.waiting import PATIENCE_S, comes

pytestmark = pytest.mark.codex

#: how an attempt ends, by what the provider does. Where there are two, a program may give up by itself before
#: our own watchdog does.
ENDS: dict[str, set[str]] = {
    "success": {"ok"},
    "schema_break": {"schema"},
    "malformed": {"schema"},
    "refusal": {"refused"},
    "declined": {"refused"},
    "hang": {"stalled"},
    "refused connection": {"stalled", "provider"},
    "throttled": {"throttled"},
    "quota": {"quota"},
    "context": {"context"},
    "server_error": {"provider"},
    "overloaded": {"provider"},
}
ANSWERS = ("schema_break", "malformed", "refusal", "declined")
#: a busy machine starts a dozen programs slowly
STALL_S = {"hang": 6.0, "refused connection": 6.0}


@pytest.fixture(params=list(KINDS))
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Kind:
    return ready(request.param, monkeypatch)


@pytest.fixture
async def backend(kind: Kind, tmp_path: Path) -> AsyncIterator[Backend]:
    """The backend; after the test it must have left neither a process nor a file."""
    made = kind.make(tmp_path / "state")
    yield made
    await made.close()
    await comes(lambda: not kind.program or not programs_of(kind))
    assert processes_below(tmp_path / "state") == []
    assert [path for path in (tmp_path / "state").rglob("*") if path.is_file()] == []


@pytest.fixture
def provider(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RunningProvider]:
    """One that has an attempt call two tools and takes a second for each answer."""
    with simulated_provider(tmp_path, mind={"rounds": [2, 2]}, latency={"first_byte_ms": 1000.0}) as running:
        yield running


def order_of(kind: Kind, folder: Path, url: str, name: str = "one", **more: Any) -> WorkOrder:
    return make_order(folder, url, name, model=kind.model, **more)


def end_of(outcome: Outcome) -> str:
    """What the fleet makes of it: the answer's state, or why it failed."""
    state, _, _ = judged(AgentTask(label="x", prompt="", schema=SCHEMA, revision=""), outcome)
    return outcome.error_kind or state if outcome.status == "failed" else state


async def test_every_way_an_attempt_ends_is_told_apart(kind: Kind, backend: Backend, tmp_path: Path) -> None:
    events: dict[str, list[Event]] = {name: [] for name in ENDS}

    async def ended(name: str, url: str) -> Outcome:
        order = order_of(kind, tmp_path, url, name.replace(" ", "-"), stall_s=STALL_S.get(name, 60.0))
        return await backend.run(order, events[name].append)

    with contextlib.ExitStack() as stack:
        urls = {"refused connection": "http://127.0.0.1:9/v1"}
        for name in ENDS:
            if name in urls:
                continue
            folder = tmp_path / name
            folder.mkdir()
            profile: dict[str, Any] = {"mind": {"rounds": [0, 0]}}
            if name != "success":
                profile["answers" if name in ANSWERS else "faults"] = {name: 1.0}
            urls[name] = stack.enter_context(simulated_provider(folder, **profile)).base_url
        outcomes = await asyncio.gather(*(ended(name, urls[name]) for name in ENDS))
    found = dict(zip(ENDS, outcomes, strict=True))
    expected = {**ENDS, **kind.blurred}
    wrong = {name: outcome for name, outcome in found.items() if end_of(outcome) not in expected[name]}
    assert wrong == {}
    assert all(isinstance(seen[0], Started) for seen in events.values())
    jsonschema.validate(json.loads(found["success"].text), SCHEMA)


async def test_what_it_used_is_exact_in_the_ledger_and_in_its_own_words(
    kind: Kind, backend: Backend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEST_PROVIDER_KEY", gateways.KEY)
    database = open_database(sqlite_url(tmp_path / "store.db"))
    events: list[Event] = []
    with simulated_provider(tmp_path, mind={"rounds": [2, 2]}) as provider:
        upstream = Upstream(provider.base_url, "TEST_PROVIDER_KEY", prices="anthropic", simulated=True)
        others = {"anthropic": upstream}
        folder = tmp_path / "gateway"
        async with gateways.running(database, folder, provider.base_url, others) as gateway:
            url = gateway.address(
                gateways.make_attempt(database), model=kind.model, upstream=kind.family, tier="fast"
            )
            outcome = await backend.run(order_of(kind, tmp_path, url, tier="fast"), events.append)
            await gateway.handle.flush()
        log = provider.lines()
    rows = ledger_rows(database)
    database.close()
    assert end_of(outcome) == "ok", outcome
    assert len(log) == len(rows) == 3
    assert {line.tier_served for line in log} == {"priority"}
    compared = compare(log, rows, load_book(), prices=kind.family)
    assert compared.equal and compared.exact == 3, compared.differences
    spent = sum((event.usage for event in events if isinstance(event, Spent)), Usage())
    assert spent == (compared.log_usage if kind.tells_tokens else Usage())
    assert compared.log_usage.cached > 0


@pytest.mark.parametrize("kind", [name for name, one in KINDS.items() if one.program], indirect=True)
async def test_a_crashed_program_fails_its_attempt_or_goes_on(
    kind: Kind, backend: Backend, tmp_path: Path, provider: RunningProvider
) -> None:
    events: list[Event] = []
    running = asyncio.ensure_future(backend.run(order_of(kind, tmp_path, provider.base_url), events.append))
    await comes(lambda: any(isinstance(event, Progress) for event in events))
    for program in programs_of(kind):
        with contextlib.suppress(psutil.Error):
            program.kill()
    async with asyncio.timeout(PATIENCE_S):
        outcome = await running
    assert end_of(outcome) == ("ok" if kind.after_kill == "runs" else "agent"), outcome


async def test_cancelling_leaves_nothing_and_spares_the_others(
    kind: Kind, backend: Backend, tmp_path: Path, provider: RunningProvider
) -> None:
    events: list[Event] = []
    doomed = asyncio.ensure_future(
        backend.run(order_of(kind, tmp_path, provider.base_url, "doomed"), events.append)
    )
    spared = asyncio.ensure_future(
        backend.run(order_of(kind, tmp_path, provider.base_url, "spared"), lambda event: None)
    )
    await comes(lambda: any(isinstance(event, Progress) for event in events))
    doomed.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(doomed, PATIENCE_S)
    asked = len(provider.lines())
    assert (await spared).status == "completed"
    assert len(provider.lines()) <= asked + 4  # its own and what was under way
    assert not [path for path in (tmp_path / "state").rglob("*doomed*") if path.exists()]


async def test_killed_with_its_orchestrator_it_is_found_again_goes_on_or_is_gone(
    kind: Kind, backend: Backend, tmp_path: Path, provider: RunningProvider
) -> None:
    order = order_of(kind, tmp_path, provider.base_url)
    orphan = subprocess.Popen(
        [sys.executable, "-m", "tests.support.orphan", kind.name, str(tmp_path / "state")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=dict(os.environ),
        cwd=Path(__file__).parent.parent,
    )
    assert orphan.stdin is not None and orphan.stdout is not None
    orphan.stdin.write(msgspec.json.encode(order, enc_hook=str))
    orphan.stdin.close()
    session = json.loads(await asyncio.to_thread(orphan.stdout.readline))
    assert b"works" in await asyncio.to_thread(orphan.stdout.readline)
    below = psutil.Process(orphan.pid).children(recursive=True)
    os.kill(orphan.pid, signal.SIGKILL)
    orphan.wait()
    orphan.stdout.close()
    if kind.after_kill != "runs":
        await comes(lambda: not [one for one in below if one.is_running()])
    # What a later life is told does not hold the address: only the attempt's own folder does.
    blind = msgspec.structs.replace(order, gateway_url="")
    if kind.after_kill == "gone":
        assert session is None
        with pytest.raises(Gone):
            await backend.run(blind, lambda event: None, {})
        return
    outcome = await backend.run(blind, lambda event: None, session)
    assert end_of(outcome) == "ok", outcome
    again = {line.prompt_cache_key for line in provider.lines()}
    assert len(again) == 1, "another conversation was begun"


async def test_a_session_that_is_nowhere_is_gone(kind: Kind, backend: Backend, tmp_path: Path) -> None:
    order = order_of(kind, tmp_path, "")
    nowhere = {"attempt": "a-none", "server": "0" * 8, "thread": "none"}
    with pytest.raises(Gone):
        await backend.run(order, lambda event: None, nowhere)

"""A rehearsal measures a fleet in a home of its own, and never touches the user's."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import psutil
import pytest
import sqlalchemy as sa

from hundredfold.config import Place, database_url
from hundredfold.errors import ConfigError
from hundredfold.prices.book import load_book
from hundredfold.settings import Settings
from hundredfold.simulation.measure import INTERVAL_S, Meter
from hundredfold.simulation.rehearse import rehearse
from hundredfold.simulation.report import text_report
from hundredfold.store.database import open_database
from hundredfold.store.tables import work
from hundredfold.usage.ledger import Booking, Entry, Ledger, WireRoute
from hundredfold.vocabulary import Usage
from tests.support.waiting import comes

REQUESTS = 12


async def little_fleet(settings: Settings, place: Place) -> None:
    """Three items, some model requests, each booked as a gateway would."""
    database = open_database(database_url(settings, place.home))
    with database.write() as connection:
        project = {"slug": place.slug, "root": str(place.root), "created_us": 1}
        connection.execute(sa.insert(work.projects), project)
        for number, state in enumerate(("done", "done", "incomplete")):
            item = {"id": f"i-{number}", "project": place.slug, "job": "security", "key": str(number)}
            item |= {"digest": "d", "title": "t", "revision": "r"}
            rest: dict[str, Any] = {
                "priority": 1,
                "payload": {},
                "state": state,
                "found_us": 1,
                "queued_us": 1,
                "changed_us": 1,
            }
            connection.execute(sa.insert(work.items), item | rest)
    booking = Booking(
        project=place.slug, job="security", agent="native", person="me", payer="me", cost_centre=""
    )
    entries = []
    async with aiohttp.ClientSession() as session:
        for number in range(REQUESTS):
            body = {"model": settings.route.model, "input": f"request {number}", "service_tier": "priority"}
            url = f"{settings.provider[settings.route.provider].base_url}/responses"
            async with session.post(url, json=body) as answer:
                said = json.loads(await answer.read())
            used = said["usage"]
            entries.append(
                Entry(
                    key=said["id"],
                    source="wire",
                    status="settled",
                    at_us=said["created_at"] * 1_000_000,
                    attempt=None,
                    booking=booking,
                    route=WireRoute(
                        provider=settings.route.provider,
                        dialect="responses",
                        model=settings.route.model,
                        served_model=said["model"],
                        tier="fast",
                        served_tier=said["service_tier"],
                        simulated=True,
                    ),
                    usage=Usage(
                        input=used["input_tokens"],
                        cached=used["input_tokens_details"]["cached_tokens"],
                        output=used["output_tokens"],
                        reasoning=used["output_tokens_details"]["reasoning_tokens"],
                    ),
                )
            )
    Ledger(database).append(entries)
    database.close()


@pytest.fixture
def keep(tmp_path: Path) -> Path:
    return tmp_path / "rehearsal"


async def test_a_rehearsal_reports_what_the_fleet_did_and_what_a_month_would_cost(
    tmp_path: Path, keep: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUNDREDFOLD_DATABASE", "sqlite:////nowhere/the-users-own.db")
    found = await rehearse(
        Settings(), tmp_path, "p-1", little_fleet, load_book(), agents=7, items_per_day=300, keep=keep
    )
    assert os.environ["HUNDREDFOLD_DATABASE"] == "sqlite:////nowhere/the-users-own.db"
    assert found.simulated
    assert found.items == {"done": 2, "incomplete": 1}
    assert found.requests == {"served": REQUESTS}
    assert found.comparison.equal, found.comparison.differences
    assert found.comparison.exact == REQUESTS
    tiers = {cost.tier: cost for cost in found.month}
    assert set(tiers) == {"fast", "standard", "flex", "batch"}
    assert tiers["fast"].rehearsal == found.comparison.log_cost > 0
    assert tiers["fast"].rehearsal == 5 * (tiers["flex"].rehearsal or 0)  # gpt-5.5: 2.5 × against 0.5 ×
    assert tiers["standard"].month_at_items_per_day == (tiers["standard"].rehearsal or 0) * 30 * 300 // 3
    assert found.measured.leftovers == ()
    assert found.measured.groups["provider"].peak_memory > 10_000_000
    text = text_report(found)
    assert text.startswith("SIMULATED")
    assert text.count("SIMULATED") >= 3
    assert "fast" in text
    assert json.loads(msgspec.json.encode(found))["simulated"] is True


async def test_a_request_that_the_ledger_lost_is_reported(tmp_path: Path, keep: Path) -> None:
    async def careless(settings: Settings, place: Place) -> None:
        await little_fleet(settings, place)
        async with aiohttp.ClientSession() as session:
            url = f"{settings.provider['openai'].base_url}/responses"
            await (await session.post(url, json={"model": "gpt-5.5", "input": "lost"})).read()

    found = await rehearse(Settings(), tmp_path, "p-1", careless, load_book(), keep=keep)
    assert [difference.kind for difference in found.comparison.differences] == ["missing"]
    assert "1 DIFFERENCES" in text_report(found)


async def test_the_home_is_gone_afterwards_and_the_fleet_sees_only_the_simulation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    seen: list[tuple[Settings, Place, str | None]] = []

    async def look(settings: Settings, place: Place) -> None:
        seen.append((settings, place, os.environ.get("HUNDREDFOLD_HOME")))
        open_database(database_url(settings, place.home)).close()

    await rehearse(Settings(), tmp_path, "p-1", look, load_book(), agents=300)
    ((settings, place, home),) = seen
    assert home == str(place.home)
    assert not place.home.exists()
    assert {one.base_url.split(":")[1] for one in settings.provider.values()} == {"//127.0.0.1"}
    assert {one.key_env for one in settings.provider.values()} == {""}
    assert (settings.fleet.agents, settings.workspaces.pool) == (300, 300)


async def test_an_unknown_profile_stops_it_before_anything_starts(tmp_path: Path, keep: Path) -> None:
    async def never(settings: Settings, place: Place) -> None:
        raise AssertionError

    with pytest.raises(ConfigError, match="no profile"):
        await rehearse(Settings(), tmp_path, "p-1", never, load_book(), profile="none-such", keep=keep)


async def test_the_meter_counts_memory_and_cpu_by_group_and_names_what_is_left_over(tmp_path: Path) -> None:
    worked = tmp_path / "worked"
    busy = "import sys, time; a = b'x' * 60_000_000\nwhile time.process_time() < 0.7: pass\n"
    busy += "open(sys.argv[1] + '/worked', 'w').close(); time.sleep(600)"
    with Meter(provider_pid=0, marker=str(tmp_path)) as meter:
        # Detached, as agents' servers are: found by the folder in its command line.
        child = subprocess.Popen([sys.executable, "-c", busy, str(tmp_path)], start_new_session=True)
        await comes(worked.exists)
        await asyncio.sleep(2 * INTERVAL_S)
    try:
        measured = meter.finish()
    finally:
        child.kill()
        child.wait()
    agents = measured.groups["agents"]
    assert agents.peak_processes == 1
    assert agents.peak_memory > 60_000_000
    assert 0.4 < agents.cpu_s < 2
    assert measured.groups["provider"].peak_processes == 0
    (left,) = measured.leftovers
    assert left.startswith(str(child.pid))
    assert not psutil.pid_exists(child.pid)

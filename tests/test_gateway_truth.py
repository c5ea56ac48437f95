"""The ledger equals the provider's own log, request by request, while the provider misbehaves."""

from __future__ import annotations

import asyncio
from pathlib import Path

import aiohttp
import pytest

from hundredfold.prices.book import load_book
from hundredfold.simulation.truth import compare, ledger_rows
from hundredfold.store.database import open_database, sqlite_url
from tests.support.gateways import KEY, make_attempt, running
from tests.support.provider import simulated_provider

FAULTS = {"throttled": 0.05, "server_error": 0.03, "cut": 0.05}


async def test_ledger_and_providers_log_agree_under_faults(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEST_PROVIDER_KEY", KEY)
    database = open_database(sqlite_url(tmp_path / "test.db"))
    attempt = make_attempt(database)
    with simulated_provider(tmp_path, faults=FAULTS) as provider:
        async with running(database, tmp_path / "g", provider.base_url) as gateway:
            url = gateway.address(attempt, tier="fast") + "/responses"
            gate = asyncio.Semaphore(30)

            async def ask(client: aiohttp.ClientSession, number: int) -> None:
                body = {"model": "gpt-5.5", "stream": True, "input": f"question {number} " * 50}
                async with gate:
                    try:
                        async with client.post(url, json=body) as answer:
                            await answer.read()
                    except aiohttp.ClientError:
                        pass  # a cut stream is seen as cut

            async with aiohttp.ClientSession() as client:
                await asyncio.gather(*(ask(client, number) for number in range(200)))
            await gateway.handle.flush()
        found = compare(provider.lines(), ledger_rows(database), load_book())
    database.close()
    assert found.differences == ()
    assert (found.logged, found.rows) == (200, 200)
    assert min(found.exact, found.within, found.not_billed) > 0, "every kind of end was seen"

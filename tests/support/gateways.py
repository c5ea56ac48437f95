"""A real gateway process with one attempt, on a database of the test's own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from hundredfold.gateway.client import GatewayHandle, ensure_gateway
from hundredfold.gateway.grants import open_grant
from hundredfold.gateway.settings import GatewayConfig, Upstream
from hundredfold.store.database import Database
from hundredfold.store.tables.ledger import current_requests
from hundredfold.store.tables.work import attempts, items, projects, runs
from hundredfold.usage.ledger import STATUSES
from hundredfold.vocabulary import Limit, Tier

KEY = "sk-the-providers-key"


def make_attempt(database: Database, number: int = 1, job: str = "security") -> str:
    """An attempt's id, with the run, item and project it hangs on."""
    attempt = f"a-{number:012d}"
    with database.write() as connection:
        if number == 1:
            connection.execute(sa.insert(projects).values(slug="p", root="/p", created_us=0))
            connection.execute(sa.insert(runs).values(id="n-1", project="p", person="ada", started_us=0))
        connection.execute(
            sa.insert(items).values(
                id=f"i-{number}", project="p", job=job, key="k", digest="d", title="t", revision="r",
                priority=1, payload={}, state="working", run="n-1", found_us=0, changed_us=0, queued_us=0,
            )
        )  # fmt: skip
        connection.execute(
            sa.insert(attempts).values(
                id=attempt, number=number, item=f"i-{number}", run="n-1", label="l", round=0, task=0,
                **{"pass": 0, "try": 0}, backend="native", provider="openai", model="gpt-5.5", effort="",
                tier="standard", state="running", started_us=0,
            )
        )  # fmt: skip
    return attempt


@dataclass
class Running:
    """A running gateway and what it writes to."""

    handle: GatewayHandle
    database: Database
    folder: Path

    def address(
        self,
        attempt: str,
        *limits: Limit,
        tier: Tier = "standard",
        upstream: str = "openai",
        model: str = "gpt-5.5",
    ) -> str:
        """The base URL of a fresh grant."""
        token = open_grant(
            self.database, attempt_id=attempt, upstream=upstream, model=model, tier=tier, limits=limits
        )
        return self.handle.address_for(token)

    async def rows(self) -> list[dict[str, Any]]:
        """The ledger's current rows, by time, with the status by name."""
        await self.handle.flush()
        return await asyncio.to_thread(ledger_rows, self.database)


def ledger_rows(database: Database) -> list[dict[str, Any]]:
    """The ledger's current rows, by time, with the status by name."""
    with database.read() as connection:
        found = (
            connection.execute(sa.select(current_requests).order_by(current_requests.c.at_us))
            .mappings()
            .all()
        )
    return [{**row, "status": STATUSES[row["status"]]} for row in found]


@asynccontextmanager
async def running(
    database: Database,
    folder: Path,
    base_url: str,
    others: Mapping[str, Upstream] | None = None,
    **config: Any,
) -> AsyncIterator[Running]:
    """A gateway in front of `base_url`, named "openai", and others; stopped when the block is left."""
    told = GatewayConfig(
        database_url=database.url,
        upstreams={
            "openai": Upstream(
                base_url=base_url, key_env="TEST_PROVIDER_KEY", prices="openai", simulated=True
            ),
            **(others or {}),
        },
        payer="me",
        **config,
    )
    handle = await ensure_gateway(folder, told)
    try:
        yield Running(handle, database, folder)
    finally:
        await handle.stop()

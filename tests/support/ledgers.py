"""Ledger entries and attempts for tests."""

from __future__ import annotations

import random
from typing import Any, get_args

import sqlalchemy as sa
from msgspec.structs import replace

from hundredfold.store.database import Database
from hundredfold.store.tables.work import attempts, items, projects
from hundredfold.usage.ledger import SOURCES, Booking, Entry, WireRoute
from hundredfold.vocabulary import Tier, Usage

#: 2026-11-20 12:00:00 UTC
AT_US = 1_795_176_000_000_000
DAY = 86_400_000_000
BOOKING = Booking(project="p", job="security", agent="codex", person="Ada", payer="acme")
ROUTE = WireRoute("openai", "responses", "gpt-5.5", "gpt-5.5-2026-04-23", "fast", "priority")


def entry(key: str, usage: Usage = Usage(1000, 400, 0, 100, 50), **changes: Any) -> Entry:  # noqa: B008
    """A settled request on the wire, unless `changes` say otherwise."""
    values: dict[str, Any] = {
        "key": key,
        "source": "wire",
        "status": "settled",
        "at_us": AT_US,
        "attempt": None,
        "booking": BOOKING,
        "route": ROUTE,
        "usage": usage,
        **changes,
    }
    return Entry(**values)


def varied(number: int, seed: int = 1) -> list[Entry]:
    """Requests of many models, tiers, sizes, statuses and days, some of which supersede others."""
    dice = random.Random(seed)
    return [
        entry(
            f"resp_{dice.randrange(number):08x}",
            Usage(size := dice.choice([500, 100_001, 300_000]), size // 2, 0, dice.choice([0, 70]), 0),
            source=dice.choice(SOURCES),
            status=dice.choice(["settled", "settled", "settled", "cut", "error"]),
            at_us=AT_US + dice.randrange(-40 * DAY, 3 * DAY),
            attempt=dice.choice([None, 1, 2]),
            booking=replace(BOOKING, job=dice.choice(["a", "b"]), person=dice.choice(["Ada", "Bo"])),
            route=replace(
                ROUTE,
                model=dice.choice(["gpt-5.5", "gpt-5.6", "gpt-6-luna", "unheard-of"]),
                served_model="",
                tier=dice.choice(get_args(Tier)),
                served_tier=dice.choice(["", "priority", "default"]),
            ),
        )
        for _ in range(number)
    ]


def keep_attempts(database: Database, *ids: str) -> None:
    """Attempts number 1, 2, … with these ids, each of an item "i-" + id in the project "p"."""
    with database.write() as connection:
        connection.execute(sa.insert(projects).values(slug="p", root="/r", created_us=0))
        for number, one in enumerate(ids, 1):
            connection.execute(
                sa.insert(items).values(
                    id=f"i-{one}",
                    project="p",
                    job="security",
                    key=one,
                    digest=one,
                    title=one,
                    revision="r",
                    priority=1,
                    payload={},
                    state="working",
                    reason="",
                    found_us=0,
                    queued_us=0,
                    changed_us=0,
                )
            )
            connection.execute(
                sa.insert(attempts).values(
                    {
                        "id": one,
                        "number": number,
                        "item": f"i-{one}",
                        "label": "x",
                        "round": 0,
                        "task": 0,
                        "pass": 0,
                        "try": 0,
                        "backend": "codex",
                        "provider": "openai",
                        "model": "gpt-5.5",
                        "effort": "",
                        "tier": "fast",
                        "state": "ok",
                        "error": "",
                        "started_us": 0,
                    }
                )
            )

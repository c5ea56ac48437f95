"""Ledger entries and attempts for tests."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from hundredfold.store.database import Database
from hundredfold.store.tables.work import attempts, items, projects
from hundredfold.usage.ledger import Booking, Entry, WireRoute
from hundredfold.vocabulary import Usage

#: 2026-11-20 12:00:00 UTC
AT_US = 1_795_176_000_000_000
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

"""A fleet's past in a store: attempts with requests, proposals, decisions and what became of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import sqlalchemy as sa

from hundredfold.store import items
from hundredfold.store.database import Database
from hundredfold.store.tables.record import actions, decisions, proposals
from hundredfold.store.tables.work import attempts
from hundredfold.store.tables.work import items as items_table
from hundredfold.usage.ledger import Booking, Ledger, WireRoute
from hundredfold.vocabulary import Proposal, Usage, identity
from tests.support.ledgers import AT_US, entry

PROJECT = "p"
DAY_US = 86_400_000_000
#: a request of $1.00 at standard and $2.50 at fast (gpt-5.5)
DOLLAR_OF_TOKENS = Usage(input=200_000)


class History:
    """Builds rows as the fleet would leave them, many at a time."""

    def __init__(self, database: Database, root: Path) -> None:
        self.database = database
        self.number = 0
        items.keep_project(database, PROJECT, root)
        items.begin_run(database, "n-1", PROJECT, "Ada")

    def attempt(
        self,
        *,
        job: str = "security",
        agent: str = "codex",
        tier: str = "fast",
        served: str = "priority",
        payer: str = "acme",
        simulated: bool = False,
        usage: Usage | None = DOLLAR_OF_TOKENS,
        day: int = 0,
        seconds: int = 600,
    ) -> str:
        """One item with one attempt that ended on day `day` after AT_US's; the item's id."""
        self.number += 1
        item, at = f"i-{self.number:012x}", AT_US + day * DAY_US
        with self.database.write() as connection:
            connection.execute(
                sa.insert(items_table).values(
                    id=item, project=PROJECT, job=job, key=str(self.number), digest=str(self.number),
                    title="t", revision="r", priority=1, payload={}, state="done", reason="",
                    run="n-1", found_us=at, queued_us=at, changed_us=at,
                )
            )  # fmt: skip
            connection.execute(
                sa.insert(attempts).values(
                    {
                        "id": f"a-{self.number:012x}", "number": self.number, "item": item, "run": "n-1",
                        "label": "x", "round": 0, "task": 0, "pass": 0, "try": 0, "backend": agent,
                        "provider": "openai", "model": "gpt-5.5", "effort": "medium", "tier": tier,
                        "state": "ok", "error": "", "started_us": at - seconds * 1_000_000, "ended_us": at,
                    }
                )
            )  # fmt: skip
        if usage is not None:
            route = WireRoute("openai", "responses", "gpt-5.5", "gpt-5.5", tier, served, simulated)  # type: ignore[arg-type]
            booking = Booking(project=PROJECT, job=job, agent=agent, person="Ada", payer=payer)
            made = entry(
                f"resp_{self.number}", usage, attempt=self.number, at_us=at, route=route, booking=booking
            )
            Ledger(self.database).append([made])
        return item

    def proposal(
        self,
        item: str,
        *,
        job: str = "security",
        type_: str = "advisory",
        state: str = "open",
        by: str = "Ada",
        seconds: float | None = 120.0,
        day: int = 0,
    ) -> str:
        """A proposal of the item in that state, decided and applied as the state says; its id."""
        made = identity("proposal", item, type_)
        at = AT_US + day * DAY_US
        record = Proposal(made, PROJECT, job, item, type_, f"about {item}", "body")
        values: dict[str, Any] = {
            "id": made, "project": PROJECT, "job": job, "item": item, "run": "n-1", "type": type_,
            "title": record.title, "private": False, "state": state, "record": {}, "review_minutes": 2.0,
            "opened_us": at, "changed_us": at,
        }  # fmt: skip
        values["record"] = msgspec.to_builtins(record)
        with self.database.write() as connection:
            connection.execute(sa.insert(proposals).values(**values))
        if state != "open":
            self.decide(made, "reject" if state == "rejected" else "approve", by=by, seconds=seconds, day=day)
        if state in ("applied", "undone"):
            self.apply(made, day=day)
        if state == "undone":
            self.undo(made, day=day)
        return made

    def decide(
        self, proposal: str, verdict: str, *, by: str = "Ada", seconds: float | None = 120.0, day: int = 0
    ) -> None:
        with self.database.write() as connection:
            connection.execute(
                sa.insert(decisions).values(
                    id=identity("decision", proposal, verdict, day), proposal=proposal, verdict=verdict,
                    by=by, reason="because", seconds=seconds, at_us=AT_US + day * DAY_US,
                )
            )  # fmt: skip

    def apply(self, proposal: str, *, day: int = 0) -> None:
        with self.database.write() as connection:
            connection.execute(
                sa.insert(actions).values(
                    id=identity("action", proposal), proposal=proposal, forge="local", state="applied",
                    by="Ada", error="", at_us=AT_US + day * DAY_US,
                )
            )  # fmt: skip

    def undo(self, proposal: str, *, day: int = 0) -> None:
        at = AT_US + day * DAY_US
        with self.database.write() as connection:
            connection.execute(
                sa.update(actions)
                .where(actions.c.proposal == proposal)
                .values(state="undone", undone_us=at, undone_by="Bob")
            )
            connection.execute(
                sa.update(proposals).where(proposals.c.id == proposal).values(state="undone", changed_us=at)
            )

"""What is told of a project: how far its run is, what stopped it, and what each day came to."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from hundredfold.notices.delivery import CHANNEL
from hundredfold.store import notices
from hundredfold.store.database import Database
from hundredfold.store.notices import Told
from hundredfold.store.tables.record import decisions, findings, proposals
from hundredfold.store.tables.work import items
from hundredfold.vocabulary import digest

STATES = ("queued", "working", "done", "skipped", "listed", "incomplete", "failed", "cancelled")
DAY = timedelta(days=1)


class Telling:
    """Puts notices of one project into the outbox. Saying the same twice is saying it once.

    The status goes to Discord alone: other services can't edit a message in place.
    """

    def __init__(
        self,
        database: Database,
        project: str,
        name: str,
        *,
        simulated: bool,
        channels: tuple[str, ...] = (CHANNEL,),
    ) -> None:
        self._channels = channels
        self._database = database
        self._project = project
        self._name = name
        self._simulated = simulated
        self._said = ""

    def status(
        self, run: str, states: Mapping[str, int], spent: str, waiting_minutes: float, end: str
    ) -> None:
        """How far a run is. `end` is how it ended, "" while it goes on. Edits the project's one status."""
        counts = ", ".join(f"{states[state]} {state}" for state in STATES if states.get(state))
        lines = [
            counts or "nothing taken in yet",
            spent,
            f"inbox: {waiting_minutes:.0f} review minutes wait",
            end,
        ]
        told = self._told(f"{self._name}: {'ended' if end else 'running'}", "\n".join(filter(None, lines)))
        content = digest(run, told.title, told.body)
        if content != self._said:
            self._said = content
            # The same words may come again: what tells two apart is what was said between them.
            key = f"{content}:{notices.stamp(self._database, self._project, 'status')}"
            notices.put(self._database, self._project, CHANNEL, "status", told, key=key, slot="status")

    def stopped(self, run: str, why: str, mend: str) -> None:
        """A run was stopped early: by a budget, a refused key, a machine that lacks something."""
        body = "\n".join(filter(None, (why, f"→ {mend}" if mend else "")))
        self._put("alert", self._told(f"{self._name}: the run was stopped", body), f"stopped:{run}:{why}")

    def digest(self, now: datetime, spent: str) -> bool:
        """What yesterday (UTC) came to, once a day; whether there was anything to tell."""
        day = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - DAY
        lines = day_of(self._database, self._project, day)
        if lines:
            body = "\n".join([*lines, *([f"spent: {spent}"] if spent else [])])
            self._put("digest", self._told(f"{self._name}: {day:%Y-%m-%d}", body), f"digest:{day:%Y-%m-%d}")
        return bool(lines)

    def _told(self, title: str, body: str) -> Told:
        return Told(f"SIMULATED: {title}" if self._simulated else title, body, simulated=self._simulated)

    def _put(self, kind: notices.Kind, told: Told, key: str) -> None:
        for channel in self._channels:
            notices.put(self._database, self._project, channel, kind, told, key=key)


def day_of(database: Database, project: str, day: datetime) -> list[str]:
    """What a day that begins at `day` came to, a line each; none if nothing happened."""
    begin, end = (int(at.timestamp() * 1e6) for at in (day, day + DAY))
    queries = {
        "looked at": sa.select(sa.func.count()).select_from(items).where(
            items.c.project == project,
            items.c.state.in_(("done", "skipped")),
            items.c.changed_us.between(begin, end - 1),
        ),
        "not finished": sa.select(sa.func.count()).select_from(items).where(
            items.c.project == project,
            items.c.state.in_(("incomplete", "failed", "cancelled", "listed")),
            items.c.changed_us.between(begin, end - 1),
        ),
        "new findings": sa.select(sa.func.count()).select_from(findings).where(
            findings.c.project == project, findings.c.found_us.between(begin, end - 1)
        ),
        "new proposals": sa.select(sa.func.count()).select_from(proposals).where(
            proposals.c.project == project, proposals.c.opened_us.between(begin, end - 1)
        ),
        **{
            told: sa.select(sa.func.count())
            .select_from(decisions.join(proposals, proposals.c.id == decisions.c.proposal))
            .where(
                proposals.c.project == project,
                decisions.c.verdict == verdict,
                decisions.c.at_us.between(begin, end - 1),
            )
            for told, verdict in (("approved", "approve"), ("rejected", "reject"))
        },
    }  # fmt: skip
    with database.read() as connection:
        counted = {name: connection.execute(query).scalar_one() for name, query in queries.items()}
    return [f"{name}: {count:,}" for name, count in counted.items()] if any(counted.values()) else []

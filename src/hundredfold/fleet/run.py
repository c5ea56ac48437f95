"""A run: take in what the jobs find, let the engine work it off, follow it to its end.

A run that was killed is continued by the next one: what it had taken in is still queued, what was running is
found again, what was finished is not done twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable, Iterable

from msgspec import Struct

from hundredfold.errors import HundredfoldError
from hundredfold.fleet.assembly import Assembly
from hundredfold.jobs.protocol import Job, Project, Report
from hundredfold.store import attempts, items
from hundredfold.store.database import now_us
from hundredfold.vocabulary import Item, identity

TICK_S = 0.25


class Taken(Struct, frozen=True):
    """What discovery came to: found in all, new or changed and so queued, left open by an earlier run and so
    continued, deferred because the inbox is full. The rest was looked at before and has not changed."""

    found: int = 0
    queued: int = 0
    continued: int = 0
    deferred: int = 0


class RunResult(Struct, frozen=True):
    """How a run ended. `halted` is what stopped it early, `states` counts its items by end state."""

    run: str
    taken: Taken
    states: dict[str, int]
    attempts: dict[str, int]
    halted: HundredfoldError | None
    stopped: bool
    reports: tuple[Report, ...] = ()

    @property
    def incomplete(self) -> int:
        """Items that nobody can call looked at."""
        return sum(self.states.get(state, 0) for state in ("incomplete", "failed", "cancelled", "queued"))


class Run:
    """One run of a project's jobs on a launched fleet."""

    def __init__(self, assembly: Assembly, person: str) -> None:
        self.assembly = assembly
        self.desk = assembly.desk
        left = items.of_project(self.desk.database, self.desk.place.slug, states=items.OPEN)
        #: an interrupted run is continued under its own id
        self.id = left[0].run if left and left[0].run else _new_id(self.desk.place.slug)
        self._left = left
        self.taken = Taken()
        items.begin_run(self.desk.database, self.id, self.desk.place.slug, person)

    async def take_in(self, jobs: Iterable[Job], progress: Callable[[int], None] = lambda _: None) -> None:
        """Discover and queue: first what an earlier run left open, then what is new or changed."""
        database = self.desk.database
        left, self._left = self._left, []
        for row in left:
            await self.assembly.engine.enqueue(row.item.id, row.queued_us, row.item.priority)
        open_ids = {row.item.id for row in left}
        found = queued = deferred = 0
        full = self._inbox_full()
        for job in jobs:
            for item in await asyncio.to_thread(_discovered, job, self.desk.project(job.name)):
                found += 1
                progress(found)
                if item.id in open_ids:
                    continue
                if full:
                    deferred += 1
                elif items.queue(database, item, self.id):
                    queued += 1
                    taken = items.find(database, item.id)
                    assert taken is not None, "it was queued just now"
                    await self.assembly.engine.enqueue(item.id, taken.queued_us, item.priority)
        self.taken = Taken(found, queued, len(left), deferred)

    def _inbox_full(self) -> bool:
        """Rule 7: unreviewed work is bounded."""
        from hundredfold.proposals.inbox import pending_minutes

        bound = self.desk.settings.fleet.review_minutes
        return self.desk.model and pending_minutes(self.desk.database, self.desk.place.slug) > bound

    def open_items(self) -> int:
        """How many items are still queued or worked on."""
        by_state = items.counts(self.desk.database, self.desk.place.slug)
        return sum(by_state.get(state, 0) for state in items.OPEN)

    async def drain(self, stop: asyncio.Event, tick: Callable[[Run], None]) -> None:
        """Wait until nothing is open or `stop` is set, telling `tick` four times a second."""
        while await asyncio.to_thread(self.open_items) and not stop.is_set():
            tick(self)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), TICK_S)

    def result(self, jobs: Iterable[Job], *, stopped: bool) -> RunResult:
        """Record the end and return what came of it."""
        slug, database = self.desk.place.slug, self.desk.database
        result = RunResult(
            run=self.id,
            taken=self.taken,
            states=items.counts(database, slug, self.id),
            attempts=attempts.counts(database, slug, self.id),
            halted=self.assembly.worker.halted,
            stopped=stopped,
            reports=tuple(self._reports(jobs)),
        )
        items.end_run(
            database,
            self.id,
            {
                "states": result.states,
                "attempts": result.attempts,
                "halted": str(result.halted or ""),
                "stopped": stopped,
            },
        )
        return result

    def _reports(self, jobs: Iterable[Job]) -> list[Report]:
        from hundredfold.proposals.record import coverage_of, findings_of

        made = []
        for job in jobs:
            slug, database = self.desk.place.slug, self.desk.database
            found = findings_of(database, slug, job.name)
            for report in job.report(
                self.desk.project(job.name), found, coverage_of(database, slug, job.name)
            ):
                folder = self.desk.place.state / "reports" / job.name
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
                scratch = folder / f".{report.name}.new"
                scratch.write_bytes(report.content)
                scratch.replace(folder / report.name)
                made.append(report)
        return made


def _discovered(job: Job, project: Project) -> list[Item]:
    return list(job.discover(project))


def _new_id(project: str) -> str:
    return identity("run", project, now_us(), os.getpid())

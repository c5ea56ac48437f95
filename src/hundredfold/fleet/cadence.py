"""Keeping each job's cadence while a run watches, and looking at outcomes when they are due."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Iterable

from croniter import croniter

from hundredfold.errors import ConfigError, HundredfoldError
from hundredfold.fleet import lookback
from hundredfold.fleet.assembly import Assembly
from hundredfold.fleet.run import Run
from hundredfold.jobs.protocol import Job
from hundredfold.settings import Settings

WATCH_TICK_S = 2.0

Settled = Callable[[], Awaitable[None]]


async def nothing_more() -> None:
    """Where nothing follows when a run has settled."""


def next_due(expression: str, after: float) -> float:
    """Epoch seconds of the next time the cron expression (UTC) names after `after`.

    Raises:
        ConfigError: it is not a cron expression.
    """
    try:
        return float(croniter(expression, after).get_next(float))
    except (ValueError, KeyError) as error:
        raise ConfigError(
            f"the cadence {expression!r} is not a cron expression", 'Write it like "*/10 * * * *" (UTC).'
        ) from error


def first_due(settings: Settings, names: Iterable[str], after: float) -> dict[str, float]:
    """Epoch seconds when each job that has a cadence is due first.

    Raises:
        ConfigError: a cadence is not a cron expression; names the job.
    """
    due = {}
    for name in names:
        if cadence := settings.job[name].cadence:
            try:
                due[name] = next_due(cadence, after)
            except ConfigError as error:
                raise ConfigError(f"[job.{name}]: {error}", error.mend) from error
    return due


async def watch(
    assembly: Assembly,
    run: Run,
    stop: asyncio.Event,
    tick: Callable[[Run], None],
    *,
    refresh: Callable[[list[Job]], Awaitable[None]],
    nudged: set[str],
    settled: Settled = nothing_more,
) -> None:
    """Take in each job when it is due, until `stop`; a discovery that fails is tried again when next due.

    Args:
        refresh: awaited before a job looks for items.
        settled: awaited when what was taken in is worked off.
        nudged: names of jobs to be taken in now, whatever their cadence says; emptied here.
    """
    desk = assembly.desk
    due = first_due(desk.settings, desk.jobs, time.time())
    look_at, at_work = 0.0, False
    while not stop.is_set():
        now = time.time()
        if now >= look_at:
            look_at = now + lookback.EVERY_S
            try:
                await asyncio.to_thread(lookback.look_back, desk)
            except HundredfoldError as error:
                desk.board.ended.append(f"outcomes could not be looked at: {error.whole}")
        for name in [one for one in desk.jobs if one in nudged or due.get(one, now + 1) <= now]:
            nudged.discard(name)
            if name in due:
                due[name] = next_due(desk.settings.job[name].cadence, now)
            try:
                await refresh([desk.jobs[name]])
                await run.take_in([desk.jobs[name]])
                at_work = True
            except HundredfoldError as error:
                desk.board.ended.append(f"{name}: could not look for items: {error.whole}")
        if at_work and not await asyncio.to_thread(run.open_items):
            at_work = False
            try:
                await settled()
            except HundredfoldError as error:
                desk.board.ended.append(f"what followed a run failed: {error.whole}")
        tick(run)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), WATCH_TICK_S)

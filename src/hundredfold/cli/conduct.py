"""A run from start to end, shown live: what `run` and `rehearse` share. Imports the whole fleet."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Sequence

from hundredfold.cli.context import Context
from hundredfold.cli.live import LiveSummary
from hundredfold.cli.mirroring import Refresh, webhooks
from hundredfold.cli.output import say
from hundredfold.errors import EXIT_INCOMPLETE
from hundredfold.fleet.assembly import assembled
from hundredfold.fleet.cadence import Settled, first_due, nothing_more
from hundredfold.fleet.cadence import watch as watch_jobs
from hundredfold.fleet.lock import project_lock
from hundredfold.fleet.run import Run, RunResult
from hundredfold.fleet.telling import told
from hundredfold.jobs.protocol import Job, load_job
from hundredfold.outcomes.ours import follow
from hundredfold.worth import tallies


def exit_code(result: RunResult) -> int:
    """The exit code that tells a script how the run ended."""
    if result.halted is not None:
        return result.halted.exit_code
    if result.stopped:
        return 130
    return EXIT_INCOMPLETE if result.incomplete else 0


async def conducted(
    context: Context,
    names: list[str],
    *,
    model: bool,
    watch: bool = False,
    title: str = "",
    jobs: Sequence[Job] = (),
    settled: Settled = nothing_more,
) -> RunResult:
    """Run the named jobs of a project (or these very `jobs`) to their end, or, watching, until told to stop;
    shown live. `settled` is awaited whenever what was taken in is worked off.

    Raises:
        ConfigError: a cadence is no cron expression.
        ProjectBusy: another run holds the project.
        UnavailableError, StorageError: what could not be started.
    """
    jobs = list(jobs) or [load_job(name) for name in names]
    if watch:
        first_due(context.settings, names, time.time())  # a cadence that can't be meant is told at once
    refresh, nudged = Refresh(context), set[str]()
    title = title or f"{context.place.root.name} · {', '.join(names)}"
    stop = _stop_on_signals()
    with project_lock(context.place.state):
        async with assembled(
            context.place,
            context.settings,
            context.database,
            context.blobs,
            context.repository,
            jobs,
            person=context.person,
            model=model,
            idle=watch,
        ) as assembly:
            assembly.check_routes()
            run = Run(assembly, context.person)
            async with told(assembly, run, stop), webhooks(context, jobs, nudged, watch=watch):
                await refresh(jobs)
                with LiveSummary(title) as live:
                    await run.take_in(jobs)
                    await run.drain(stop, live.tick)
                    if not stop.is_set():
                        await settled()
                    if watch and not stop.is_set():
                        say("watching; Ctrl-C ends it")
                        await watch_jobs(
                            assembly, run, stop, live.tick, refresh=refresh, nudged=nudged, settled=settled
                        )
                if stop.is_set():
                    await assembly.worker.stop()
                await assembly.flush()
            await asyncio.to_thread(_followed, context)
            return await asyncio.to_thread(run.result, jobs, stopped=stop.is_set())


def _followed(context: Context) -> None:
    """What was proposed is followed from now on, and the sums that `worth` reads are up to date."""
    follow(context.database, context.place.slug)
    tallies.refresh(context.database)


def _stop_on_signals() -> asyncio.Event:
    """An event set by the first Ctrl-C or TERM; a second one ends the process at once."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()

    def ask_to_stop(number: int) -> None:
        say("stopping: agents are ended, what is finished is kept; once more to end at once")
        stop.set()
        loop.remove_signal_handler(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ask_to_stop, number)
    return stop

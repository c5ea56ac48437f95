"""`hundredfold run`: put the fleet to work until everything is looked at, or keep watching."""

from __future__ import annotations

import asyncio
import signal
from typing import Annotated

from cyclopts import Parameter

from hundredfold.cli.choice import chosen_jobs, overridden
from hundredfold.cli.context import Context, Where
from hundredfold.cli.live import LiveSummary
from hundredfold.cli.output import print_json, say
from hundredfold.cli.summary import print_summary, report_of
from hundredfold.errors import EXIT_INCOMPLETE
from hundredfold.fleet.assembly import Assembly, assembled, why_no_model
from hundredfold.fleet.cadence import watch as watch_jobs
from hundredfold.fleet.lock import project_lock
from hundredfold.fleet.run import Run, RunResult
from hundredfold.jobs.protocol import load_job


def run(
    *,
    job: tuple[str, ...] = (),
    commits: int | None = None,
    range_: Annotated[str, Parameter(name="--range")] = "",
    agents: int | None = None,
    model: Annotated[bool, Parameter(negative="--no-model")] = True,
    watch: bool = False,
    json: bool = False,
    where: Where = Where(),  # noqa: B008
) -> int:
    """Put the fleet to work until everything is looked at.

    Without a key for the provider only the deterministic part is done, and what an agent would have looked
    at is listed. Exit codes: 0 all looked at, 5 a budget stopped it, 8 some items could not be finished.

    Parameters
    ----------
    job
        Only these jobs (default: all that are enabled).
    commits
        Look at this many of the newest commits.
    range_
        Look at this git revision range instead, e.g. v1.0..HEAD.
    agents
        Attempts at once.
    model
        --no-model: deterministic part only, even if there is a key.
    watch
        Stay up and keep each job's cadence.
    json
        Print one JSON document at the end.
    """
    context = where.open()
    settings = overridden(context.settings, commits, range_, agents)
    names = chosen_jobs(settings, job)
    context = Context(context.repository, settings, context.place)
    no_model = "" if model else "--no-model was given"
    no_model = no_model or why_no_model(settings, names)
    result = asyncio.run(conducted(context, names, model=not no_model, watch=watch))
    if json:
        print_json(report_of(context, result, no_model))
    else:
        print_summary(context, result, no_model)
    return exit_code(result)


def exit_code(result: RunResult) -> int:
    """The exit code that tells a script how the run ended."""
    if result.halted is not None:
        return result.halted.exit_code
    if result.stopped:
        return 130
    return EXIT_INCOMPLETE if result.incomplete else 0


async def conducted(
    context: Context, names: list[str], *, model: bool, watch: bool = False, title: str = ""
) -> RunResult:
    """Run the named jobs of a project to their end (or, watching, until told to stop), shown live.

    Raises:
        ProjectBusy: another run holds the project.
        UnavailableError, StorageError: what could not be started.
    """
    jobs = [load_job(name) for name in names]
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
            with LiveSummary(title) as live:
                await run.take_in(jobs)
                await run.drain(stop, live.tick)
                if watch and not stop.is_set():
                    await _watch(assembly, run, stop, live)
            if stop.is_set():
                await assembly.worker.stop()
            await assembly.flush()
            return await asyncio.to_thread(run.result, jobs, stopped=stop.is_set())


async def _watch(assembly: Assembly, run: Run, stop: asyncio.Event, live: LiveSummary) -> None:
    say("watching; Ctrl-C ends it")
    await watch_jobs(assembly, run, stop, live.tick)


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

"""`hundredfold run`: put the fleet to work until everything is looked at, or keep watching."""

from __future__ import annotations

import asyncio
from typing import Annotated

from cyclopts import Parameter

from hundredfold.cli.choice import chosen_jobs, overridden
from hundredfold.cli.context import Context, Where
from hundredfold.cli.output import print_json, say
from hundredfold.settings import Agent


def run(
    *,
    job: tuple[str, ...] = (),
    commits: int | None = None,
    range_: Annotated[str, Parameter(name="--range")] = "",
    agents: int | None = None,
    agent: Agent | None = None,
    model: Annotated[bool, Parameter(negative="--no-model")] = True,
    watch: bool = False,
    json: bool = False,
    where: Where = Where(),  # noqa: B008
) -> int:
    """Put the fleet to work until everything is looked at.

    Without a key for the provider only the deterministic part is done, and what an agent would have looked
    at is listed. What [[publish.policy]] allows is applied at the end; by default that is nothing. Exit
    codes: 0 all looked at, 5 a budget stopped it, 8 some items could not be finished.

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
    agent
        Work with this agent instead of the configured one.
    model
        --no-model: deterministic part only, even if there is a key.
    watch
        Stay up and keep each job's cadence.
    json
        Print one JSON document at the end.
    """
    from hundredfold.cli.bypolicy import ByPolicy
    from hundredfold.cli.conduct import conducted, exit_code
    from hundredfold.cli.summary import print_summary, report_of
    from hundredfold.cli.unmarked import unmarked
    from hundredfold.fleet.routing import why_no_model

    context = where.open()
    settings = overridden(context.settings, commits, range_, agents, agent)
    names = chosen_jobs(settings, job)
    context = Context(context.repository, settings, context.place)
    no_model = "" if model else "--no-model was given"
    no_model = no_model or why_no_model(settings, names)
    for name, mend in ({} if no_model else unmarked(settings)).items():
        say(f"warning: provider {name!r} is the simulated one, and counts as real money\n  → {mend}")
    policy = ByPolicy(context)
    result = asyncio.run(conducted(context, names, model=not no_model, watch=watch, settled=policy))
    if json:
        print_json({**report_of(context, result, no_model), **policy.report()})
    else:
        print_summary(context, result, no_model, names)
        policy.print()
    return exit_code(result)

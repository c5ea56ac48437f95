"""`hundredfold rehearse`: the whole configured fleet on a simulated provider, in a home of its own."""

from __future__ import annotations

import asyncio
import sys
from typing import Annotated

from cyclopts import Parameter

from hundredfold.cli.choice import chosen_jobs, overridden
from hundredfold.cli.context import Context, Where
from hundredfold.cli.output import print_json, say
from hundredfold.config import Place, price_files
from hundredfold.settings import Agent, Settings


def rehearse(
    *,
    agents: int = 100,
    agent: Agent | None = None,
    job: tuple[str, ...] = (),
    commits: int | None = None,
    range_: Annotated[str, Parameter(name="--range")] = "",
    profile: str = "calm",
    seed: int = 0,
    items_per_day: int = 200,
    json: bool = False,
    where: Where = Where(),  # noqa: B008
) -> int:
    """Run the whole fleet on a simulated provider: real agents, gateway and engine, no model, no money.

    Reports time, memory, requests, tokens, leftovers, whether the ledger agrees with the provider's own log,
    and what a month would cost at each tier. Everything in it is simulated. Your ledger and inbox are not
    touched.

    Parameters
    ----------
    agents
        Attempts at once.
    agent
        Rehearse with this agent instead of the configured one.
    job
        Only these jobs (default: all that are enabled).
    commits
        Look at this many of the newest commits (default: as many as agents).
    range_
        Look at this git revision range instead.
    profile
        How the provider behaves: calm, slow, faulty, flood, or a TOML file.
    seed
        Decides every fault and answer.
    items_per_day
        Pace for the monthly cost.
    json
        Print one JSON document.
    """
    from hundredfold.cli.conduct import conducted
    from hundredfold.prices.book import load_book
    from hundredfold.simulation.rehearse import rehearse as rehearsed
    from hundredfold.simulation.report import text_report

    context = where.open()
    settings = overridden(context.settings, commits or (None if range_ else agents), range_, agents, agent)
    names = chosen_jobs(settings, job)

    async def run_fleet(staged: Settings, place: Place) -> None:
        rehearsing = Context(context.repository, staged, place)
        await conducted(rehearsing, names, model=True, title=f"SIMULATED · {place.root.name}")
        rehearsing.database.close()
        context.repository.close()

    say("rehearsing: no model is asked and nothing is spent; all figures are SIMULATED")
    found = asyncio.run(
        rehearsed(
            settings,
            context.place.root,
            context.place.slug,
            run_fleet,
            load_book(price_files(settings, context.place.root)),
            agents=agents,
            profile=profile,
            seed=seed,
            items_per_day=items_per_day,
        )
    )
    if json:
        print_json(found)
    else:
        sys.stdout.write(text_report(found))
    return 0 if found.comparison.equal and not found.measured.leftovers else 1

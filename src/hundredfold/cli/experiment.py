"""`hundredfold experiment`: the same items along two routes, blind to the reviewer, compared item by item."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from hundredfold.cli.context import Context, Where
from hundredfold.cli.output import print_json, say
from hundredfold.config import price_files
from hundredfold.errors import ConfigError, UnavailableError

if TYPE_CHECKING:
    from hundredfold.config import Place
    from hundredfold.settings import Settings
    from hundredfold.store.experiments import Experiment
    from hundredfold.worth.comparison import Comparison

What = Literal["run", "report", "list"]


def experiment(
    what: What = "run",
    id_: Annotated[str, Parameter(name="id")] = "",
    /,
    *,
    job: str = "security",
    a: str = "tier=fast",
    b: str = "tier=standard",
    items: int = 20,
    range_: Annotated[str, Parameter(name="--range")] = "",
    agents: int | None = None,
    simulated: bool = False,
    seed: int = 0,
    json: bool = False,
    where: Where = Where(),  # noqa: B008
) -> int:
    """Run the same items along two routes, and report tokens, time, acceptance and cost with intervals.

    It is the only honest test of whether fast mode uses more tokens, or a model less. Both arms run at once,
    in random order; proposals do not say which route they came by, so decide on them as on any other, then
    ask for the report again. It spends what two runs over the items would.

    Parameters
    ----------
    what
        "run": a new experiment; "report": one that ran (the newest unless named); "list": all of them.
    id_
        Of the experiment to report on.
    job
        The job whose items are worked on.
    a
        The first route, as changes of the configured one: tier=fast or model=gpt-5.4,effort=high. Known:
        agent, provider, model, effort, tier.
    b
        The second route.
    items
        How many items (the newest commits, for jobs that look at commits).
    range_
        Look at this git revision range instead.
    agents
        Attempts at once, of both arms together.
    simulated
        On the simulated provider, in a home of its own that is removed afterwards: shows that it works, and
        what it reports; it can tell nothing of models.
    seed
        Of the simulated provider.
    json
        Print JSON.
    """
    context = where.open()
    if what == "list":
        return _list(context, as_json=json)
    if what == "report":
        return _report(context, id_, as_json=json)
    if id_:
        raise ConfigError("a new experiment takes no id", f"Did you mean `experiment report {id_}`?")
    settings = _settings(context, job, items, range_, agents)
    if simulated:
        found = _simulated(context, settings, job, (a, b), seed, items)
    else:
        from hundredfold.fleet.routing import why_no_model

        if reason := why_no_model(settings, [job]):
            raise UnavailableError(f"an experiment needs a model: {reason}", "Or try it with --simulated.")
        found = asyncio.run(_conducted(context, settings, context.place, job, (a, b)))
    _print(found, as_json=json)
    return 0


def _settings(context: Context, job: str, items: int, range_: str, agents: int | None) -> Settings:
    from hundredfold.cli.choice import chosen_jobs, overridden

    chosen_jobs(context.settings, (job,))
    return overridden(context.settings, None if range_ else items, range_, agents)


async def _conducted(
    context: Context, settings: Settings, place: Place, job: str, routes: tuple[str, str]
) -> Comparison:
    """Run both arms to their end, and compare them."""
    from hundredfold.cli.conduct import conducted
    from hundredfold.fleet.experiment import arms_of, jobs_of, route_of_words, staged
    from hundredfold.jobs.protocol import load_job
    from hundredfold.outcomes.ours import follow
    from hundredfold.prices.book import load_book
    from hundredfold.store import experiments
    from hundredfold.store.database import now_us
    from hundredfold.store.experiments import Experiment
    from hundredfold.vocabulary import digest
    from hundredfold.worth.comparison import comparison

    started = now_us()
    made = f"e-{digest('experiment', place.slug, job, str(started))[:10]}"
    arms = arms_of(made, [route_of_words(one) for one in routes])
    working = Context(context.repository, staged(settings, job, arms), place)
    one = Experiment(made, place.slug, job, arms, None, context.person, started)
    experiments.keep(working.database, one)
    jobs = jobs_of(load_job(job), one)
    result = await conducted(
        working, [each.name for each in jobs], model=True, title=f"experiment {made}", jobs=jobs
    )
    if result.taken.deferred:
        raise ConfigError(
            f"{result.taken.deferred} items were not taken in, since the inbox is full: nothing to compare",
            "Decide on what waits (`hundredfold inbox`), then try again.",
        )
    follow(working.database, place.slug)
    return comparison(working.database, load_book(price_files(settings, context.place.root)), one)


def _simulated(
    context: Context, settings: Settings, job: str, routes: tuple[str, str], seed: int, agents: int
) -> Comparison:
    from hundredfold.prices.book import load_book
    from hundredfold.simulation.rehearse import rehearse

    found: list[Comparison] = []

    async def run_fleet(staged: Settings, place: Place) -> None:
        rehearsing = Context(context.repository, staged, place)
        found.append(await _conducted(rehearsing, staged, place, job, routes))
        context.repository.close()

    say("on the simulated provider: no model is asked and nothing is spent; all figures are SIMULATED")
    asyncio.run(
        rehearse(
            settings,
            context.place.root,
            context.place.slug,
            run_fleet,
            load_book(price_files(settings, context.place.root)),
            agents=settings.fleet.agents or agents,
            seed=seed,
        )
    )
    return found[0]


def _report(context: Context, id_: str, *, as_json: bool) -> int:
    from hundredfold.outcomes.ours import follow
    from hundredfold.prices.book import load_book
    from hundredfold.worth.comparison import comparison

    chosen = _chosen(context, id_)
    follow(context.database, context.place.slug)
    book = load_book(price_files(context.settings, context.place.root))
    _print(comparison(context.database, book, chosen), as_json=as_json)
    return 0


def _chosen(context: Context, id_: str) -> Experiment:
    from hundredfold.store import experiments

    known = experiments.of_project(context.database, context.place.slug)
    if not known:
        raise ConfigError("no experiment ran here yet", "`hundredfold experiment --help` says how.")
    matching = [one for one in known if one.id.startswith(id_)]
    if not matching or (id_ and len(matching) > 1):
        shown = ", ".join(one.id for one in known[:10])
        raise ConfigError(f"{id_!r} names no single experiment", f"There are: {shown}.")
    return matching[0]


def _list(context: Context, *, as_json: bool) -> int:
    from datetime import UTC, datetime

    from hundredfold.store import experiments

    known = experiments.of_project(context.database, context.place.slug)
    if as_json:
        print_json(known)
        return 0
    for one in known:
        day = datetime.fromtimestamp(one.started_us / 1e6, UTC).strftime("%Y-%m-%d %H:%M")
        sys.stdout.write(f"{one.id}  {day}  {one.job}: {' | '.join(arm.name for arm in one.arms)}\n")
    if not known:
        say("no experiment ran here yet")
    return 0


def _print(found: Comparison, *, as_json: bool) -> None:
    from hundredfold.worth.comparison import words

    if as_json:
        print_json(_document(found))
    else:
        sys.stdout.write("".join(f"{line}\n" for line in words(found)))


def _document(found: Comparison) -> dict[str, Any]:
    from hundredfold.prices.money import exact_text

    one = found.experiment
    return {
        "id": one.id,
        "job": one.job,
        "simulated": found.simulated,
        "pairs": found.pairs,
        "arms": [
            {
                "route": arm.arm.route,
                "items": arm.items,
                "unfinished": arm.unfinished,
                "attempts": arm.attempts,
                "tokens": arm.tokens,
                "output": arm.output,
                "agent_seconds": arm.seconds,
                "least": exact_text(arm.amount.least),
                "most": exact_text(arm.amount.most),
                "unpriced": arm.amount.unpriced,
                "findings": arm.findings,
                "proposals": arm.proposals,
                "accepted": {
                    "value": arm.acceptance.share,
                    "hits": arm.acceptance.hits,
                    "of": arm.acceptance.of,
                    "pending": arm.acceptance.pending,
                    "interval": arm.acceptance.interval,
                },
            }
            for arm in found.arms
        ],
        "second_over_first": found.measures,
    }

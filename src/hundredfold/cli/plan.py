"""`hundredfold plan`: what a run would look at, and what it would cost at each tier. Spends nothing."""

from __future__ import annotations

from functools import partial
from typing import Annotated, get_args

from cyclopts import Parameter
from msgspec import Struct

from hundredfold.cli.choice import chosen_jobs, overridden
from hundredfold.cli.context import Context, Where
from hundredfold.cli.output import console, counted, print_json, yielding
from hundredfold.config import price_files
from hundredfold.fleet.desk import earlier
from hundredfold.fleet.routing import priced_as, why_no_model
from hundredfold.jobs.known import Known
from hundredfold.jobs.protocol import Explains, Mirrored, Project, load_job, review_minutes
from hundredfold.prices.book import Cost, PriceBook, load_book
from hundredfold.prices.money import dollars_text
from hundredfold.proposals.sanitise import for_terminal
from hundredfold.store import benchmarks, items
from hundredfold.store.database import now_us
from hundredfold.vocabulary import AgentTask, Item, Tier, Usage


class PlannedItem(Struct, frozen=True):
    """One item of the plan: what agents would be asked of it."""

    item: str
    key: str
    title: str
    state: str
    tasks: int
    expected: Usage


class Plan(Struct, frozen=True):
    """A plan of one job. `cost` is picodollars by tier; None where the model has no such price."""

    job: str
    model: str
    items: list[PlannedItem]
    tasks: int
    expected: Usage
    cost: dict[str, int | None]
    review_minutes: float
    no_model: str
    notice: str


def plan(
    *,
    job: tuple[str, ...] = (),
    commits: int | None = None,
    range_: Annotated[str, Parameter(name="--range")] = "",
    json: bool = False,
    where: Where = Where(),  # noqa: B008
) -> int:
    """Say what a run would look at and what it is expected to cost at each tier. Spends nothing.

    Parameters
    ----------
    job
        Only these jobs (default: all that are enabled).
    commits
        Look at this many of the newest commits.
    range_
        Look at this git revision range instead, e.g. v1.0..HEAD.
    json
        Print one JSON document.
    """
    context = where.open()
    context = Context(context.repository, overridden(context.settings, commits, range_, None), context.place)
    plans = [plan_job(context, name) for name in chosen_jobs(context.settings, job)]
    if json:
        print_json({"plans": plans})
    else:
        for one in plans:
            print_plan(one, "" if one.items else why_nothing(context, one.job))
        if len(plans) > 1:
            _print_total(plans)
    return 0


def plan_job(context: Context, name: str) -> Plan:
    """The plan of one job, by the same code that a run's first round uses."""
    job = load_job(name)
    settings = context.settings
    place = context.place
    on_record = partial(earlier, context.database, place.slug, name)
    series = partial(benchmarks.kept, context.database, place.slug)
    known = Known.of(context.database, context.blobs, place.slug, settings)
    project = Project(
        place.slug,
        place.root,
        context.repository,
        settings.job[name],
        on_record,
        series,
        mirror=Mirrored(context.database, context.blobs, settings.forge.repository),
        known=known,
    )
    planned, everything = [], list[AgentTask]()
    for item in job.discover(project):
        row = items.find(context.database, item.id)
        state = row.state if row else "new"
        tasks = () if state in items.SETTLED else job.planned(project, item)
        everything += tasks
        planned.append(_planned(item, state, tasks))
    prices, model = priced_as(settings, name)
    book = load_book(price_files(settings, context.place.root))
    return Plan(
        job=name,
        model=model,
        items=planned,
        tasks=len(everything),
        expected=sum((one.expected for one in everything), Usage()),
        cost=cost_by_tier(book, prices, model, everything),
        review_minutes=review_minutes(job, project) * sum(1 for one in planned if one.tasks),
        no_model=why_no_model(settings, [name]),
        notice=settings.notice,
    )


def _planned(item: Item, state: str, tasks: tuple[AgentTask, ...]) -> PlannedItem:
    expected = sum((one.expected for one in tasks), Usage())
    return PlannedItem(item.id, item.key, item.title, state, len(tasks), expected)


def why_nothing(context: Context, name: str) -> str:
    """What a job that found no item says of it; "" if it says nothing."""
    job = load_job(name)
    if not isinstance(job, Explains):
        return ""
    settings = context.settings.job[name]
    return job.nothing_found(Project(context.place.slug, context.place.root, context.repository, settings))


def cost_by_tier(book: PriceBook, prices: str, model: str, tasks: list[AgentTask]) -> dict[str, int | None]:
    """Picodollars that the tasks are expected to cost at each tier; None: no price for it."""
    found: dict[str, int | None] = {}
    for tier in get_args(Tier):
        costs = [
            book.cost(prices=prices, model=model, tier=tier, usage=task.expected, at_us=now_us())
            for task in tasks
        ]
        priced = [one.picodollars for one in costs if isinstance(one, Cost)]
        found[tier] = sum(priced) if len(priced) == len(costs) else None
    return found


def print_plan(plan: Plan, why: str = "") -> None:
    """The plan as a table and its sums in words; `why` there are no items, if there are none."""
    from rich.table import Table

    out = console()
    table = Table(box=None, padding=(0, 1))
    for column in ("item", "of", "state"):
        table.add_column(column, no_wrap=True)
    table.add_column("tasks", justify="right", no_wrap=True)
    table.add_column("tokens", justify="right", no_wrap=True)
    table.add_column("title")
    for one in plan.items:
        tokens = one.expected.input + one.expected.output
        table.add_row(
            one.item,
            one.key[:10],
            one.state,
            str(one.tasks or "–"),
            f"{tokens:,}" if tokens else "–",
            yielding(for_terminal(one.title)),
        )
    if not plan.items:
        because = f": {for_terminal(why)}" if why else "."
        out.print(f"{plan.job}: nothing was found{because}\n", soft_wrap=True)
        return
    out.print(table)
    if not plan.tasks:
        out.print(f"\n{plan.job}: {counted(len(plan.items), 'item')}, nothing new to ask an agent.\n")
        return
    total = plan.expected
    out.print(
        f"\n{plan.job}: {counted(len(plan.items), 'item')}, {counted(plan.tasks, 'agent task')} in the first "
        f"round, about {total.input:,} input tokens ({total.cached:,} of them cached) and {total.output:,} "
        "output tokens."
    )
    prices = ", ".join(
        f"{tier} {dollars_text(cost) if cost is not None else 'no price known'}"
        for tier, cost in plan.cost.items()
    )
    out.print(f"Expected cost with {plan.model}: {prices}.")
    out.print(f"Review, if every item led to one proposal: {plan.review_minutes:.0f} minutes.")
    if plan.notice:
        out.print(f"In {plan.notice}.")
    if plan.no_model:
        out.print(f"No model can be asked now: {plan.no_model}. A run would do the deterministic part only.")
    out.print()


def _print_total(plans: list[Plan]) -> None:
    """What all jobs would cost together."""
    items_, tasks = sum(len(one.items) for one in plans), sum(one.tasks for one in plans)
    costs = []
    for tier in get_args(Tier):
        known = [one.cost[tier] for one in plans if one.tasks]
        priced = [cost for cost in known if cost is not None]
        costs.append(f"{tier} {dollars_text(sum(priced)) if len(priced) == len(known) else 'no price known'}")
    minutes = sum(one.review_minutes for one in plans)
    console().print(
        f"All {len(plans)} jobs: {counted(items_, 'item')}, {counted(tasks, 'agent task')}; "
        f"{', '.join(costs)}; {minutes:.0f} minutes of review."
    )

"""What a run came to, for people and as JSON: what was found, what was looked at, and what was not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, get_args

from hundredfold.cli.context import Context
from hundredfold.cli.output import console, counted, yielding
from hundredfold.cli.plan import cost_by_tier, why_nothing
from hundredfold.config import price_files
from hundredfold.fleet.routing import priced_as
from hundredfold.fleet.run import RunResult
from hundredfold.jobs.protocol import Project, load_job
from hundredfold.prices.book import load_book
from hundredfold.prices.money import dollars_text
from hundredfold.proposals.inbox import listed, pending_minutes
from hundredfold.proposals.sanitise import for_terminal
from hundredfold.store import items
from hundredfold.store.findings import coverage_of
from hundredfold.store.items import ItemRow
from hundredfold.usage.spend import Bill, bill
from hundredfold.usage.wording import line_text
from hundredfold.vocabulary import AgentTask, Tier, Usage

SHOWN = 12


def report_of(context: Context, result: RunResult, no_model: str) -> dict[str, Any]:
    """The run's end as one JSON document."""
    rows = _rows(context, result)
    return {
        "run": result.run,
        "project": context.place.slug,
        "taken": result.taken,
        "items": result.states,
        "attempts": result.attempts,
        "halted": str(result.halted) if result.halted else None,
        "stopped": result.stopped,
        "no_model": no_model or None,
        "notice": context.settings.notice or None,
        "not_finished": [
            {"item": row.item.id, "title": row.item.title, "state": row.state, "reason": row.reason}
            for row in rows
            if row.state not in items.SETTLED
        ],
        "listed": _listed(context, rows),
        "coverage": _coverage(context, rows),
        "dropped": dict(_dropped(rows)),
        "cost": line_text(_bill(context, result)) or None,
        "reports": str(context.place.state / "reports"),
    }


def print_summary(context: Context, result: RunResult, no_model: str, names: Sequence[str]) -> None:
    """The run's end in words, on stdout. `names` are the jobs that were to find something."""
    out = console()
    rows = _rows(context, result)
    taken = result.taken
    if not taken.found:
        out.print("Nothing was found to look at.")
        for name in names:
            if why := why_nothing(context, name):
                out.print(f"  {name}: {for_terminal(why)}", soft_wrap=True)
    elif not rows:
        found = counted(taken.found, "item")
        out.print(f"{found} found, nothing new: all were looked at before and have not changed.")
    if taken.deferred:
        minutes = pending_minutes(context.database, context.place.slug)
        out.print(
            f"{taken.deferred} items wait: the inbox holds {minutes:.0f} review minutes, more than "
            f"{context.settings.fleet.review_minutes:.0f} (fleet.review-minutes). Decide: hundredfold inbox"
        )
    if rows:
        _print_states(context, rows)
    if no_model:
        _print_listed(context, rows, no_model)
    if context.settings.notice:
        out.print(f"\nIn {context.settings.notice}.", soft_wrap=True)
    if spent := line_text(_bill(context, result)):
        out.print(
            f"Cost: {spent}. By commit, agent or tier: hundredfold spend --by item,agent,tier", soft_wrap=True
        )
    _print_proposals(context, result)
    if result.halted is not None:
        out.print(f"\nStopped early: {result.halted}\n  → {result.halted.mend}", soft_wrap=True)
    if rows:
        out.print(f"\nReports: {context.place.state / 'reports'}", soft_wrap=True)


def _bill(context: Context, result: RunResult) -> Bill:
    book = load_book(price_files(context.settings, context.place.root))
    return bill(context.database, book, by=(), run=result.run)


def _rows(context: Context, result: RunResult) -> list[ItemRow]:
    """The run's items in the order the jobs found them: newest commit first."""
    found = items.of_project(context.database, context.place.slug)
    return [row for row in reversed(found) if row.run == result.run]


def _print_states(context: Context, rows: list[ItemRow]) -> None:
    from rich.table import Table

    out = console()
    table = Table(box=None, padding=(0, 1))
    for column in ("item", "of", "ended"):
        table.add_column(column, no_wrap=True)
    table.add_column("title")
    for row in rows[:SHOWN]:
        table.add_row(row.item.id, row.item.key[:10], row.state, yielding(for_terminal(row.item.title)))
    out.print(table)
    if len(rows) > SHOWN:
        out.print(f" … and {len(rows) - SHOWN} more (hundredfold run --json lists what was not finished)")
    seen = _coverage(context, rows)
    out.print(
        f"\n{counted(len(rows), 'item')}. Parts: {seen['investigated']} investigated by an agent, "
        f"{seen['screened']} screened by deterministic checks, {seen['not_looked_at']} not looked at."
    )
    for reason, count in seen["reasons"].items():
        out.print(f"  not looked at: {count} × {for_terminal(reason)}", soft_wrap=True)
    if dropped := _dropped(rows):
        said = ", ".join(f"{count} × {reason}" for reason, count in dropped.most_common())
        out.print(f"Claims of agents that did not check out and were dropped: {said}.", soft_wrap=True)
    for row in rows:
        if row.state in ("incomplete", "failed"):
            out.print(f"  {row.state}: {row.item.id} {for_terminal(row.reason)}", soft_wrap=True)


def _print_listed(context: Context, rows: list[ItemRow], no_model: str) -> None:
    out = console()
    listed_items = _listed(context, rows)
    out.print(f"\nNo model was asked: {no_model}. Only the deterministic part was done.", soft_wrap=True)
    if not listed_items["tasks"]:
        out.print("Nothing in these items would have been put before an agent.")
        return
    expected = listed_items["expected"]
    out.print(
        f"An agent would look at {counted(listed_items['tasks'], 'task')} of "
        f"{counted(len(listed_items['items']), 'item')}: about "
        f"{expected.input:,} input and {expected.output:,} output tokens in the first round, which is"
    )
    for tier, cost in listed_items["cost"].items():
        out.print(f"  {tier:<9}{dollars_text(cost) if cost is not None else 'no price known'}")
    out.print(f"with {listed_items['model']}. None of this code is called clean: nobody has looked at it.")


def _print_proposals(context: Context, result: RunResult) -> None:
    found = listed(context.database, context.place.slug, run=result.run)
    if not found:
        return
    out = console()
    wait = "waits" if len(found) == 1 else "wait"
    out.print(f"\n{counted(len(found), 'proposal')} {wait} for you (private until approved):")
    for one in found[:SHOWN]:
        out.print(f"  {one.id}  {one.severity or '':<8}  {one.title}", no_wrap=True, overflow="ellipsis")
    if len(found) > SHOWN:
        out.print(f"  … and {len(found) - SHOWN} more")
    out.print("Next: hundredfold inbox, then approve or reject.")


def _coverage(context: Context, rows: list[ItemRow]) -> dict[str, Any]:
    wanted = {row.item.id for row in rows}
    states, reasons = Counter[str](), Counter[str]()
    for row in coverage_of(context.database, context.place.slug):
        if row.item in wanted:
            states[row.coverage.state] += 1
            if row.coverage.state == "not_looked_at":
                reasons[row.coverage.reason] += 1
    return {
        "investigated": states["investigated"],
        "screened": states["screened"],
        "not_looked_at": states["not_looked_at"],
        "reasons": dict(reasons.most_common(8)),
    }


def _dropped(rows: list[ItemRow]) -> Counter[str]:
    return sum((Counter(row.dropped) for row in rows), Counter[str]())


def _listed(context: Context, rows: list[ItemRow]) -> dict[str, Any]:
    """What agents would have been asked of the items that were only listed, and its cost by tier."""
    settings, named = context.settings, list[str]()
    by_job: dict[str, list[AgentTask]] = {}
    for row in rows:
        if row.state == "listed":
            project = Project(
                context.place.slug, context.place.root, context.repository, settings.job[row.item.job]
            )
            if planned := load_job(row.item.job).planned(project, row.item):
                by_job.setdefault(row.item.job, []).extend(planned)
                named.append(row.item.id)
    book = load_book(price_files(settings, context.place.root))
    models = dict.fromkeys(priced_as(settings, job)[1] for job in by_job)
    costs = [cost_by_tier(book, *priced_as(settings, job), tasks) for job, tasks in by_job.items()]
    tasks = [task for asked in by_job.values() for task in asked]
    return {
        "items": named,
        "tasks": len(tasks),
        "model": ", ".join(models) or settings.route.model,
        "expected": sum((task.expected for task in tasks), Usage()),
        "cost": {tier: _sum_or_none([one[tier] for one in costs]) for tier in get_args(Tier)},
    }


def _sum_or_none(amounts: list[int | None]) -> int | None:
    """The sum; None if one of the amounts is not known."""
    known = [one for one in amounts if one is not None]
    return sum(known) if len(known) == len(amounts) else None

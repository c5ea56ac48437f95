"""`hundredfold outcomes team`: what the team ships, and the agents' share of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from hundredfold.cli.context import Context, Where
from hundredfold.cli.output import console, print_json, say

if TYPE_CHECKING:
    from hundredfold.outcomes.team import Shipped

ROOMY = 100  # columns of a terminal with room for two blanks between columns


def team(
    *,
    since: str = "365d",
    fleet_since: str = "",
    branch: str = "",
    json: Annotated[bool, Parameter(negative=())] = False,
    where: Where = Where(),  # noqa: B008
) -> int:
    """Print what shipped month by month: releases, merged and reverted work, how long fixes take, agents'
    share.

    Parameters
    ----------
    since
        The first day (2026-01-31), a number of days (365d), or "ever".
    fleet_since
        The day the fleet began (default: the first run recorded here): before and after are compared.
    branch
        Where work lands (default: origin's default branch, else the one checked out).
    json
        Print JSON.
    """
    context = where.open()
    from hundredfold.cli.period import period_of
    from hundredfold.outcomes.team import months, shipped
    from hundredfold.sources.git import landing_branch
    from hundredfold.sources.githistory import History
    from hundredfold.store import mirror
    from hundredfold.store.database import now_us

    now, slug = now_us(), context.place.slug
    since_us = period_of(since, "", "UTC").since_us or 0
    history = History(context.repository, landing_branch(context.repository, branch), since_us)
    since_us = max(since_us, min((one.at_us for one in history.entries), default=now))
    began = _fleet_began(context, fleet_since)
    sides = (
        [("before the fleet", since_us, began), ("since the fleet", began, now)]
        if since_us < began < now
        else []
    )
    tags = context.repository.tags()
    rows = shipped(context.database, slug, history, tags, [*months(since_us, now), *sides])
    monthly, compared = rows[: len(rows) - len(sides)], rows[len(rows) - len(sides) :]
    synced = mirror.synced_us(context.database, slug)
    if json:
        print_json({"months": monthly, "compared": compared, "mirrored": synced is not None})
        return 0
    _print(monthly, compared, mirrored=synced is not None)
    if synced is None:
        say("Pull requests and issues are not known: `hundredfold mirror` brings them.")
    return 0


def _fleet_began(context: Context, day: str) -> int:
    """When the fleet began, in UTC microseconds; 0 if nobody knows."""
    from hundredfold.cli.outcomes import day_us
    from hundredfold.store.items import first_run_us

    if day:
        return day_us(day)
    return first_run_us(context.database, context.place.slug) or 0


def _print(monthly: tuple[Shipped, ...], compared: tuple[Shipped, ...], *, mirrored: bool) -> None:
    from rich.table import Table

    out = console()
    form: dict[str, Any] = {"box": None, "pad_edge": False, "header_style": "bold", "title_justify": "left"}
    form["padding"] = (0, 1) if out.width >= ROOMY else (0, 1, 0, 0)
    table = Table(title="What shipped", **form)
    table.add_column("month", no_wrap=True)
    heads = (
        "releases",
        "commits",
        "by agents",
        "reverted",
        "merged PRs",
        "by agents",
        "closed unmerged",
        "issue to merge",
    )
    for name in heads:
        table.add_column(name, justify="right", min_width=_longest_word(name))
    for one in monthly:
        table.add_row(one.period, *_cells(one, mirrored=mirrored))
    out.print(table)
    if not compared:
        return
    both = Table(title="For 30 days", **form)
    both.add_column("period")
    for name in heads:
        both.add_column(name, justify="right", min_width=_longest_word(name))
    for one in compared:
        both.add_row(f"{one.period} ({one.days:.0f} days)", *_cells(one, mirrored=mirrored, monthly=True))
    out.print(both)


def _longest_word(heading: str) -> int:
    """How narrow a column may get: headings are wrapped between words and never cut."""
    return max(map(len, heading.split()))


def _cells(one: Shipped, *, mirrored: bool, monthly: bool = False) -> list[str]:
    def count(number: int) -> str:
        return f"{one.per_month(number):,.1f}" if monthly else f"{number:,}"

    def part(number: int, whole: int) -> str:
        return f"{number:,} of {whole:,} ({number / whole:.0%})" if whole else "–"

    hours = one.median_fix_hours
    return [
        count(one.releases),
        count(one.commits),
        part(one.commits_by_agents, one.commits),
        part(one.reverted, one.commits),
        count(one.pulls) if mirrored else "–",
        part(one.pulls_by_agents, one.pulls),
        part(one.closed_unmerged, one.closed_unmerged + one.pulls),
        "–" if hours is None else f"{_time(hours)} (of {len(one.fix_hours)})",
    ]


def _time(hours: float) -> str:
    return f"{hours:.1f} h" if hours < 48 else f"{hours / 24:.1f} d"

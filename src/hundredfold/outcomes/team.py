"""What a team ships: releases, what landed and by whom, how long an issue waits for its fix, and what was
taken back.

Counted by calendar months (UTC) out of git and the forge's mirror; the agents' share is a lower bound, since
only traces tell agents' work. Before and after the fleet are two periods of the same repository, which other
things changed too: the page says what it counts, not why.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from statistics import median

from msgspec import Struct

from hundredfold.evidence.agenttraces import trace
from hundredfold.outcomes.past import trace_of
from hundredfold.sources.git import Tag
from hundredfold.sources.githistory import History
from hundredfold.store import mirror
from hundredfold.store.database import Database

HOUR_US = 3_600 * 1_000_000
MONTH_DAYS = 30.0
DAY_US = 24 * HOUR_US

#: GitHub's keywords that link a pull request to the issue it closes
_CLOSES = re.compile(r"(?i)\b(?:close[sd]?|fix(?:e[sd])?|resolve[sd]?)[:\s]+(?:[\w.-]+/[\w.-]+)?#(\d{1,7})\b")


class Shipped(Struct, frozen=True):
    """What happened in a period. Each count stands beside what it is a part of.

    `commits` are those that landed, merges apart; `commits_by_agents` and `reverted` are parts of them, and
    `reverted_by_agents` of the agents'. `pulls` were merged, `pulls_by_agents` of them by agents;
    `closed_unmerged` were not. `fix_hours`: hours from an issue's opening to the merge that closes it, for
    each that is known.
    """

    period: str
    days: float
    releases: int = 0
    commits: int = 0
    commits_by_agents: int = 0
    reverted: int = 0
    reverted_by_agents: int = 0
    pulls: int = 0
    pulls_by_agents: int = 0
    closed_unmerged: int = 0
    fix_hours: tuple[float, ...] = ()

    def per_month(self, count: int) -> float:
        """A count as a rate for 30 days."""
        return count * MONTH_DAYS / self.days if self.days > 0 else 0.0

    @property
    def median_fix_hours(self) -> float | None:
        """The median of `fix_hours`; None if none is known."""
        return median(self.fix_hours) if self.fix_hours else None


class _Event(Struct, frozen=True):
    """One thing that counts: when, as what, and for a fix how long it took."""

    at_us: int
    what: str
    hours: float = 0.0


def shipped(
    database: Database,
    project: str,
    history: History,
    tags: Sequence[Tag],
    periods: Sequence[tuple[str, int, int]],
) -> tuple[Shipped, ...]:
    """What was shipped in each of the periods (name, from, until; UTC microseconds, the end not included)."""
    events = sorted(
        (*_of_tags(tags), *_of_history(history), *_of_mirror(database, project)), key=lambda one: one.at_us
    )
    return tuple(_counted(name, start, end, events) for name, start, end in periods)


def months(since_us: int, until_us: int) -> list[tuple[str, int, int]]:
    """The calendar months (UTC) that hold the time from `since_us` until `until_us`, whole ones but the
    last.
    """
    found = []
    at = datetime.fromtimestamp(since_us / 1_000_000, UTC).replace(
        day=1, hour=0, minute=0, second=0, microsecond=0
    )
    while (start := int(at.timestamp()) * 1_000_000) < until_us:
        name = f"{at:%Y-%m}"
        at = at.replace(year=at.year + at.month // 12, month=at.month % 12 + 1)
        found.append((name, start, min(int(at.timestamp()) * 1_000_000, until_us)))
    return found


def _of_tags(tags: Iterable[Tag]) -> Iterable[_Event]:
    return (_Event(one.at_us, "releases") for one in tags)


def _of_history(history: History) -> Iterable[_Event]:
    for entry in history.entries:
        if len(entry.parents) > 1:
            continue
        by_agent, gone = trace_of(entry) is not None, bool(history.reverts_of(entry.sha))
        yield _Event(entry.at_us, "commits")
        if by_agent:
            yield _Event(entry.at_us, "commits_by_agents")
        if gone:
            yield _Event(entry.at_us, "reverted")
        if by_agent and gone:
            yield _Event(entry.at_us, "reverted_by_agents")


def _of_mirror(database: Database, project: str) -> Iterable[_Event]:
    details = {one.number: one for one in mirror.pulls(database, project)}
    opened = {one.number: one.created_us for one in mirror.issues(database, project, pull=False)}
    for issue in mirror.issues(database, project, pull=True):
        pull = details.get(issue.number)
        if pull is None:
            continue
        if pull.merged_us is None:
            if issue.closed_us is not None:
                yield _Event(issue.closed_us, "closed_unmerged")
            continue
        yield _Event(pull.merged_us, "pulls")
        if trace(authors=(issue.author,), text=issue.body, branch=pull.head_ref) is not None:
            yield _Event(pull.merged_us, "pulls_by_agents")
        for number in {int(one) for one in _CLOSES.findall(issue.body)}:
            if number in opened and opened[number] <= pull.merged_us:
                yield _Event(pull.merged_us, "fix_hours", (pull.merged_us - opened[number]) / HOUR_US)


def _counted(name: str, start: int, end: int, events: Sequence[_Event]) -> Shipped:
    counts: dict[str, int] = {}
    hours: list[float] = []
    for one in events:
        if not start <= one.at_us < end:
            continue
        if one.what == "fix_hours":
            hours.append(one.hours)
        else:
            counts[one.what] = counts.get(one.what, 0) + 1
    return Shipped(period=name, days=(end - start) / DAY_US, fix_hours=tuple(hours), **counts)

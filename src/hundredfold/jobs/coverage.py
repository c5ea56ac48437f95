"""Coverage for people and other tools: how far a job looked, and what nobody looked at.

For the jobs here and for third parties'. Each job says in its own words what the states mean to it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from hundredfold.jobs.protocol import Report
from hundredfold.jobs.questions import one_line

MAX_LISTED = 200  # reasons on a page

Rows = Sequence[Mapping[str, Any]]
"""Rows of coverage, as `Job.report` is given them."""


def apart(rows: Rows) -> tuple[Rows, Rows]:
    """(rows of units, rows of whole inputs), for jobs whose inputs may be unreadable: those name no unit, and
    what was said of one last counts."""
    unread: dict[str, Mapping[str, Any]] = {}
    for row in rows:  # newest first
        if not row["unit"]:
            unread.setdefault(str(row["path"]), row)
    return [row for row in rows if row["unit"]], list(unread.values())


def coverage_json(rows: Rows, meaning: Mapping[str, str], unread: Rows = ()) -> Report:
    """coverage.json: how many rows of each state there are, what the states mean, the rows, and the inputs
    that could not be read (`unread`)."""
    summary = {
        "counts": _counts(rows, meaning),
        "meaning": meaning,
        "units": list(rows),
        "unread": list(unread),
    }
    return Report("coverage.json", msgspec.json.format(msgspec.json.encode(summary), indent=2) + b"\n")


def how_far(rows: Rows, meaning: Mapping[str, str], what: str) -> str:
    """A section of Markdown: how many of what was there (`what`: parts, units) came to which state."""
    lines = [f"- {number} {what}: {meaning[state]}" for state, number in _counts(rows, meaning).items()]
    return "## How far we looked\n\n" + "\n".join(lines)


def not_looked_at(rows: Rows) -> str:
    """A section of Markdown: why nobody looked, most frequent reasons first; "" if all was looked at."""
    reasons = Counter(str(row["reason"]) for row in rows if row["state"] == "not_looked_at")
    lines = [f"- {number} × {reason}" for reason, number in reasons.most_common(MAX_LISTED)]
    return "## Not looked at\n\n" + "\n".join(lines) if lines else ""


def not_read(unread: Rows) -> str:
    """A section of Markdown: which inputs could not be read, or not all of them, and why; "" if there are
    none."""
    lines = [f"- {one_line(str(row['path']))}: {row['reason']}" for row in unread[:MAX_LISTED]]
    if len(unread) > MAX_LISTED:
        lines.append(f"- and {len(unread) - MAX_LISTED} more")
    return "## Inputs that were not read\n\n" + "\n".join(lines) if lines else ""


def _counts(rows: Rows, meaning: Mapping[str, str]) -> dict[str, int]:
    counted = Counter(str(row["state"]) for row in rows)
    return {state: counted[state] for state in meaning}

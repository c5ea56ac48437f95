"""The job's files: a page for people, coverage as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hundredfold.jobs.coverage import Rows, apart, coverage_json, how_far, not_looked_at, not_read
from hundredfold.jobs.protocol import Report
from hundredfold.vocabulary import SEVERITIES, Finding

STATES = {
    "investigated": "it was run again or an agent looked, and there is an answer",
    "screened": "it passes now",
    "not_looked_at": "nobody could tell why",
}


def reports(findings: Sequence[Finding], coverage: Sequence[Mapping[str, Any]]) -> list[Report]:
    """bugs.md and coverage.json."""
    units, unread = apart(coverage)
    return [
        coverage_json(units, STATES, unread),
        Report("bugs.md", _page(findings, units, unread).encode("utf-8", "replace")),
    ]


def _page(findings: Sequence[Finding], units: Rows, unread: Rows) -> str:
    out = ["# Failing runs", how_far(units, STATES, "failures")]
    for one in sorted(findings, key=lambda one: (SEVERITIES.index(one.severity), -one.confidence)):
        out += [
            f"## {one.title}",
            f"{one.rule} · {one.severity} · seen in `{one.extra['source']}`",
            one.description,
        ]
    return "\n\n".join(filter(None, [*out, not_looked_at(units), not_read(unread)])) + "\n"

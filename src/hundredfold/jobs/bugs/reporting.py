"""The job's files: a page for people, coverage as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hundredfold.jobs.coverage import coverage_json, how_far, not_looked_at
from hundredfold.jobs.protocol import Report
from hundredfold.vocabulary import SEVERITIES, Finding

STATES = {
    "investigated": "it was run again or an agent looked, and there is an answer",
    "screened": "it passes now",
    "not_looked_at": "nobody could tell why",
}


def reports(findings: Sequence[Finding], coverage: Sequence[Mapping[str, Any]]) -> list[Report]:
    """bugs.md and coverage.json."""
    return [
        coverage_json(coverage, STATES),
        Report("bugs.md", _page(findings, coverage).encode("utf-8", "replace")),
    ]


def _page(findings: Sequence[Finding], coverage: Sequence[Mapping[str, Any]]) -> str:
    out = ["# Failing runs", how_far(coverage, STATES, "failures")]
    for one in sorted(findings, key=lambda one: (SEVERITIES.index(one.severity), -one.confidence)):
        out += [
            f"## {one.title}",
            f"{one.rule} · {one.severity} · seen in `{one.extra['source']}`",
            one.description,
        ]
    return "\n\n".join(filter(None, [*out, not_looked_at(coverage)])) + "\n"

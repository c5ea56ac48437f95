"""The job's files: all comments on a page for people, coverage as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hundredfold.jobs.coverage import coverage_json, how_far, not_looked_at
from hundredfold.jobs.protocol import Report
from hundredfold.jobs.review.telling import comment
from hundredfold.vocabulary import SEVERITIES, Finding

STATES = {
    "investigated": "enough agents looked and answered",
    "screened": "nothing of it was to be asked about",
    "not_looked_at": "nobody looked",
}


def reports(findings: Sequence[Finding], coverage: Sequence[Mapping[str, Any]]) -> list[Report]:
    """review.md and coverage.json."""
    return [
        Report("review.md", _page(findings, coverage).encode("utf-8", "replace")),
        coverage_json(coverage, STATES),
    ]


def _page(findings: Sequence[Finding], coverage: Sequence[Mapping[str, Any]]) -> str:
    out = ["# Review comments", how_far(coverage, STATES, "parts")]
    if not findings:
        out.append("No comments on what was looked at.")
    by_key: dict[str, list[Finding]] = {}
    for finding in findings:
        by_key.setdefault(str(finding.extra["key"]), []).append(finding)
    for key, made in sorted(by_key.items()):
        out.append(f"## {' '.join(key.split())}")
        ordered = sorted(made, key=lambda one: (SEVERITIES.index(one.severity), -one.confidence))
        out += [comment(one) for one in ordered]
    return "\n\n".join(filter(None, [*out, not_looked_at(coverage)])) + "\n"

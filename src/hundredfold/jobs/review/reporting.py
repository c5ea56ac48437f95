"""The job's files: all comments on a page for people, coverage as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from hundredfold.jobs.protocol import Report
from hundredfold.jobs.review.verdicts import comment
from hundredfold.vocabulary import SEVERITIES, Finding

MAX_LISTED = 200
STATES = {
    "investigated": "enough agents looked and answered",
    "screened": "nothing of it was to be asked about",
    "not_looked_at": "nobody looked",
}


def reports(findings: Sequence[Finding], coverage: Sequence[Mapping[str, Any]]) -> list[Report]:
    """review.md and coverage.json."""
    counted = Counter(str(row["state"]) for row in coverage)
    summary = {
        "counts": {state: counted[state] for state in STATES},
        "meaning": STATES,
        "units": list(coverage),
    }
    return [
        Report("review.md", _page(findings, coverage, counted).encode("utf-8", "replace")),
        Report("coverage.json", msgspec.json.format(msgspec.json.encode(summary), indent=2) + b"\n"),
    ]


def _page(findings: Sequence[Finding], coverage: Sequence[Mapping[str, Any]], counted: Counter[str]) -> str:
    out = ["# Review comments", "## How far we looked"]
    out.append("\n".join(f"- {counted[state]} parts: {meaning}" for state, meaning in STATES.items()))
    if not findings:
        out.append("No comments on what was looked at.")
    by_key: dict[str, list[Finding]] = {}
    for finding in findings:
        by_key.setdefault(str(finding.extra["key"]), []).append(finding)
    for key, made in sorted(by_key.items()):
        out.append(f"## {' '.join(key.split())}")
        ordered = sorted(made, key=lambda one: (SEVERITIES.index(one.severity), -one.confidence))
        out += [comment(one) for one in ordered]
    unseen = Counter(str(row["reason"]) for row in coverage if row["state"] == "not_looked_at")
    if unseen:
        out.append("## Not looked at")
        out.append("\n".join(f"- {n} × {reason}" for reason, n in unseen.most_common(MAX_LISTED)))
    return "\n\n".join(out) + "\n"

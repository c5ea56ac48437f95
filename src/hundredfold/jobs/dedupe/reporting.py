"""The job's files: a page of what belongs together and what may, and coverage as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hundredfold.evidence.quotes import normalised
from hundredfold.jobs.coverage import coverage_json, how_far, not_looked_at
from hundredfold.jobs.protocol import Report
from hundredfold.vocabulary import Finding

STATES = {
    "investigated": "an agent compared them, or a person ruled",
    "screened": "nothing earlier is like it",
    "not_looked_at": "nobody compared them",
}
MAX_LISTED = 500


def reports(findings: Sequence[Finding], coverage: Sequence[Mapping[str, Any]]) -> list[Report]:
    """duplicates.md and coverage.json."""
    return [
        Report("duplicates.md", _page(findings, coverage).encode("utf-8", "replace")),
        coverage_json(coverage, STATES),
    ]


def _page(findings: Sequence[Finding], coverage: Sequence[Mapping[str, Any]]) -> str:
    out = ["# Issues that say the same", how_far(coverage, STATES, "pairs or issues")]
    for one in sorted(findings, key=lambda one: (-one.confidence, one.id)):
        out.append(f"## {one.title}\n\nconfidence {one.confidence:.2f} · {one.description}")
        out += [f"{place.path}: > {normalised(place.quote)}" for place in one.evidence]
    waiting = [row for row in coverage if row["state"] == "not_looked_at" and row["unit"]]
    if waiting:
        lines = [f"- {row['path']} and {row['unit']}: {row['reason']}" for row in waiting[:MAX_LISTED]]
        out.append("## Candidates that nobody judged\n\n" + "\n".join(lines))
    else:
        out.append(not_looked_at(coverage))
    return "\n\n".join(filter(None, out)) + "\n"

"""The job's files: a page for people, coverage as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hundredfold.jobs.benchmarks.verdicts import ENVIRONMENT, WITHIN
from hundredfold.jobs.coverage import Rows, apart, coverage_json, how_far, not_looked_at, not_read
from hundredfold.jobs.protocol import Report
from hundredfold.vocabulary import Finding

STATES = {
    "investigated": "an agent looked at the change, and there is an answer",
    "screened": "nothing of it was to be asked about",
    "not_looked_at": "nobody looked at why",
}


def reports(findings: Sequence[Finding], coverage: Sequence[Mapping[str, Any]]) -> list[Report]:
    """benchmarks.md and coverage.json."""
    units, unread = apart(coverage)
    return [
        Report("benchmarks.md", _page(findings, units, unread).encode("utf-8", "replace")),
        coverage_json(units, STATES, unread),
    ]


def _page(findings: Sequence[Finding], units: Rows, unread: Rows) -> str:
    out = ["# Benchmark regressions", how_far(units, STATES, "series that became worse")]
    if not findings:
        out.append("No series became worse, as far as it was measured.")
    for one in findings:
        extra = one.extra
        between = f"after `{extra['before'] or 'unknown'}`, up to `{extra['after'] or 'unknown'}`"
        if one.rule == ENVIRONMENT:
            between = f"within `{extra['after']}`: {WITHIN}"
        told = f"{one.rule} · {one.severity} · confidence {one.confidence:.2f} · {between}"
        out += [f"## {one.title}", told, one.description]
        if extra.get("bisect") and one.rule != ENVIRONMENT:
            out.append(f"Measured again: {extra['bisect']}.")
        for place in one.evidence:
            path = place.path.replace("`", "´")
            quoted = "\n".join(f"    {line}" for line in place.quote.split("\n"))
            out += [f"`{path}`, lines {place.start_line} to {place.end_line}:", quoted]
    return "\n\n".join(filter(None, [*out, not_looked_at(units), not_read(unread)])) + "\n"

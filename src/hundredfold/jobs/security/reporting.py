"""The job's files of all findings: SARIF for tools, coverage as JSON, a page for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from hundredfold import __version__
from hundredfold.evidence.sarif import sarif
from hundredfold.jobs.protocol import Report
from hundredfold.jobs.security.verdicts import advisory
from hundredfold.vocabulary import SEVERITIES, Finding

MAX_LISTED = 200
STATES = {
    "investigated": "an agent looked and answered",
    "screened": "code alone looked and found nothing to ask about",
    "not_looked_at": "nobody looked",
}


def reports(findings: Sequence[Finding], coverage: Sequence[Mapping[str, Any]]) -> list[Report]:
    """security.sarif, coverage.json and findings.md."""
    counted = Counter(str(row["state"]) for row in coverage)
    summary = {
        "counts": {state: counted[state] for state in STATES},
        "meaning": STATES,
        "units": list(coverage),
    }
    return [
        Report("security.sarif", sarif(findings, coverage, version=__version__)),
        Report("coverage.json", msgspec.json.format(msgspec.json.encode(summary), indent=2) + b"\n"),
        Report("findings.md", _page(findings, coverage, counted).encode("utf-8", "replace")),
    ]


def _page(findings: Sequence[Finding], coverage: Sequence[Mapping[str, Any]], counted: Counter[str]) -> str:
    out = ["# Security findings", "Private: do not publish before they are mended.", "## How far we looked"]
    out.append("\n".join(f"- {counted[state]} units: {meaning}" for state, meaning in STATES.items()))
    if not findings:
        out.append("No findings among what was looked at.")
    for finding in sorted(findings, key=lambda one: (SEVERITIES.index(one.severity), -one.confidence)):
        title = " ".join(finding.title.split())
        out += [f"## {title}", f"Finding {finding.id}", advisory(finding).replace("\n## ", "\n### ")]
    unseen = [row for row in coverage if row["state"] == "not_looked_at"]
    if unseen:
        out.append("## Not looked at")
        reasons = Counter(str(row["reason"]) for row in unseen)
        out.append("\n".join(f"- {n} × {reason}" for reason, n in reasons.most_common(MAX_LISTED)))
    return "\n\n".join(out) + "\n"

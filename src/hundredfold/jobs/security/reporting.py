"""The job's files of all findings: SARIF for tools, coverage as JSON, a page for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hundredfold import __version__
from hundredfold.evidence.sarif import sarif
from hundredfold.jobs.coverage import coverage_json, how_far, not_looked_at
from hundredfold.jobs.protocol import Report
from hundredfold.jobs.security.verdicts import advisory
from hundredfold.vocabulary import SEVERITIES, Finding

STATES = {
    "investigated": "an agent looked and answered",
    "screened": "code alone looked and found nothing to ask about",
    "not_looked_at": "nobody looked",
}


def reports(findings: Sequence[Finding], coverage: Sequence[Mapping[str, Any]]) -> list[Report]:
    """security.sarif, coverage.json and findings.md."""
    return [
        Report("security.sarif", sarif(findings, coverage, version=__version__)),
        coverage_json(coverage, STATES),
        Report("findings.md", _page(findings, coverage).encode("utf-8", "replace")),
    ]


def _page(findings: Sequence[Finding], coverage: Sequence[Mapping[str, Any]]) -> str:
    out = [
        "# Security findings",
        "Private: do not publish before they are mended.",
        how_far(coverage, STATES, "units"),
    ]
    if not findings:
        out.append("No findings among what was looked at.")
    for finding in sorted(findings, key=lambda one: (SEVERITIES.index(one.severity), -one.confidence)):
        title = " ".join(finding.title.split())
        out += [f"## {title}", f"Finding {finding.id}", advisory(finding).replace("\n## ", "\n### ")]
    return "\n\n".join(filter(None, [*out, not_looked_at(coverage)])) + "\n"

"""Findings and coverage as SARIF 2.1.0 (OASIS; https://docs.oasis-open.org/sarif/sarif/v2.1.0/).

No findings are `results: []`, never a missing file. What was not looked at is a notification of the
invocation, so that a viewer can't take it for clean.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import msgspec

from hundredfold.vocabulary import Evidence, Finding, Severity

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
FINGERPRINT = "hundredfold/v1"
MAX_NOTIFICATIONS = 1_000

_LEVEL: dict[Severity, str] = {
    "critical": "error",
    "high": "error",
    "medium": "warning",
    "low": "note",
    "info": "note",
}
#: GitHub's scale: over 9.0 is critical, over 7.0 high, over 4.0 medium, else low.
_SCORE: dict[Severity, str] = {"critical": "9.5", "high": "8.0", "medium": "5.5", "low": "3.0", "info": "0.0"}


def sarif(findings: Sequence[Finding], coverage: Sequence[Mapping[str, Any]], *, version: str) -> bytes:
    """A SARIF log of one run. `coverage` rows have path, unit, state, reason and revision."""
    rules = _rules(findings)
    index = {rule["id"]: at for at, rule in enumerate(rules)}
    states = Counter(str(row["state"]) for row in coverage)
    run = {
        "tool": {
            "driver": {
                "name": "hundredfold",
                "semanticVersion": version,
                "rules": rules,
            }
        },
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": {"SRCROOT": {"description": {"text": "The root of the repository."}}},
        "invocations": [
            {
                "executionSuccessful": states["not_looked_at"] == 0,
                "toolExecutionNotifications": _notifications(coverage),
            }
        ],
        "artifacts": _artifacts(coverage),
        "results": [_result(finding, index[finding.rule]) for finding in findings],
        "properties": {"coverage": dict(sorted(states.items()))},
    }
    log = {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}
    return msgspec.json.format(msgspec.json.encode(log), indent=2) + b"\n"


def _rules(findings: Sequence[Finding]) -> list[dict[str, Any]]:
    worst: dict[str, Finding] = {}
    for finding in findings:
        known = worst.get(finding.rule)
        if known is None or float(_SCORE[finding.severity]) > float(_SCORE[known.severity]):
            worst[finding.rule] = finding
    made = []
    for name, finding in sorted(worst.items()):
        cwe = str(finding.extra.get("cwe", ""))
        tags = ["security", *([f"external/cwe/{cwe.lower()}"] if cwe else [])]
        made.append(
            {
                "id": name,
                "shortDescription": {"text": f"Possible weakness: {name}" + (f" ({cwe})" if cwe else "")},
                "help": {"text": finding.recommendation or "See the finding's own text."},
                "defaultConfiguration": {"level": _LEVEL[finding.severity]},
                "properties": {"tags": tags, "security-severity": _SCORE[finding.severity]},
            }
        )
    return made


def _result(finding: Finding, rule_index: int) -> dict[str, Any]:
    return {
        "ruleId": finding.rule,
        "ruleIndex": rule_index,
        "level": _LEVEL[finding.severity],
        "message": {"text": f"{finding.title}\n\n{finding.description}".strip()},
        "locations": [_location(place) for place in finding.evidence[:1]],
        "relatedLocations": [
            {"id": at, **_location(place)} for at, place in enumerate(finding.evidence[1:], 1)
        ],
        "partialFingerprints": {FINGERPRINT: finding.fingerprint},
        "rank": round(finding.confidence * 100, 1),
        "properties": {
            "confidence": finding.confidence,
            "severity": finding.severity,
            "security-severity": _SCORE[finding.severity],
            "id": finding.id,
            "commit": finding.evidence[0].revision if finding.evidence else "",
        },
    }


def _location(place: Evidence) -> dict[str, Any]:
    return {
        "physicalLocation": {
            "artifactLocation": {"uri": _uri(place.path), "uriBaseId": "SRCROOT"},
            "region": {
                "startLine": place.start_line,
                "endLine": place.end_line,
                "snippet": {"text": place.quote},
            },
        }
    }


def _notifications(coverage: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    unseen = [row for row in coverage if row["state"] == "not_looked_at"]
    made: list[dict[str, Any]] = []
    for row in unseen[:MAX_NOTIFICATIONS]:
        where = " ".join(filter(None, (str(row["path"]), str(row["unit"]))))
        note: dict[str, Any] = {
            "level": "warning",
            "message": {"text": f"not looked at: {where or 'the commit'}: {row['reason']}"},
        }
        if row["path"]:
            note["locations"] = [
                {
                    "physicalLocation": {
                        "artifactLocation": {"uri": _uri(str(row["path"])), "uriBaseId": "SRCROOT"}
                    }
                }
            ]
        made.append(note)
    if len(unseen) > MAX_NOTIFICATIONS:
        more = len(unseen) - MAX_NOTIFICATIONS
        made.append({"level": "warning", "message": {"text": f"{more} more units were not looked at"}})
    return made


def _artifacts(coverage: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    states: dict[str, Counter[str]] = {}
    for row in coverage:
        if row["path"]:
            states.setdefault(str(row["path"]), Counter())[str(row["state"])] += 1
    return [
        {
            "location": {"uri": _uri(path), "uriBaseId": "SRCROOT"},
            "properties": {"coverage": dict(sorted(counted.items()))},
        }
        for path, counted in sorted(states.items())
    ]


def _uri(path: str) -> str:
    return quote(path.encode("utf-8", "surrogateescape"), safe="/")

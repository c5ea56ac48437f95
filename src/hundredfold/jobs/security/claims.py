"""Agents' claims, checked by code: what does not check out is dropped and counted by reason."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping
from typing import Any, cast

from msgspec import Struct

from hundredfold.jobs.answers import ReadFile, placed, plain, share
from hundredfold.jobs.security.asking import schema
from hundredfold.vocabulary import SEVERITIES, Evidence, Severity

MAX_CLAIMS = 20  # of one answer
MAX_TEXT = 4_000  # characters of a free text

_CWE = re.compile(r"CWE-[1-9]\d{0,3}")


class Claim(Struct, frozen=True):
    """A claimed weakness whose place, quote and terms checked out. Its texts hold no secrets."""

    rule: str
    cwe: str
    severity: Severity
    confidence: float
    title: str
    description: str
    how_to_check: str
    recommendation: str
    evidence: Evidence


class Review(Struct, frozen=True):
    """What the refuting agent said. `evidence` is what of its quotes checked out."""

    verdict: str
    reason: str
    severity: Severity
    confidence: float
    evidence: tuple[Evidence, ...]


def check_claims(
    value: Mapping[str, Any], revision: str, paths: Collection[str], read: ReadFile, dropped: Counter[str]
) -> list[Claim]:
    """The claims of an investigating agent's answer that check out; the others are counted in `dropped`.

    `paths` are the files that the question showed.
    """
    claims: list[Claim] = []
    raw = value.get("findings")
    listed = raw if isinstance(raw, list) else []
    if len(listed) > MAX_CLAIMS:
        dropped[f"beyond the bound of {MAX_CLAIMS} findings an answer"] += len(listed) - MAX_CLAIMS
    for one in listed[:MAX_CLAIMS]:
        checked = _checked(one, revision, paths, read)
        if isinstance(checked, str):
            dropped[checked] += 1
        elif any(_same(checked, other) for other in claims):
            dropped["said twice"] += 1
        else:
            claims.append(checked)
    return claims


def check_review(value: Mapping[str, Any], revision: str, read: ReadFile) -> Review:
    """A refuting agent's answer with only the evidence that checks out."""
    evidence = []
    raw = value.get("evidence")
    for one in (raw if isinstance(raw, list) else [])[:MAX_CLAIMS]:
        place = placed(one, revision, read)
        if isinstance(place, Evidence):
            evidence.append(place)
    severity = value.get("severity")
    return Review(
        verdict=str(value.get("verdict", "could_not_finish")),
        reason=plain(value.get("reason"), MAX_TEXT),
        severity=cast(Severity, severity) if severity in SEVERITIES else "medium",
        confidence=share(value.get("confidence")),
        evidence=tuple(evidence),
    )


def _checked(one: Any, revision: str, paths: Collection[str], read: ReadFile) -> Claim | str:
    """The claim, or why it is dropped."""
    if not isinstance(one, dict):
        return "not a finding"
    if one.get("path") not in paths:
        return "path is not in what was asked"
    if one.get("rule") not in _rules():
        return "unknown rule"
    if one.get("severity") not in SEVERITIES:
        return "unknown severity"
    if not _CWE.fullmatch(str(one.get("cwe", ""))):
        return "unknown CWE"
    if not str(one.get("title", "")).strip() or not str(one.get("description", "")).strip():
        return "says nothing"
    place = placed(one, revision, read)
    if isinstance(place, str):
        return place
    return Claim(
        rule=one["rule"],
        cwe=one["cwe"],
        severity=one["severity"],
        confidence=share(one.get("confidence")),
        title=" ".join(plain(one["title"], MAX_TEXT).split())[:160],
        description=plain(one["description"], MAX_TEXT),
        how_to_check=plain(one.get("how_to_check"), MAX_TEXT),
        recommendation=plain(one.get("recommendation"), MAX_TEXT),
        evidence=place,
    )


def _same(one: Claim, other: Claim) -> bool:
    a, b = one.evidence, other.evidence
    return (one.rule, a.path) == (other.rule, b.path) and (
        a.start_line <= b.end_line and b.start_line <= a.end_line
    )


def _rules() -> list[str]:
    names: list[str] = schema("investigate")["properties"]["findings"]["items"]["properties"]["rule"]["enum"]
    return names

"""From checked claims, reviews and tools' hits to findings and private proposals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct

from hundredfold.evidence.fingerprints import Mark, fingerprints
from hundredfold.evidence.secrets import redact
from hundredfold.forges.preconditions import quote_precondition
from hundredfold.jobs.security.claims import Claim, Review
from hundredfold.jobs.security.survey import Survey
from hundredfold.payloads import CWE, Advisory
from hundredfold.vocabulary import SEVERITIES, Evidence, Finding, Item, Proposal, Severity, identity

TOOL_CONFIDENCE = 0.5
LEAK_CONFIDENCE = 0.9
MOST = 0.97
REVIEW_MINUTES = {"critical": 15.0, "high": 10.0, "medium": 6.0, "low": 4.0, "info": 2.0}


class Verdict(Struct, frozen=True):
    """A finding in the making. `evidence[0].quote` is verbatim; it is redacted when the finding is made."""

    rule: str
    cwe: str
    severity: Severity
    confidence: float
    title: str
    description: str
    how_to_check: str
    recommendation: str
    evidence: tuple[Evidence, ...]
    unit: str
    source: str
    review: str
    attempts: tuple[str, ...] = ()


def upheld(claim: Claim, review: Review | None, why_not: str, unit: str, agreed: bool) -> Verdict:
    """The verdict on a claim that was not refuted. `agreed`: a matcher or scanner named that place too.

    Confidence: the mean of claim and review, raised a little where code agrees. It is halved if nobody could
    review it, or if a refutation came without evidence that checks out.
    """
    confidence, severity, note = claim.confidence, claim.severity, "upheld by a second agent"
    extra: tuple[Evidence, ...] = ()
    if review is None:
        confidence, note = confidence / 2, f"not reviewed: {why_not}"
    elif review.verdict == "refuted":
        confidence, note = confidence / 2, "a second agent disagreed, but nothing it quoted checked out"
    else:
        confidence = (confidence + review.confidence) / 2
        severity = max(claim.severity, review.severity, key=SEVERITIES.index)  # the milder of the two
        extra = review.evidence[:3]
    return Verdict(
        rule=claim.rule,
        cwe=claim.cwe,
        severity=severity,
        confidence=round(
            min(MOST, confidence + (0.1 if agreed and review and review.verdict == "upheld" else 0.0)), 3
        ),
        title=claim.title,
        description=claim.description,
        how_to_check=claim.how_to_check,
        recommendation=claim.recommendation,
        evidence=(claim.evidence, *extra),
        unit=unit,
        source="agent",
        review=note,
    )


def leaks_as_verdicts(survey: Survey, revision: str, before: str) -> list[Verdict]:
    """Secrets in well-known formats: no model is needed to see them, and none should."""
    made = []
    for leak in survey.leaks:
        secret = leak.secret
        where = (
            "was taken out here, and every copy of the history keeps it" if leak.removed else "stands here"
        )
        quote = _line_of(survey, leak.path, secret.line, removed=leak.removed)
        made.append(
            Verdict(
                rule=f"secret/{secret.rule}",
                cwe="CWE-798",
                severity="medium" if leak.removed else "high",
                confidence=LEAK_CONFIDENCE,
                title=f"{secret.title} in {leak.path}"
                + (" (removed, still in the history)" if leak.removed else ""),
                description=f"What looks like a {secret.title} {where}: {secret.redacted}.",
                how_to_check="Ask its issuer whether it is live; look at the line in the repository.",
                recommendation="Revoke it at its issuer, then keep it outside the repository.",
                evidence=(
                    Evidence(
                        leak.path, before if leak.removed else revision, secret.line, secret.line, quote
                    ),
                ),
                unit=leak.unit,
                source="secret patterns",
                review="found by a pattern, seen by no agent",
            )
        )
    return made


def hits_as_verdicts(survey: Survey, revision: str) -> list[Verdict]:
    """What scanners are sure of, for a run in which no agent can be asked."""
    return [
        Verdict(
            rule=f"{hit.tool}/{hit.rule}",
            cwe=hit.cwe,
            severity=hit.severity,
            confidence=TOOL_CONFIDENCE,
            title=f"{hit.tool}: {redact(hit.title)[:140]}",
            description=redact(hit.title),
            how_to_check="Read the line and follow its input: scanners do not know who controls it.",
            recommendation="See the documentation of that rule.",
            evidence=(
                Evidence(
                    unit.path,
                    revision,
                    hit.line,
                    hit.line,
                    _line_of(survey, unit.path, hit.line, removed=False),
                ),
            ),
            unit=unit.name,
            source=hit.tool,
            review="found by a scanner, seen by no agent",
        )
        for unit, hit in survey.hits
        if hit.sure
    ]


def findings_of(item: Item, verdicts: Sequence[Verdict]) -> tuple[Finding, ...]:
    """The findings, in the order of their places, with fingerprints that hold no line numbers."""
    ordered = sorted(verdicts, key=lambda one: (one.evidence[0].path, one.evidence[0].start_line, one.rule))
    marks = [Mark(one.evidence[0].path, one.unit, one.rule, one.evidence[0].quote) for one in ordered]
    made = []
    for one, mark in zip(ordered, fingerprints(marks), strict=True):
        extra: dict[str, Any] = {
            "cwe": one.cwe,
            "unit": one.unit,
            "source": one.source,
            "review": one.review,
            "how_to_check": one.how_to_check,
            "commit": item.revision,
        }
        made.append(
            Finding(
                id=identity("finding", item.project, item.job, mark),
                fingerprint=mark,
                project=item.project,
                job=item.job,
                item=item.id,
                rule=one.rule,
                title=one.title,
                severity=one.severity,
                confidence=one.confidence,
                description=one.description,
                recommendation=one.recommendation,
                evidence=tuple(_stored(place) for place in one.evidence),
                attempts=one.attempts,
                private=True,
                extra=extra,
            )
        )
    return tuple(made)


def proposals_of(
    item: Item, findings: Sequence[Finding], verdicts: Sequence[Verdict]
) -> tuple[Proposal, ...]:
    """A private advisory per finding, stale as soon as the quoted code is gone from HEAD."""
    verbatim = {
        (place.path, place.revision, place.start_line, place.end_line): place.quote
        for one in verdicts
        for place in one.evidence
    }
    made = []
    for finding in findings:
        place = finding.evidence[0]
        conditions = {"commit": item.revision}
        if place.revision == item.revision:  # a secret that was removed is not expected in HEAD
            quote = verbatim[(place.path, place.revision, place.start_line, place.end_line)]
            conditions["quote"] = quote_precondition(place.path, quote)
        made.append(
            Proposal(
                id=identity("proposal", item.project, item.job, finding.id),
                project=item.project,
                job=item.job,
                item=item.id,
                type="advisory",
                title=f"[{finding.severity}] {finding.title}",
                body=advisory(finding),
                findings=(finding.id,),
                preconditions=conditions,
                private=True,
                review_minutes=REVIEW_MINUTES[finding.severity],
                payload=Advisory(
                    severity="low" if finding.severity == "info" else finding.severity,
                    cwes=(cwe,) if CWE.fullmatch(cwe := str(finding.extra.get("cwe") or "")) else (),
                ),
            )
        )
    return tuple(made)


def advisory(finding: Finding) -> str:
    """A finding as Markdown for the person who decides."""
    extra = finding.extra
    parts = [
        f"**{finding.severity}** · {finding.rule} · {extra.get('cwe') or 'no CWE'} · confidence "
        f"{finding.confidence:.2f} · {extra.get('source', '')} ({extra.get('review', '')})",
        finding.description,
        "## Evidence",
    ]
    for place in finding.evidence:
        fence = "~~~~" + "~" * _longest_run(place.quote, "~")
        where = f"lines {place.start_line} to {place.end_line}, at {place.revision[:12]}"
        path = place.path.replace("`", "´")
        parts.append(f"`{path}`, {where}:\n\n{fence}\n{place.quote}\n{fence}")
    if extra.get("how_to_check"):
        parts += ["## How to check", str(extra["how_to_check"])]
    parts += ["## Mend", finding.recommendation or "Nothing was suggested."]
    return "\n\n".join(parts) + "\n"


def _stored(place: Evidence) -> Evidence:
    return msgspec.structs.replace(place, quote=redact(place.quote))


def _line_of(survey: Survey, path: str, line: int, *, removed: bool) -> str:
    if removed:
        for text in survey.change.removed:
            if text.path == path:
                return dict(text.lines).get(line, "")
        return ""
    lines = survey.change.contents.get(path, b"").decode("utf-8", "replace").replace("\r\n", "\n").split("\n")
    return lines[line - 1] if 0 < line <= len(lines) else ""


def _longest_run(text: str, character: str) -> int:
    longest = run = 0
    for one in text:
        run = run + 1 if one == character else 0
        longest = max(longest, run)
    return longest

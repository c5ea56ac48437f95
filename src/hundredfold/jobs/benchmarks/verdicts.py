"""From steps, bisecting and a checked answer to a finding, a notice with a plot, and an issue."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from hundredfold.evidence.measures import FAR, another_unit, shown, times
from hundredfold.evidence.secrets import redact
from hundredfold.jobs.answers import ReadFile, placed, plain, share
from hundredfold.jobs.benchmarks.bisecting import Narrowed
from hundredfold.jobs.benchmarks.subject import Subject
from hundredfold.payloads import Issue, Notice
from hundredfold.vocabulary import Evidence, Finding, Item, Proposal, Severity, digest, identity

MAX_TEXT = 3_000
MAX_PLACES = 5
REVIEW_MINUTES = 5.0
ALONE = 0.6  # confidence in a step that nobody explained and no machine repeated
REPEATED = 0.85  # that was measured again here
NOTICE_LINES = 6
ENVIRONMENT = "benchmark/environment"
WITHIN = (
    "both sides of the step are of one commit: the machine, its settings or its load changed, or it is noise"
)


class Explained(Struct, frozen=True):
    """An answer whose places checked out; `commit` is one of the range's, or ""."""

    verdict: str
    commit: str
    title: str
    explanation: str
    mend: str
    places: tuple[Evidence, ...]
    confidence: float
    attempt: str


def checked(
    value: Mapping[str, Any],
    attempt: str,
    revision: str,
    commits: Sequence[str],
    read: ReadFile,
    dropped: Counter[str],
) -> Explained | str:
    """The answer, or why it is dropped. Places that don't check out are dropped and counted."""
    verdict = str(value.get("verdict"))
    places = []
    raw = value.get("places")
    for one in (raw if isinstance(raw, list) else [])[:MAX_PLACES]:
        place = placed(one, revision, read)
        if isinstance(place, Evidence):
            places.append(place)
        else:
            dropped[place] += 1
    if verdict in ("explained", "benchmark_changed") and not places:
        return "explains without a place that checks out"
    named = value.get("commit")
    commit = named if isinstance(named, str) and named in commits else ""
    if named and not commit:
        dropped["the commit is not of the range"] += 1
    return Explained(
        verdict=verdict,
        commit=commit,
        title=" ".join(plain(value.get("title"), MAX_TEXT).split())[:160],
        explanation=plain(value.get("explanation"), MAX_TEXT),
        mend=plain(value.get("mend"), MAX_TEXT),
        places=tuple(places),
        confidence=share(value.get("confidence")),
        attempt=attempt,
    )


def finding_of(item: Item, subject: Subject, narrowed: Narrowed, told: Explained | None) -> Finding:
    """The regression as a finding. Its fingerprint is the item's anchor: it survives later points."""
    main = subject.series[0]
    confidence = REPEATED if narrowed.measured and not narrowed.why_not else ALONE
    if told is not None and told.verdict == "explained":
        confidence = min(0.97, (confidence + 1.0) / 2 if told.confidence >= 0.5 else confidence)
    return Finding(
        id=identity("finding", item.project, item.job, item.payload["anchor"], main.id),
        fingerprint=digest("benchmarks", item.payload["anchor"], main.id),
        project=item.project,
        job=item.job,
        item=item.id,
        rule=_rule(subject, told),
        title=title_of(subject),
        severity="info" if subject.within else severity_of(main.change),
        confidence=round(confidence, 3),
        description="\n".join(_measured(subject)),
        recommendation=told.mend if told else "",
        evidence=tuple(
            msgspec.structs.replace(one, quote=redact(one.quote)) for one in (told.places if told else ())
        ),
        attempts=(told.attempt,) if told and told.attempt else (),
        extra={
            "anchor": item.payload["anchor"],
            "at_us": subject.at_us,
            "series": [one.id for one in subject.series],
            "before": narrowed.before,
            "after": narrowed.after,
            "change": main.change,
            "bisect": narrowed.why_not or ("narrowed" if narrowed.measured else ""),
        },
    )


def proposals_of(
    item: Item,
    finding: Finding,
    subject: Subject,
    narrowed: Narrowed,
    told: Explained,
    picture: str,
    note: str,
) -> tuple[Proposal, ...]:
    """A notice with the plot, and an issue with all of the evidence."""
    conditions = {"commit": narrowed.after}
    notice = Proposal(
        id=identity("proposal", item.project, item.job, finding.id, "notice"),
        project=item.project,
        job=item.job,
        item=item.id,
        type="notice",
        title=finding.title,
        body=_notice(subject, narrowed, told),
        findings=(finding.id,),
        preconditions=conditions,
        review_minutes=1.0,
        payload=Notice(topic="benchmarks", picture=picture),
    )
    issue = Proposal(
        id=identity("proposal", item.project, item.job, finding.id, "issue"),
        project=item.project,
        job=item.job,
        item=item.id,
        type="issue",
        title=finding.title,
        body=_issue(subject, narrowed, told, finding, (item.payload.get("nearest", ""), note)),
        findings=(finding.id,),
        preconditions=conditions,
        review_minutes=REVIEW_MINUTES,
        payload=Issue(),
    )
    return (notice, issue) if told.verdict != "benchmark_changed" else (notice,)


def title_of(subject: Subject) -> str:
    """ "parse is 12.0% slower (and 3 more series)"; where no change of the code can be why, that too."""
    main = subject.series[0]
    time = main.unit.startswith("ns") or main.unit.endswith("/s")
    up = "slow" if time else "large" if main.direction == "smaller" else "small"
    more = f" (and {subject.count - 1} more series)" if subject.count > 1 else ""
    ratio = main.after / main.before
    far = f"{times(ratio)} times as {up}" if not 1 / FAR < ratio < FAR else ""
    step = far or f"{abs(main.change):.1%} {up.removesuffix('e')}er"
    doubt = ", or its unit changed" if another_unit(ratio) else ""
    within = " within one commit" if subject.within else ""
    return f"{main.label[:120]} is {step}{doubt}{within}{more}"


def _rule(subject: Subject, told: Explained | None) -> str:
    if subject.within:
        return ENVIRONMENT
    return "benchmark/changed" if told and told.verdict == "benchmark_changed" else "benchmark/regression"


def severity_of(change: float) -> Severity:
    """By the size of the step: twice as much is high, a fifth more medium."""
    ratio = abs(change)
    return "high" if ratio >= 1.0 else "medium" if ratio >= 0.2 else "low"


def _measured(subject: Subject) -> list[str]:
    out = [f"- {one.line()}" for one in subject.series]
    if subject.count > len(subject.series):
        out.append(f"- and {subject.count - len(subject.series)} more series")
    return out


def _notice(subject: Subject, narrowed: Narrowed, told: Explained) -> str:
    out = _measured(subject)[:NOTICE_LINES]
    if subject.count > NOTICE_LINES:
        out.append(f"- and {subject.count - NOTICE_LINES} more series")
    out.append(f"Between {narrowed.before[:12] or '?'} and {narrowed.after[:12] or '?'}.")
    if told.verdict in ("explained", "benchmark_changed"):
        out.append(f"**Why:** {told.explanation}")
    return "\n".join(out)


def _issue(
    subject: Subject, narrowed: Narrowed, told: Explained, finding: Finding, notes: Sequence[str]
) -> str:
    main = subject.series[0]
    out = ["## What was measured", *(_measured(subject))]
    out.append(
        f"\nThe step lies after `{narrowed.before or 'unknown'}`, up to `{narrowed.after or 'unknown'}`."
    )
    if narrowed.measured:
        out.append("\nMeasured again in clean checkouts:\n")
        out += [f"- `{sha[:12]}`: {shown(value, main.unit)}" for sha, value in narrowed.measured]
    if narrowed.why_not:
        out.append(f"\nNot narrowed further: {narrowed.why_not}.")
    out.append("\n## Why\n")
    if told.verdict == "explained":
        out.append(told.explanation)
        if told.commit:
            out.append(f"\nIt points at commit `{told.commit}`.")
    else:
        out.append(f"Nobody could explain it: {told.explanation or told.verdict}")
    for place in finding.evidence:
        path = place.path.replace("`", "´")
        fence = "~~~~"
        while fence in place.quote:
            fence += "~"
        lines = f"lines {place.start_line} to {place.end_line}"
        out += [f"\n`{path}`, {lines}:\n", f"{fence}\n{place.quote}\n{fence}"]
    if told.mend:
        out += ["\n## What may help\n", told.mend]
    out += [f"\n{one}" for one in notes if one]
    return "\n".join(out) + "\n"

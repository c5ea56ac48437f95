"""From an agent's answer to findings and proposals: quotes are looked for in both texts, rules do the rest.

A pair is kept if the agent calls it the same, names a candidate it was shown, and both its quotes stand word
for word in the two issues. What is then proposed follows by rule; a likeness alone proposes nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from msgspec import Struct

from hundredfold.forges.subject import requirements
from hundredfold.jobs.answers import plain, share
from hundredfold.jobs.dedupe.asking import block
from hundredfold.jobs.dedupe.candidates import Candidate, Shown
from hundredfold.jobs.dedupe.canonical import Told, canonical
from hundredfold.payloads import Close, Comment, Labels
from hundredfold.vocabulary import Evidence, Finding, Item, Proposal, digest, identity

LEAST_QUOTE = 12  # characters that say something
LEAST_COMMENT = 0.5  # confidence from which on a pair is told
LEAST_CLOSE = 0.8  # and from which on closing is proposed
MAX_REASON = 500
MINUTES = 2.0


class Same(Struct, frozen=True):
    """A pair that checked out. `quotes` are verbatim of the issue and of the other; "" if a person ruled."""

    candidate: Candidate
    confidence: float
    quotes: tuple[str, str]
    reason: str
    attempt: str


def pairs(
    value: Mapping[str, Any],
    attempt: str,
    issue: Shown,
    candidates: Sequence[Candidate],
    dropped: Counter[str],
) -> list[Same]:
    """What an answer calls the same and checks out; the rest is counted in `dropped`."""
    asked = {one.issue.ref: one for one in candidates if not one.ruled}
    made: dict[str, Same] = {}
    raw = value.get("pairs")
    for one in (raw if isinstance(raw, list) else [])[: 2 * len(asked)]:
        if not isinstance(one, dict) or one.get("same") is not True:
            continue
        found = asked.get(str(one.get("other")))
        quotes = (plain(one.get("quote_issue"), 400), plain(one.get("quote_other"), 400))
        if found is None:
            dropped["names an issue that was not shown"] += 1
        elif not (_stands(quotes[0], issue) and _stands(quotes[1], found.issue)):
            dropped["a quote does not stand in its issue"] += 1
        elif share(one.get("confidence")) < LEAST_COMMENT:
            dropped["not sure enough"] += 1
        else:
            reason = " ".join(plain(one.get("reason"), MAX_REASON).split())
            made[found.issue.ref] = Same(found, share(one["confidence"]), quotes, reason, attempt)
    return list(made.values())


def ruled(candidates: Sequence[Candidate]) -> list[Same]:
    """What people said belongs together."""
    return [Same(one, 1.0, ("", ""), "A person ruled so.", "") for one in candidates if one.ruled]


def findings_of(item: Item, issue: Shown, same: Sequence[Same]) -> tuple[Finding, ...]:
    """One finding a pair."""
    made = []
    for one in same:
        other = one.candidate.issue
        print_ = digest("duplicate", *sorted((issue.ref, other.ref)))
        made.append(
            Finding(
                id=identity("finding", item.project, item.job, print_),
                fingerprint=print_,
                project=item.project,
                job=item.job,
                item=item.id,
                rule="dedupe/duplicate",
                title=f"{_name(issue)} says the same as {_name(other)}",
                severity="low",
                confidence=round(one.confidence, 3),
                description=one.reason,
                recommendation="",
                evidence=tuple(
                    _evidence(each, quote)
                    for each, quote in zip((issue, other), one.quotes, strict=True)
                    if quote
                ),
                attempts=(one.attempt,) if one.attempt else (),
                extra={"issue": issue.ref, "other": other.ref, "score": one.candidate.score},
            )
        )
    return tuple(made)


def proposals_of(
    item: Item,
    issue: Shown,
    same: Sequence[Same],
    findings: Sequence[Finding],
    group: Mapping[str, Shown],
    standing: Collection[str],
    *,
    label: str,
    close: bool,
) -> tuple[Proposal, ...]:
    """What is to be done: about the issue if another stands for the group, else a comment on it.

    `group` are all issues that belong together by what is known, the issue included; `standing` are the refs
    that people called canonical. Closing is proposed only into an open issue: a closed one may have been
    settled, and the new report may be its return.
    """
    if not same:
        return ()
    chosen = canonical([_told(one) for one in group.values()], standing)
    target = group[chosen.ref]
    sure = [one.confidence for one in same if one.candidate.issue.ref == chosen.ref] or [
        min(one.confidence for one in same)
    ]
    where = _unchanged(issue)
    base: dict[str, Any] = {
        "project": item.project,
        "job": item.job,
        "item": item.id,
        "findings": tuple(one.id for one in findings),
        "review_minutes": MINUTES,
    }
    text = _body(issue, same, target)
    closing = (
        close
        and target.ref != issue.ref
        and target.state == "open"
        and max(sure) >= LEAST_CLOSE
        and bool(issue.number and target.number)
    )
    if not closing:
        return (
            Proposal(
                id=identity("proposal", item.project, item.job, item.id, "comment"),
                type="comment",
                title=f"Tell {_name(issue)} that it may say the same as {_named(same)}",
                body=text,
                preconditions=where,
                payload=Comment(number=issue.number) if issue.number else None,
                **base,
            ),
        )
    made = [
        Proposal(
            id=identity("proposal", item.project, item.job, item.id, "close"),
            type="close",
            title=f"Close {_name(issue)} as a duplicate of {_name(target)}",
            body=text,
            preconditions=where | _unchanged(target),
            payload=Close(number=issue.number, reason="duplicate", duplicate_of=target.number),
            **base,
        )
    ]
    if label:
        made.append(
            Proposal(
                id=identity("proposal", item.project, item.job, item.id, "labels"),
                type="labels",
                title=f"Label {_name(issue)} as {label}",
                body=f"{_name(issue)} says the same as {_name(target)}.",
                preconditions=_same_text(issue) | _same_text(target),  # not the state: it may be closed first
                payload=Labels(number=issue.number, add=(label,)),
                **(base | {"review_minutes": 0.2}),
            )
        )
    return tuple(made)


def _body(issue: Shown, same: Sequence[Same], target: Shown) -> str:
    """The comment: what says the same, shown by both quotes."""
    out = []
    if target.ref != issue.ref:
        out.append(f"This seems to report what {_name(target)} reports.")
    else:
        out.append("Other issues seem to report what this one reports.")
    for one in same:
        other = one.candidate.issue
        out.append(f"**{_name(other)}** ({other.state}): {one.reason}")
        if one.quotes[0]:
            out.append(f"Here:\n\n{_quoted(one.quotes[0])}\n\nThere:\n\n{_quoted(one.quotes[1])}")
    out.append("If that is wrong, say so here: a person decides.")
    return "\n\n".join(out) + "\n"


def _stands(quote: str, issue: Shown) -> bool:
    """Whether the quote is in the issue as it was shown; blanks do not count."""
    wanted = " ".join(quote.split())
    lines = block(issue).split("\n")[2:]
    return len(wanted) >= LEAST_QUOTE and wanted in " ".join(" ".join(line[2:] for line in lines).split())


def _evidence(issue: Shown, quote: str) -> Evidence:
    """Where a quote stands: lines count from the title, which is line 1."""
    first = " ".join(quote.split("\n")[0].split())
    lines = [" ".join(line[2:].split()) for line in block(issue).split("\n")[2:]]
    start = next((at for at, line in enumerate(lines, 1) if first and first in line), 1)
    return Evidence(f"issue {issue.ref}", issue.digest, start, start + quote.count("\n"), quote)


def _unchanged(issue: Shown) -> dict[str, str]:
    """It is open and says what was judged."""
    if not issue.number:
        return {}
    return requirements(issue.number, state="open") | _same_text(issue)


def _same_text(issue: Shown) -> dict[str, str]:
    """It says what was judged."""
    return {f"text:{issue.number}": issue.digest}


def _told(one: Shown) -> Told:
    return Told(one.ref, one.state, one.created_us, one.text, one.comments, one.links)


def _name(issue: Shown) -> str:
    return f"#{issue.number}" if issue.number else issue.ref


def _named(same: Sequence[Same]) -> str:
    return ", ".join(_name(one.candidate.issue) for one in same)


def _quoted(text: str) -> str:
    return "> " + " ".join(text.split())

"""From checked claims to findings and the one proposal: what enough passes said, most severe first.

Of a branch it is one comment. Of a pull request it is one review: its remarks stand in the diff, and its text
is the verdict. It never approves or blocks on the forge: that is a person's to do.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct

from hundredfold import payloads
from hundredfold.evidence.fingerprints import Mark, fingerprints
from hundredfold.evidence.secrets import redact
from hundredfold.evidence.voting import MAX_COMMENTS, Comment, cluster
from hundredfold.forges.subject import requirements
from hundredfold.jobs.changes import Part
from hundredfold.jobs.review.claims import Claim
from hundredfold.jobs.review.heads import Head
from hundredfold.vocabulary import SEVERITIES, Coverage, Finding, Item, Proposal, identity

MOST = 0.97
MINUTES, MINUTES_A_COMMENT = 1.0, 1.5
MAX_BRIEF = 300  # characters of what others said of the same
HIDDEN = "security"  # the category that is never told in the open


class Elected(Struct, frozen=True):
    """A comment that enough passes made: the claim that says it best, who made it, and where it stands.

    `others` say it very differently: what was voted for is theirs too. It is `private` if anyone who made it
    calls it a matter of security, since what was told in the open can't be taken back.
    """

    claim: Claim
    voters: tuple[str, ...]
    attempts: tuple[str, ...]
    part: Part | None
    others: tuple[Claim, ...] = ()
    private: bool = False


def elect(claims: Sequence[Claim], parts: Sequence[Part], votes: int, dropped: Counter[str]) -> list[Elected]:
    """The comments that at least `votes` passes made; what fewer said is counted in `dropped`."""
    if len(claims) > MAX_COMMENTS:
        dropped[f"beyond the bound of {MAX_COMMENTS} comments a review"] += len(claims) - MAX_COMMENTS
    bounded = claims[:MAX_COMMENTS]
    clusters = cluster([_comparable(claim) for claim in bounded])
    elected = []
    for one in clusters:
        members = [bounded[at] for at in one.members]
        if one.voters < votes:
            dropped[f"fewer than {votes} passes said so"] += len(members)
            continue
        best = bounded[one.representative]
        typical = sorted((claim.severity for claim in members), key=SEVERITIES.index)[len(members) // 2]
        elected.append(
            Elected(
                claim=msgspec.structs.replace(best, severity=typical),
                voters=tuple(sorted({claim.voter for claim in members})),
                attempts=tuple(sorted({claim.attempt for claim in members})),
                part=_home(best, parts),
                others=tuple(bounded[at] for at in one.others),
                private=any(claim.category == HIDDEN for claim in members),
            )
        )
    return elected


def findings_of(item: Item, head: Head, elected: Sequence[Elected], passes: int) -> tuple[Finding, ...]:
    """The findings, in the order of their places, with fingerprints that hold no line numbers."""
    ordered = sorted(elected, key=lambda one: (one.claim.anchor.path, one.claim.evidence.start_line))
    marks = [
        Mark(
            one.claim.anchor.path,
            one.part.name if one.part else "",
            f"review/{one.claim.category}",
            one.claim.evidence.quote,
        )
        for one in ordered
    ]
    made = []
    for one, mark, print_ in zip(ordered, marks, fingerprints(marks), strict=True):
        claim = one.claim
        extra: dict[str, Any] = {
            "key": head.key,
            "unit": mark.unit,
            "part": one.part.content if one.part else "",
            "anchor": msgspec.to_builtins(claim.anchor),
            "votes": len(one.voters),
            "passes": passes,
            "voters": list(one.voters),
            "others": [_brief(other) for other in one.others],
        }
        made.append(
            Finding(
                id=identity("finding", item.project, item.job, print_),
                fingerprint=print_,
                project=item.project,
                job=item.job,
                item=item.id,
                rule=mark.rule,
                title=claim.title,
                severity=claim.severity,
                confidence=_confidence(one, passes),
                description=claim.comment,
                recommendation=claim.suggestion,
                evidence=(msgspec.structs.replace(claim.evidence, quote=redact(claim.evidence.quote)),),
                attempts=one.attempts,
                private=one.private,
                extra=extra,
            )
        )
    return tuple(made)


def proposals_of(
    item: Item,
    head: Head,
    findings: Sequence[Finding],
    coverage: Sequence[Coverage],
    cap: int,
    *,
    complete: bool,
) -> tuple[Proposal, ...]:
    """One comment or review with the verdict on this very head, and a private advisory per security finding.

    There is none if there is nothing to say and the review could not be finished.
    """
    bound = _bound(head)
    shown = sorted(
        (one for one in findings if not one.private),
        key=lambda one: (SEVERITIES.index(one.severity), -int(one.extra["votes"]), -one.confidence, one.id),
    )
    made = [_advisory(item, one, bound) for one in findings if one.private]
    if shown or complete:
        number = "no comments" if not shown else f"{len(shown)} comment{'s' * (len(shown) > 1)}"
        told = shown[: min(cap, payloads.MAX_INLINE)]
        payload = _payload(head, told)
        made.insert(
            0,
            Proposal(
                id=identity("proposal", item.project, item.job, item.id, *(one.id for one in told)),
                project=item.project,
                job=item.job,
                item=item.id,
                type="review" if head.pull else "comment",
                title=f"Review of {head.key} at {head.sha[:12]}: {number}",
                body=body(head, told, len(shown) - len(told), coverage, complete=complete),
                findings=tuple(one.id for one in told),
                preconditions=bound,
                review_minutes=minutes(len(told)),
                payload=payload,
            ),
        )
    return tuple(made)


def minutes(comments: int) -> float:
    """What a person is expected to need for a review of so many comments."""
    return MINUTES + MINUTES_A_COMMENT * comments


def body(
    head: Head, told: Sequence[Finding], beyond: int, coverage: Sequence[Coverage], *, complete: bool
) -> str:
    """The review as Markdown."""
    counted = Counter(one.state for one in coverage)
    against = f"`{head.sha[:12]}` against `{head.base[:12]}`"
    verdict = f"{len(told) + beyond} comments" if told else "nothing to remark in what was looked at"
    looked = f"Looked at {counted['investigated']} changed parts"
    if counted["not_looked_at"]:
        looked += f"; nobody looked at {counted['not_looked_at']} others"
    out = [f"**{verdict if complete else verdict + ', and not finished'}** · {against}", f"{looked}."]
    out += [_listed(told)] if head.pull and told else [comment(one) for one in told]
    if beyond:
        out.append(f"{beyond} more, less severe or with fewer votes, are not shown.")
    return "\n\n".join(out) + "\n"


def comment(finding: Finding) -> str:
    """One comment as Markdown."""
    place, extra = finding.evidence[0], finding.extra
    anchor = extra["anchor"]
    lines = f"{anchor['start_line']}" if anchor["start_line"] else "the file"
    if anchor["end_line"] > anchor["start_line"]:
        lines += f"–{anchor['end_line']}"
    side = " (before the change)" if anchor["side"] == "old" else ""
    path = anchor["path"].replace("`", "´")
    fence = "~~~" + "~" * _longest_run(place.quote)
    out = [
        f"### {finding.title}",
        f"`{path}`: {lines}{side} · **{finding.severity}** · {finding.rule.removeprefix('review/')} · "
        f"{extra['votes']} of {extra['passes']} passes",
        f"{fence}\n{place.quote}\n{fence}",
        finding.description,
    ]
    return "\n\n".join(out + _added(finding))


def _added(finding: Finding) -> list[str]:
    """What a comment says after its description."""
    out = [f"Suggestion: {finding.recommendation}"] if finding.recommendation else []
    others = finding.extra.get("others", ())
    if others:
        out.append("Others said of this:\n" + "\n".join(f"- {one}" for one in others))
    return out


def _brief(claim: Claim) -> str:
    """A claim on one line."""
    said = f"{claim.title}: {' '.join(claim.comment.split())}"
    return said if len(said) <= MAX_BRIEF else said[: MAX_BRIEF - 1].rsplit(" ", 1)[0] + "…"


def _bound(head: Head) -> dict[str, str]:
    """What must still hold for a verdict on this head to be told."""
    if head.pull:
        return requirements(head.pull, state="open", head=head.sha)
    return {f"head:{head.branch}": head.sha} if head.branch else {"commit": head.sha}


def _payload(head: Head, told: Sequence[Finding]) -> payloads.Review | payloads.Comment | None:
    if head.pull:
        return payloads.Review(
            number=head.pull, head=head.sha, comments=tuple(_inline(one) for one in told if _placeable(one))
        )
    return payloads.Comment(branch=head.branch, head=head.sha) if head.branch else None


def _placeable(finding: Finding) -> bool:
    """A comment in a diff names its file; a path that no forge could mean stays in the review's text."""
    path = finding.extra["anchor"]["path"]
    return bool(path) and path.isprintable() and not path.startswith("/") and ".." not in path.split("/")


def _inline(finding: Finding) -> payloads.InlineComment:
    anchor, extra = finding.extra["anchor"], finding.extra
    by = f"{extra['votes']} of {extra['passes']} passes"
    kind = finding.rule.removeprefix("review/")
    out = [f"**{finding.title}** · {finding.severity} · {kind} · {by}", finding.description]
    return payloads.InlineComment(
        path=anchor["path"],
        body="\n\n".join(out + _added(finding)),
        side=anchor["side"],
        start_line=anchor["start_line"],
        end_line=anchor["end_line"],
    )


def _listed(told: Sequence[Finding]) -> str:
    """What the comments in the diff are, a line each; in full only what can't stand there."""
    lines = [
        f"- **{one.severity}** {one.title} · `{one.extra['anchor']['path'].replace('`', '´')}`"
        for one in told
        if _placeable(one)
    ]
    apart = [comment(one) for one in told if not _placeable(one)]
    return "\n\n".join(filter(None, ["\n".join(lines), *apart]))


def _advisory(item: Item, finding: Finding, bound: dict[str, str]) -> Proposal:
    return Proposal(
        id=identity("proposal", item.project, item.job, item.id, finding.id),
        project=item.project,
        job=item.job,
        item=item.id,
        type="advisory",
        title=f"[{finding.severity}] {finding.title}",
        body=comment(finding) + "\n",
        findings=(finding.id,),
        preconditions=bound,
        private=True,
        review_minutes=minutes(1),
        payload=payloads.Advisory(severity="low" if finding.severity == "info" else finding.severity),
    )


def _confidence(one: Elected, passes: int) -> float:
    """Half of it is the share of passes that said so, half how sure the best of them is."""
    return round(min(MOST, (len(one.voters) / max(1, passes) + one.claim.confidence) / 2), 3)


def _comparable(claim: Claim) -> Comment:
    """Places are compared in the file, whether or not they are in a hunk."""
    place = claim.evidence
    text = f"{claim.title}. {claim.comment}"
    # Numbers before and after the change differ, so lines of the old side are another place.
    path = f"{claim.anchor.path} before" if claim.side == "old" else claim.anchor.path
    return Comment(claim.voter, text, path, place.start_line, place.end_line)


def _home(claim: Claim, parts: Sequence[Part]) -> Part | None:
    """The smallest part that the quote stands in, or was taken out of."""
    place, anchor = claim.evidence, claim.anchor
    number = place.start_line if anchor.on_file else anchor.start_line
    gone = claim.side == "old" and (anchor.on_file or anchor.side == "old")
    inside = [
        part
        for part in parts
        if part.path == anchor.path
        and (
            any(before == number for before, _, _ in part.removed)
            if gone
            else part.first_line <= number <= part.last_line
        )
    ]
    return min(inside, key=lambda part: len(part.lines), default=None)


def _longest_run(text: str) -> int:
    return max(map(len, re.findall("~+", text)), default=0)

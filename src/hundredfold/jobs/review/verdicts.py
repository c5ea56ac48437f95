"""From findings to the one proposal: the most severe first, as many as the cap lets through.

Of a branch it is one comment. Of a pull request it is one review: its remarks stand in the diff, and its text
is the verdict. It never approves or blocks on the forge: that is a person's to do.
"""

from __future__ import annotations

from collections.abc import Sequence

from hundredfold import payloads
from hundredfold.forges.subject import requirements
from hundredfold.jobs.review.heads import Head
from hundredfold.jobs.review.telling import body, comment, inline, placeable
from hundredfold.vocabulary import SEVERITIES, Coverage, Finding, Item, Proposal, identity

MINUTES, MINUTES_A_COMMENT = 1.0, 1.5


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


def _bound(head: Head) -> dict[str, str]:
    """What must still hold for a verdict on this head to be told."""
    if head.pull:
        return requirements(head.pull, state="open", head=head.sha)
    return {f"head:{head.branch}": head.sha} if head.branch else {"commit": head.sha}


def _payload(head: Head, told: Sequence[Finding]) -> payloads.Review | payloads.Comment | None:
    if head.pull:
        return payloads.Review(
            number=head.pull, head=head.sha, comments=tuple(inline(one) for one in told if placeable(one))
        )
    return payloads.Comment(branch=head.branch, head=head.sha) if head.branch else None


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

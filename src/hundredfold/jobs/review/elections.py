"""From checked claims to findings: what enough passes said, with what is theirs besides.

The claim that says it best is the finding; what others said of it very differently, and where else, stands
with it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct

from hundredfold.evidence.fingerprints import Mark, fingerprints
from hundredfold.evidence.secrets import redact
from hundredfold.evidence.voting import MAX_COMMENTS, NEAR_LINES, Comment, cluster
from hundredfold.jobs.changes import Part
from hundredfold.jobs.review.claims import Claim
from hundredfold.jobs.review.heads import Head
from hundredfold.vocabulary import SEVERITIES, Finding, Item, identity

MOST = 0.97
MAX_PLACES = 3  # where the same is, too
MAX_BRIEF = 300  # characters of what others said of the same
HIDDEN = "security"  # the category that is never told in the open


class Elected(Struct, frozen=True):
    """A comment that enough passes made: the claim that says it best, who made it, and where it stands.

    `others` say it very differently: what was voted for is theirs too. `places` are the lines (first, last)
    far from the claim's where others found the same. It is `private` if anyone who made it calls it a matter
    of security, since what was told in the open can't be taken back.
    """

    claim: Claim
    voters: tuple[str, ...]
    attempts: tuple[str, ...]
    part: Part | None
    others: tuple[Claim, ...] = ()
    places: tuple[tuple[int, int], ...] = ()
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
                places=_places(best, members),
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
            "places": one.places,
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


def _places(best: Claim, members: Sequence[Claim]) -> tuple[tuple[int, int], ...]:
    """Lines of the same side of the file, each far from all others, in order."""
    far = [(best.anchor.start_line, best.anchor.end_line)]
    for claim in members:
        start, end, there = claim.anchor.start_line, claim.anchor.end_line, claim.anchor
        same_side = not there.on_file and (there.path, there.side) == (best.anchor.path, best.anchor.side)
        apart = all(start > last + NEAR_LINES or end < first - NEAR_LINES for first, last in far)
        if same_side and apart and not best.anchor.on_file and len(far) <= MAX_PLACES:
            far.append((start, end))
    return tuple(sorted(far[1:]))


def _brief(claim: Claim) -> str:
    """A claim on one line."""
    said = f"{claim.title}: {' '.join(claim.comment.split())}"
    return said if len(said) <= MAX_BRIEF else said[: MAX_BRIEF - 1].rsplit(" ", 1)[0] + "…"

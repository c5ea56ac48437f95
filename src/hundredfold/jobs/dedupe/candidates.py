"""The deterministic part: which earlier issues may say the same as one, and which are kept from agents.

A candidate is left out if a person ruled so, if it differs by platform or version alone, or if it is about
security: such issues, and what is like them, go to people only.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping

from msgspec import Struct

from hundredfold.evidence.secrets import redact
from hundredfold.evidence.similarity.index import Match
from hundredfold.evidence.similarity.siblings import marks, sibling
from hundredfold.jobs.known import WORDS, Known
from hundredfold.jobs.searched import document_of, key_of
from hundredfold.sources.issues import IssueRecord

MAX_TEXT = 4_000  # characters of a body that an agent is shown
SEARCHED = 20
LEAST_COSINE = 0.3  # below it two texts are about different things

_SECURITY = re.compile(
    r"\bsecurity\b|\bvulnerab|\bCVE-\d|\bexploit|\bXSS\b|\bCSRF\b|\bRCE\b|\bSSRF\b|remote code exec|"
    r"\binjection\b|privilege escal|auth\w* bypass|path traversal|"
    r"\bleak\w*\s+(?:of\s+)?(?:secret|token|credential|password)",
    re.IGNORECASE,
)


class Shown(Struct, frozen=True):
    """An issue as it is kept in an item and shown to an agent: without secrets, bounded."""

    ref: str
    number: int
    title: str
    body: str
    state: str
    reason: str
    created_us: int
    text: int
    comments: int
    links: int
    digest: str  # of what its precondition is


class Candidate(Struct, frozen=True):
    """An earlier issue that may say the same, and why it was found. `ruled`: a person said always."""

    issue: Shown
    score: float
    cosine: float
    lexical: float
    shared_title: int
    shared_traces: int
    ruled: bool = False


def _alike(match: Match, by: str) -> bool:
    """Whether there is anything to it: in a small tracker even the best may have nothing in common."""
    return match.shared_traces > 0 or (
        match.shared_title > 0 if by == WORDS else match.cosine >= LEAST_COSINE
    )


def sensitive(issue: IssueRecord) -> bool:
    """Whether the issue is about security, by its labels and its words."""
    return any(_SECURITY.search(text) for text in (issue.title, issue.body, *issue.labels))


def shown(issue: IssueRecord) -> Shown:
    """The issue as an agent may see it."""
    from hundredfold.forges.subject import text_digest

    return Shown(
        ref=issue.ref,
        number=issue.number,
        title=" ".join(redact(issue.title).split())[:300],
        body=redact(issue.body)[:MAX_TEXT],
        state=issue.state,
        reason=issue.reason,
        created_us=issue.created_us,
        text=len(issue.title) + len(issue.body),
        comments=issue.comments,
        links=len(issue.links),
        digest=text_digest(issue.title, issue.body),
    )


def candidates(
    known: Known,
    issue: IssueRecord,
    issues: Mapping[str, IssueRecord],
    *,
    never: Collection[frozenset[str]],
    always: Collection[frozenset[str]],
    least: float,
    most: int,
) -> tuple[list[Candidate], Counter[str]]:
    """(the candidates, best first; how many were left out, by reason). `issues` are all, by key."""
    key, mine = key_of(issue), marks(issue.title)
    found: dict[str, Candidate] = {}
    left: Counter[str] = Counter()
    for pair in always:
        other = issues.get(next(iter(pair - {key}), "")) if key in pair else None
        if other is not None and not sensitive(other):
            found[key_of(other)] = Candidate(shown(other), 1.0, 0.0, 0.0, 0, 0, ruled=True)
    for match in known.search(document_of(issue), SEARCHED, kinds=("issue",), before_us=issue.created_us + 1):
        other = issues.get(match.key)
        if other is None or match.key in found:
            continue
        if match.score < least or not _alike(match, known.by):
            left["less alike than asked for"] += 1
        elif frozenset({key, match.key}) in never:
            left["ruled never together"] += 1
        elif sensitive(other):
            left["about security, for people only"] += 1
        elif sibling(mine, marks(other.title)):
            left["differs by platform or version alone"] += 1
        elif len(found) >= most:
            left["beyond the most that are judged"] += 1
        else:
            found[match.key] = Candidate(
                shown(other),
                match.score,
                match.cosine,
                match.lexical,
                match.shared_title,
                match.shared_traces,
            )
    return list(found.values()), left

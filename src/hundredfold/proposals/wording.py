"""What a proposal would do, in words and in full, for the person who decides."""

from __future__ import annotations

import re

from hundredfold.payloads import (
    Advisory,
    CheckRun,
    Close,
    Comment,
    InlineComment,
    Issue,
    Labels,
    Notice,
    Payload,
    PullRequest,
    Review,
    Sarif,
)


def told(payload: Payload | None) -> list[str]:
    """Paragraphs of Markdown, the first a sentence. Nothing of the payload's own text is made harmless
    here."""
    match payload:
        case None:
            return []
        case Comment():
            of = f", of {payload.head[:12]}" if payload.head else ""
            return [f"Comment on {_target(payload.number, payload.branch)}{of}."]
        case Review():
            verdict = {
                "comment": "remarks only",
                "approve": "approves",
                "request_changes": "requests changes",
            }
            first = f"Review of {_target(payload.number, payload.branch)} at {payload.head[:12]}: "
            count = len(payload.comments)
            first += f"{verdict[payload.verdict]}, {count} comment{'' if count == 1 else 's'} in the diff."
            return [first, *map(_inline, payload.comments)]
        case Labels():
            parts = [f"put on {', '.join(payload.add)}"] if payload.add else []
            parts += [f"take off {', '.join(payload.remove)}"] if payload.remove else []
            return [f"Labels of #{payload.number}: {'; '.join(parts)}."]
        case Issue():
            labels = f", labelled {', '.join(payload.labels)}" if payload.labels else ""
            return [f"New issue{labels}."]
        case Close():
            why = f"a duplicate of #{payload.duplicate_of}" if payload.duplicate_of else payload.reason
            return [f"Close #{payload.number} as {why.replace('_', ' ')}; the text below says why."]
        case PullRequest():
            kind = "Draft pull request" if payload.draft else "Pull request"
            first = f"{kind} of {payload.branch} into {payload.base} (on {payload.base_sha[:12]})"
            closes = f", which closes {', '.join(f'#{n}' for n in payload.closes)}" if payload.closes else ""
            commits = [f"Commit: {one.message}\n\n{_fenced(one.patch)}" for one in payload.commits]
            return [f"{first}{closes}.", *commits]
        case CheckRun():
            notes = [
                f"`{one.path}`: {one.start_line}–{one.end_line} · {one.level} · {one.message}"
                for one in payload.annotations
            ]
            return [f"Check run {payload.name!r} on {payload.head[:12]}: {payload.conclusion}.", *notes]
        case Sarif():
            size = f"{len(payload.document)} characters of SARIF"
            return [f"Code scanning results for {payload.head[:12]} on {payload.ref}: {size}."]
        case Notice():
            return ["Message to the chat."]
        case Advisory():
            cwes = f" ({', '.join(payload.cwes)})" if payload.cwes else ""
            return [f"Private security advisory, {payload.severity}{cwes}."]


def _target(number: int, branch: str) -> str:
    return f"#{number}" if number else f"the pull request of {branch}"


def _inline(one: InlineComment) -> str:
    lines = "the file"
    if one.start_line:
        lines = f"{one.start_line}" if one.start_line == one.end_line else f"{one.start_line}–{one.end_line}"
    return f"`{one.path}`: {lines}{' (before the change)' if one.side == 'old' else ''} · {one.body}"


def _fenced(text: str) -> str:
    fence = "~~~" + "~" * max(map(len, re.findall("~+", text)), default=0)
    return f"{fence}diff\n{text.rstrip()}\n{fence}"

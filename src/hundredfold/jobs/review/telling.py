"""Findings in words: a comment, a whole review as one text, a remark in the diff of a pull request."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from hundredfold import payloads
from hundredfold.jobs.review.heads import Head
from hundredfold.vocabulary import Coverage, Finding


def body(
    head: Head, told: Sequence[Finding], beyond: int, coverage: Sequence[Coverage], *, complete: bool
) -> str:
    """The review as Markdown."""
    worst_last = sorted(coverage, key=lambda one: one.state == "not_looked_at")
    counted = Counter({(one.path, one.unit): one.state for one in worst_last}.values())
    against = f"`{head.sha[:12]}` against `{head.base[:12]}`"
    verdict = f"{len(told) + beyond} comments" if told else "nothing to remark in what was looked at"
    seen, unseen = counted["investigated"], counted["not_looked_at"]
    looked = f"Looked at {seen} changed part{'s' * (seen != 1)}"
    if unseen:
        looked += f"; nobody looked at {unseen} other{'s' * (unseen > 1)}"
    out = [f"**{verdict if complete else verdict + ', and not finished'}** · {against}", f"{looked}."]
    out += [_listed(told)] if head.pull and told else [comment(one) for one in told]
    if beyond:
        out.append(f"{beyond} more, less severe or with fewer votes, are not shown.")
    return "\n\n".join(out) + "\n"


def comment(finding: Finding) -> str:
    """One comment as Markdown."""
    place, extra = finding.evidence[0], finding.extra
    anchor = extra["anchor"]
    lines = _lines(anchor["start_line"], anchor["end_line"]) if anchor["start_line"] else "the file"
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


def inline(finding: Finding) -> payloads.InlineComment:
    """One comment in the diff."""
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


def placeable(finding: Finding) -> bool:
    """A comment in a diff names its file; a path that no forge could mean stays in the review's text."""
    path = finding.extra["anchor"]["path"]
    return bool(path) and path.isprintable() and not path.startswith("/") and ".." not in path.split("/")


def _listed(told: Sequence[Finding]) -> str:
    """What the comments in the diff are, a line each; in full only what can't stand there."""
    lines = [
        f"- **{one.severity}** {one.title} · `{one.extra['anchor']['path'].replace('`', '´')}`"
        for one in told
        if placeable(one)
    ]
    apart = [comment(one) for one in told if not placeable(one)]
    return "\n\n".join(filter(None, ["\n".join(lines), *apart]))


def _added(finding: Finding) -> list[str]:
    """What a comment says after its description."""
    places = [_lines(start, end) for start, end in finding.extra.get("places", ())]
    out = [f"The same at line{'s' * (len(places) > 1)} {', '.join(places)}."] if places else []
    if finding.recommendation:
        out.append(f"Suggestion: {finding.recommendation}")
    others = finding.extra.get("others", ())
    if others:
        out.append("Others said of this:\n" + "\n".join(f"- {one}" for one in others))
    return out


def _lines(start: int, end: int) -> str:
    return f"{start}–{end}" if end > start else f"{start}"


def _longest_run(text: str) -> int:
    return max(map(len, re.findall("~+", text)), default=0)

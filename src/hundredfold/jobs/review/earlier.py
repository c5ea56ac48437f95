"""What need not be asked again: parts that are, at this head, as they were at one that was reviewed before.

`remember` reads the record once, when the item is found, and freezes what it needs into the item's payload:
the newest head of the same key that was reviewed by the same rules (prompts, votes …: they stand in the
coverage's reasons), which of its parts were looked at, and the comments made. `recall`
compares parts by their content (code, and what the change did to it; not line numbers): an equal part is not
asked again, and its comments stand as far as their quotes are still in it, at their new lines.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from hundredfold.errors import RepositoryError
from hundredfold.evidence.anchors import anchor
from hundredfold.evidence.quotes import normalised
from hundredfold.evidence.secrets import redact
from hundredfold.jobs.changes import Part
from hundredfold.jobs.protocol import Earlier
from hundredfold.jobs.review.change import Change, read_change
from hundredfold.jobs.review.heads import Head
from hundredfold.vocabulary import Finding, Item

if TYPE_CHECKING:
    from hundredfold.sources.git import Repository

MAX_CARRIED = 40  # comments kept in an item
MAX_LOOKED = 1_000  # parts


class Known(Struct, frozen=True):
    """Parts that need not be asked about, since when, and the comments that stand."""

    since: str = ""
    parts: tuple[Part, ...] = ()
    findings: tuple[Finding, ...] = ()


def remember(repository: Repository, head: Head, record: Earlier, rules: str) -> dict[str, Any]:
    """What the item's payload keeps of earlier reviews of the same key by the same rules; empty if none."""
    looked = [
        row
        for row in record.coverage
        if row["key"] == head.key
        and row["revision"] != head.sha
        and row["state"] == "investigated"
        and str(row["reason"]).startswith(rules)
    ]
    if not looked:
        return {}
    looked = [row for row in looked if row["item"] == looked[0]["item"]]
    since = str(looked[0]["revision"])
    try:
        base = repository.merge_base(head.against, since)
    except RepositoryError:
        base = None
    if base is None:  # that head is gone: there is nothing to compare with
        return {}
    comments = [one for one in record.findings if one.extra.get("key") == head.key]
    return {
        "since": since,
        "since_base": base,
        "looked": [[row["path"], row["unit"]] for row in looked[:MAX_LOOKED]],
        "findings": msgspec.to_builtins(comments[:MAX_CARRIED]),
    }


def recall(repository: Repository, item: Item, change: Change, exclude: tuple[str, ...]) -> Known:
    """Which of the change's parts are as they were when they were reviewed before."""
    kept = item.payload
    if not kept.get("since"):
        return Known()
    try:
        before = read_change(repository, kept["since_base"], kept["since"], exclude)
    except RepositoryError:
        return Known()
    looked = {(path, unit) for path, unit in kept["looked"]}
    contents = {part.content for part in before.parts if (part.path, part.name) in looked}
    parts = {part.content: part for part in change.parts if part.content in contents}
    findings = []
    for one in msgspec.convert(kept["findings"], list[Finding]):
        part = parts.get(one.extra.get("part", ""))
        moved = part and _moved(one, part, change, item.revision)
        if moved:
            findings.append(moved)
    return Known(kept["since"], tuple(parts.values()), tuple(findings))


def _moved(finding: Finding, part: Part, change: Change, revision: str) -> Finding | None:
    """The finding at its place in the part as it stands now; None if its quote is not in it."""
    place, side = finding.evidence[0], finding.extra["anchor"]["side"]
    numbered = [(part.first_line + at, text) for at, text in enumerate(part.lines)]
    if side == "old":
        numbered = [(before, text) for before, _, text in part.removed]
    wanted = [normalised(line) for line in place.quote.split("\n")]
    there = [normalised(redact(text)) for _, text in numbered]
    at = next((n for n in range(len(there)) if there[n : n + len(wanted)] == wanted), None)
    if at is None:
        return None
    start, end = numbered[at][0], numbered[at + len(wanted) - 1][0]
    placed = anchor(change.files, part.path, side, start, end)
    assert placed is not None
    # A removed line's evidence stays at the base it was checked against.
    moved = {"start_line": start, "end_line": end, "revision": revision} if side == "new" else {}
    far = finding.extra.get("places", ()) if (start, end) == (place.start_line, place.end_line) else ()
    return msgspec.structs.replace(
        finding,
        evidence=(msgspec.structs.replace(place, **moved),),
        extra=finding.extra | {"anchor": msgspec.to_builtins(placed), "places": far},
    )

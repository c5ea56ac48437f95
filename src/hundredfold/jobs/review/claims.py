"""Agents' comments, checked by code: what does not check out is dropped and counted by reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any, cast

from msgspec import Struct

from hundredfold.evidence.anchors import Anchor, Side, anchor
from hundredfold.evidence.diffs import FileDiff
from hundredfold.evidence.quotes import Quoted
from hundredfold.jobs.answers import ReadFile, plain, quoted, share
from hundredfold.jobs.review.asking import schema
from hundredfold.jobs.review.heads import Head
from hundredfold.vocabulary import SEVERITIES, Evidence, Severity

MAX_COMMENTS = 20  # of one answer
MAX_TEXT = 2_000  # characters of a free text


class Claim(Struct, frozen=True):
    """A comment whose quote and place checked out, by one voter. Its texts hold no secrets.

    `evidence` is verbatim, of the head for side "new" and of the base for "old". The anchor of lines of the
    old side that are still there is on the new one.
    """

    voter: str
    attempt: str
    severity: Severity
    category: str
    confidence: float
    title: str
    comment: str
    suggestion: str
    evidence: Evidence
    side: Side
    anchor: Anchor


def check_claims(
    value: Mapping[str, Any],
    voter: tuple[str, str],
    head: Head,
    files: Sequence[FileDiff],
    paths: Collection[str],
    read: ReadFile,
    dropped: Counter[str],
) -> list[Claim]:
    """The comments of an answer that check out; the others are counted in `dropped`.

    `voter` is the pass's name and attempt; `paths` are the files that the question showed.
    """
    raw = value.get("comments")
    listed = raw if isinstance(raw, list) else []
    if len(listed) > MAX_COMMENTS:
        dropped[f"beyond the bound of {MAX_COMMENTS} comments an answer"] += len(listed) - MAX_COMMENTS
    claims = []
    for one in listed[:MAX_COMMENTS]:
        checked = _checked(one, voter, head, files, paths, read)
        if isinstance(checked, str):
            dropped[checked] += 1
        else:
            claims.append(checked)
    return claims


def _checked(
    one: Any,
    voter: tuple[str, str],
    head: Head,
    files: Sequence[FileDiff],
    paths: Collection[str],
    read: ReadFile,
) -> Claim | str:
    """The claim, or why it is dropped."""
    if not isinstance(one, dict):
        return "not a comment"
    path, side, start, end, quote = (
        one.get(key) for key in ("path", "side", "start_line", "end_line", "quote")
    )
    if not isinstance(path, str) or path not in paths:
        return "path is not in what was asked"
    if side not in ("old", "new") or not isinstance(start, int) or not isinstance(end, int):
        return "not a place"
    if one.get("severity") not in SEVERITIES:
        return "unknown severity"
    if one.get("category") not in _categories():
        return "unknown category"
    if not str(one.get("title", "")).strip() or not str(one.get("comment", "")).strip():
        return "says nothing"
    file = next(file for file in files if file.path == path)
    there = file.new_path if side == "new" else file.old_path
    revision = head.sha if side == "new" else head.base
    content = read(revision, there) if there else None
    if there is None or content is None:
        return "path is not on that side"
    found = quoted(content, start, end, quote if isinstance(quote, str) else "")
    if not isinstance(found, Quoted):
        return found
    placed = anchor(files, path, cast(Side, side), found.start_line, found.end_line)
    assert placed is not None  # its path is one of the diff's
    return Claim(
        voter=voter[0],
        attempt=voter[1],
        severity=cast(Severity, one["severity"]),
        category=one["category"],
        confidence=share(one.get("confidence")),
        title=" ".join(plain(one["title"], MAX_TEXT).split())[:160],
        comment=plain(one["comment"], MAX_TEXT),
        suggestion=plain(one.get("suggestion"), MAX_TEXT),
        evidence=Evidence(there, revision, found.start_line, found.end_line, found.text),
        side=cast(Side, side),
        anchor=placed,
    )


def _categories() -> list[str]:
    comment = schema()["properties"]["comments"]["items"]
    names: list[str] = comment["properties"]["category"]["enum"]
    return names

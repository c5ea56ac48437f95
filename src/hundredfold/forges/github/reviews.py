"""Reviews of pull requests: one submission with comments in the diff, and remarks on whole files beside it.

GitHub takes a comment on lines only where they stand in the diff as it shows it, so the lines are looked up
there again; what is not in it stands on its file, and what is on no changed file stands in the review's own
text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from hundredfold.forges.github import marker
from hundredfold.forges.github.calls import Call
from hundredfold.forges.github.marker import Mark
from hundredfold.forges.github.repo import Repo
from hundredfold.forges.github.work import Kind, Step, Wanted, kept
from hundredfold.forges.protocol import Stale
from hundredfold.payloads import InlineComment, Review

_HUNK = re.compile(r"@@ -(\d+)(?:,\d+)? \+(\d+)(?:,\d+)? @@")
MOST_TEXT = 60_000  # characters; history, signature and marker come on top, and GitHub takes 65,536
_EVENTS = {"comment": "COMMENT", "approve": "APPROVE", "request_changes": "REQUEST_CHANGES"}
_SIDES = {"old": "LEFT", "new": "RIGHT"}

#: (side, line) → the hunk it stands in
Places = Mapping[tuple[str, int], int]


async def plan(repo: Repo, wanted: Wanted, payload: Review) -> list[Step]:
    """The review, then one step for each remark on a file.

    Raises:
        Stale: the pull request is closed.
    """
    subject, proposal = wanted.subject, wanted.proposal
    assert subject is not None
    if subject.state != "open":
        raise Stale(f"#{subject.number} is closed")
    files = {
        one["filename"]: places(one.get("patch") or "")
        async for one in repo.entries("pulls", subject.number, "files")
    }
    lines: list[dict[str, Any]] = []
    on_files: list[InlineComment] = []
    elsewhere: list[str] = []
    for one in payload.comments:
        there = files.get(one.path)
        if there is None:
            elsewhere.append(f"`{one.path.replace('`', '´')}`:\n\n{one.body}")
        elif _stands(one, there):
            lines.append(_inline(one))
        else:
            on_files.append(one)
    number, path = subject.number, repo.path("pulls", subject.number, "comments")
    mark = Mark(wanted.key, proposal.job, str(number), payload.head, proposal.title)
    body = {
        "commit_id": payload.head,
        "event": _EVENTS[payload.verdict],
        "body": marker.marked(_fitting(proposal.body, elsewhere), mark),
        "comments": lines,
    }
    review = Step("review", "POST", repo.path("pulls", number, "reviews"), body, number, wanted.key)
    return [
        review,
        *(
            Step(
                kind="file_remark",
                method="POST",
                path=path,
                body={
                    "body": marker.marked(_with_lines(one), msgspec.structs.replace(mark, part=at)),
                    "commit_id": payload.head,
                    "path": one.path,
                    "subject_type": "file",
                },
                number=number,
                found_by=f"{wanted.key}/{at}",
            )
            for at, one in enumerate(on_files, 1)
        ),
    ]


def places(patch: str) -> Places:
    """Where in a file's patch (as GitHub gives it: hunks without a header) a comment can stand."""
    found: dict[tuple[str, int], int] = {}
    hunk = old = new = 0
    for line in patch.split("\n"):
        if match := _HUNK.match(line):
            hunk, old, new = hunk + 1, int(match[1]), int(match[2])
        elif hunk and line[:1] in ("-", "+", " "):
            if line[0] != "+":
                found["old", old] = hunk
                old += 1
            if line[0] != "-":
                found["new", new] = hunk
                new += 1
    return found


async def refresh(repo: Repo, step: Step, head: str) -> Step | None:
    """Mark the review as about another head than `head`; the step that now holds, None if it stands."""
    number = (step.result or {})["id"]
    there = await repo.read("pulls", step.number, "reviews", number)
    mark = marker.read(there["body"]) if there else None
    if there is None or mark is None or mark.outdated_by == head:
        return None
    text = marker.outdated(there["body"], mark, head)
    path = repo.path("pulls", step.number, "reviews", number)
    await repo.send(Call("PUT", path, {"body": text}))
    return msgspec.structs.replace(step, body={**(step.body or {}), "body": text})


def _fitting(body: str, elsewhere: list[str]) -> str:
    """The review's text with as many of the remarks as fit. Each begins a paragraph: a code block must stay
    one."""
    parts, size = [body.rstrip()], len(body)
    for at, one in enumerate(elsewhere):
        size += len(one) + 2
        if size > MOST_TEXT:
            parts.append(f"{len(elsewhere) - at} more remarks do not fit here.")
            break
        parts.append(one.rstrip())
    return "\n\n".join(parts)


def _stands(one: InlineComment, there: Places) -> bool:
    first = there.get((one.side, one.start_line))
    return first is not None and first == there.get((one.side, one.end_line))


def _inline(one: InlineComment) -> dict[str, Any]:
    side = _SIDES[one.side]
    made: dict[str, Any] = {"path": one.path, "body": one.body, "line": one.end_line, "side": side}
    if one.start_line < one.end_line:
        made |= {"start_line": one.start_line, "start_side": side}
    return made


def _with_lines(one: InlineComment) -> str:
    if not one.start_line:
        return one.body
    lines = f"{one.start_line}" if one.start_line == one.end_line else f"{one.start_line}–{one.end_line}"
    return f"Lines {lines}{' before the change' if one.side == 'old' else ''}:\n\n{one.body}"


async def _find(repo: Repo, step: Step) -> dict[str, Any] | None:
    async for one in repo.ours("pulls", step.number, "reviews"):
        mark = marker.read(one.get("body"))
        if mark is not None and mark.key == step.found_by:
            return kept(one)
    return None


async def _find_remark(repo: Repo, step: Step) -> dict[str, Any] | None:
    async for one in repo.ours("pulls", step.number, "comments"):
        mark = marker.read(one.get("body"))
        if mark is not None and f"{mark.key}/{mark.part}" == step.found_by:
            return kept(one)
    return None


async def _undo(repo: Repo, step: Step) -> str:
    number = (step.result or {})["id"]
    there = await repo.read("pulls", step.number, "reviews", number)
    if there is None:
        return ""
    async for one in repo.ours("pulls", step.number, "reviews", number, "comments"):
        await _remove_remark(repo, one["id"])
    path = repo.path("pulls", step.number, "reviews", number)
    said = marker.withdrawn("review")
    if there["state"] in ("APPROVED", "CHANGES_REQUESTED"):
        dismissal = {"message": said, "event": "DISMISS"}
        await repo.send(Call("PUT", f"{path}/dismissals", dismissal))
    if marker.same(there["body"]) != marker.same(said):
        await repo.send(Call("PUT", path, {"body": said}))
    return f"a review of #{step.number} stays, without its comments and marked as withdrawn"


async def _undo_remark(repo: Repo, step: Step) -> str:
    await _remove_remark(repo, (step.result or {})["id"])
    return ""


async def _remove_remark(repo: Repo, number: int) -> None:
    await repo.remove(Call("DELETE", repo.path("pulls", "comments", number)))


REVIEW = Kind(_find, _undo)
FILE_REMARK = Kind(_find_remark, _undo_remark)

"""One marker comment for each job and subject: made once, edited in place after that, with its history."""

from __future__ import annotations

from typing import Any

import msgspec

from hundredfold.forges.github import marker
from hundredfold.forges.github.calls import Call
from hundredfold.forges.github.marker import Mark
from hundredfold.forges.github.repo import Repo
from hundredfold.forges.github.work import Kind, Step, Wanted, kept, unknown


async def plan(repo: Repo, wanted: Wanted, body: str, head: str = "") -> list[Step]:
    """The one step that makes the comment, or edits the one that is there."""
    assert wanted.subject is not None
    number, proposal = wanted.subject.number, wanted.proposal
    mark = Mark(wanted.key, proposal.job, str(number), head, proposal.title)
    there = await _ours(repo, number, proposal.job)
    known = marker.read(there["body"]) if there else None
    if there is None or known is None or known.key == wanted.key:  # of that key: `find` will tell
        text = there["body"] if there else marker.marked(body, mark)
        return [
            Step(
                "comment", "POST", repo.path("issues", number, "comments"), {"body": text}, number, wanted.key
            )
        ]
    text = marker.marked(body, marker.following(mark, known, wanted.at))
    return [
        Step(
            kind="comment_edit",
            method="PATCH",
            path=repo.path("issues", "comments", there["id"]),
            body={"body": text},
            number=number,
            before={"body": there["body"], "id": there["id"]},
        )
    ]


async def refresh(repo: Repo, step: Step, head: str) -> Step | None:
    """Mark the comment as about another head than `head`; the step that now holds, None if it stands."""
    there = await repo.read("issues", "comments", _id(step))
    mark = marker.read(there["body"]) if there else None
    if there is None or mark is None or mark.outdated_by == head or not _untouched(there, step):
        return None
    text = marker.outdated(there["body"], mark, head)
    await repo.send(Call("PATCH", repo.path("issues", "comments", there["id"]), {"body": text}))
    return _with_text(step, text)


async def _find(repo: Repo, step: Step) -> dict[str, Any] | None:
    async for one in repo.ours("issues", step.number, "comments"):
        mark = marker.read(one.get("body"))
        if mark is not None and mark.key == step.found_by:
            return kept(one)
    return None


async def _ours(repo: Repo, number: int, job: str) -> dict[str, Any] | None:
    """Our newest comment of that job there."""
    found = None
    async for one in repo.ours("issues", number, "comments"):
        mark = marker.read(one.get("body"))
        if mark is not None and (mark.job, mark.on, mark.part) == (job, str(number), 0):
            found = one
    return found


async def _undo(repo: Repo, step: Step) -> str:
    there = await repo.read("issues", "comments", _id(step))
    if there is None:
        return ""
    if not _untouched(there, step):
        return f"the comment on #{step.number} was changed since, and stays"
    await repo.remove(Call("DELETE", repo.path("issues", "comments", there["id"])))
    return ""


async def _undo_edit(repo: Repo, step: Step) -> str:
    there = await repo.read("issues", "comments", _id(step))
    before = str(step.before["body"])
    if there is None:
        return f"the comment on #{step.number} that was edited is gone"
    if marker.same(there["body"]) == marker.same(before):
        return ""
    if not _untouched(there, step):
        return f"the comment on #{step.number} was changed since, and stays"
    await repo.send(Call("PATCH", repo.path("issues", "comments", there["id"]), {"body": before}))
    return ""


def _id(step: Step) -> int:
    return int((step.result or {}).get("id") or step.before.get("id") or 0)


def _untouched(there: dict[str, Any], step: Step) -> bool:
    return marker.same(there["body"]) == marker.same((step.body or {})["body"])


def _with_text(step: Step, text: str) -> Step:
    return msgspec.structs.replace(step, body={**(step.body or {}), "body": text})


COMMENT = Kind(_find, _undo)
EDIT = Kind(unknown, _undo_edit)

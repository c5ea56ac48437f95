"""Issues: new ones, their labels, and closing them."""

from __future__ import annotations

from typing import Any

from hundredfold.errors import UnavailableError
from hundredfold.forges.github import comments, marker
from hundredfold.forges.github.calls import Call
from hundredfold.forges.github.marker import Mark
from hundredfold.forges.github.repo import NEWEST, Repo
from hundredfold.forges.github.work import Kind, Step, Wanted, kept, unknown
from hundredfold.forges.protocol import Stale
from hundredfold.payloads import Close, Issue, Labels


async def plan_issue(repo: Repo, wanted: Wanted, payload: Issue) -> list[Step]:
    """A new issue, with labels that there are."""
    for name in payload.labels:
        await _require_label(repo, name)
    proposal = wanted.proposal
    text = marker.marked(proposal.body, Mark(wanted.key, proposal.job, "new"))
    body: dict[str, Any] = {"title": proposal.title, "body": text}
    if payload.labels:
        body["labels"] = list(payload.labels)
    return [Step("issue", "POST", repo.path("issues"), body, found_by=wanted.key)]


async def plan_labels(repo: Repo, wanted: Wanted, payload: Labels) -> list[Step]:
    """What is not so yet: labels that are missing put on, labels that are there taken off."""
    assert wanted.subject is not None
    number = wanted.subject.number
    there = {name.casefold(): name for name in wanted.subject.labels}
    missing = [name for name in payload.add if name.casefold() not in there]
    for name in missing:
        await _require_label(repo, name)
    steps = []
    if missing:
        steps.append(
            Step("labels", "POST", repo.path("issues", number, "labels"), {"labels": missing}, number)
        )
    for name in payload.remove:
        if label := there.get(name.casefold()):
            path = repo.path("issues", number, "labels", label)
            steps.append(Step("unlabel", "DELETE", path, None, number, before={"label": label}))
    return steps


async def plan_close(repo: Repo, wanted: Wanted, payload: Close) -> list[Step]:
    """The comment that says why, then the closing.

    Raises:
        Stale: it is closed already, or what it duplicates is gone.
    """
    subject = wanted.subject
    assert subject is not None
    if subject.state != "open":
        raise Stale(f"#{subject.number} is closed already")
    body = wanted.proposal.body
    if payload.duplicate_of:
        await repo.subject(payload.duplicate_of)
        body = f"Duplicate of #{payload.duplicate_of}\n\n{body}"
    closing: dict[str, Any] = {"state": "closed"}
    if not subject.head:  # a pull request has no reason
        closing["state_reason"] = payload.reason
    part = "pulls" if subject.head else "issues"
    return [
        *await comments.plan(repo, wanted, body),
        Step(
            "state",
            "PATCH",
            repo.path(part, subject.number),
            closing,
            subject.number,
            before={"part": part},
        ),
    ]


async def _require_label(repo: Repo, name: str) -> None:
    """GitHub would make a label that is not there.

    Raises:
        UnavailableError: it is not there.
    """
    if await repo.read("labels", name) is None:
        raise UnavailableError(
            f"{repo.repository} has no label {name!r}", "Make it there, or edit the proposal."
        )


async def _find_issue(repo: Repo, step: Step) -> dict[str, Any] | None:
    login = await repo.client.login()
    newest = repo.ours("issues", most=NEWEST, state="all", creator=login, sort="created", direction="desc")
    async for one in newest:
        mark = marker.read(one.get("body"))
        if mark is not None and mark.key == step.found_by:
            return kept(one)
    return None


async def _undo_issue(repo: Repo, step: Step) -> str:
    number = (step.result or {})["number"]
    there = await repo.read("issues", number)
    if there is None:
        return ""
    body: dict[str, Any] = {"body": marker.withdrawn("issue")}
    if there["state"] == "open":
        body |= {"state": "closed", "state_reason": "not_planned"}
    await repo.send(Call("PATCH", repo.path("issues", number), body))
    return f"the issue #{number} stays, closed"


async def _undo_labels(repo: Repo, step: Step) -> str:
    for name in (step.body or {})["labels"]:
        await repo.remove(Call("DELETE", repo.path("issues", step.number, "labels", name)))
    return ""


async def _undo_unlabel(repo: Repo, step: Step) -> str:
    name = step.before["label"]
    if await repo.read("labels", name) is None:
        return f"the label {name!r} is no longer there to be put back on #{step.number}"
    call = Call("POST", repo.path("issues", step.number, "labels"), {"labels": [name]}, repeatable=True)
    await repo.send(call)
    return ""


async def _undo_state(repo: Repo, step: Step) -> str:
    there = await repo.read("issues", step.number)
    if there is None or there["state"] == "open":
        return ""
    closed_by = (there.get("closed_by") or {}).get("login")
    if closed_by is not None and closed_by != await repo.client.login():
        return f"#{step.number} was closed again by somebody else, and stays closed"
    if (there.get("pull_request") or {}).get("merged_at"):
        return f"#{step.number} was merged since"
    await repo.send(Call("PATCH", repo.path(step.before["part"], step.number), {"state": "open"}))
    return ""


ISSUE = Kind(_find_issue, _undo_issue)
LABELS = Kind(unknown, _undo_labels)
UNLABEL = Kind(unknown, _undo_unlabel, frozenset({404}))
STATE = Kind(unknown, _undo_state)

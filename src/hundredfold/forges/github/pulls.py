"""Pull requests: objects by their content, a branch, and the pull request itself, through GitHub's git
database.

The commits are made on this machine first. So every sha is known before anything is sent, GitHub must
answer with the very same, and until the branch is made nothing of it can be seen. A commit that GitHub signs
has another sha: it counts if its tree, parents, message and people are ours, and what follows is built on it.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from msgspec import Struct

from hundredfold.errors import UnavailableError
from hundredfold.forges.github import marker
from hundredfold.forges.github.calls import Call
from hundredfold.forges.github.marker import Mark
from hundredfold.forges.github.repo import Repo
from hundredfold.forges.github.work import Kind, Step, Wanted, kept, nothing, unknown
from hundredfold.forges.protocol import Stale
from hundredfold.payloads import Commit, PullRequest

AUTHOR = ("Hundredfold", "hundredfold@users.noreply.github.com")


class Entry(Struct, frozen=True):
    """A file that a commit changes: its bytes and blob sha, both None if it is deleted."""

    path: str
    mode: str
    sha: str | None
    content: bytes | None


class Built(Struct, frozen=True):
    """A commit as made on this machine."""

    sha: str
    tree: str
    parent: str
    parent_tree: str
    message: str
    entries: tuple[Entry, ...]


#: base sha, commits, (name, mail), Unix seconds → the commits, made; raises RepositoryError
Builder = Callable[[str, Sequence[Commit], tuple[str, str], int], list[Built]]


async def plan(repo: Repo, wanted: Wanted, payload: PullRequest, build: Builder, now_s: int) -> list[Step]:
    """Blobs, trees and commits, then the branch, then the pull request.

    Raises:
        Stale: the base is gone.
        UnavailableError: there is a branch of that name with something else.
        RepositoryError: a patch does not apply.
    """
    if await repo.branch(payload.base) is None:
        raise Stale(f"the branch {payload.base!r} is gone")
    if await repo.read("git", "commits", payload.base_sha) is None:
        raise Stale(f"the commit {payload.base_sha[:12]} is not in {repo.repository}")
    commits = build(payload.base_sha, payload.commits, AUTHOR, now_s)
    tip = commits[-1].sha
    there = await repo.branch(payload.branch)
    if there not in (None, tip):
        raise UnavailableError(
            f"{repo.repository} has a branch {payload.branch!r} already", "Remove it, or edit the proposal."
        )
    closes = "".join(f"\n\nCloses #{number}" for number in payload.closes)
    proposal = wanted.proposal
    body = {
        "title": proposal.title,
        "head": payload.branch,
        "base": payload.base,
        "body": marker.marked(
            f"{proposal.body.rstrip()}{closes}", Mark(wanted.key, proposal.job, "new", tip)
        ),
        "draft": payload.draft,
    }
    reference = {"ref": f"refs/heads/{payload.branch}", "sha": tip}
    return [
        *(step for one in commits for step in _objects(repo, one, now_s)),
        Step("ref", "POST", repo.path("git", "refs"), reference, found_by=payload.branch, expected=tip),
        Step(
            kind="pull",
            method="POST",
            path=repo.path("pulls"),
            body=body,
            found_by=wanted.key,
            before={"branch": payload.branch},
        ),
    ]


def _objects(repo: Repo, one: Built, now_s: int) -> list[Step]:
    blobs = [
        Step(
            kind="object",
            method="POST",
            path=repo.path("git", "blobs"),
            body={"content": base64.b64encode(entry.content).decode(), "encoding": "base64"},
            expected=entry.sha or "",
        )
        for entry in one.entries
        if entry.content is not None
    ]
    entries = [
        {"path": entry.path, "mode": entry.mode, "type": "blob", "sha": entry.sha} for entry in one.entries
    ]
    at = datetime.fromtimestamp(now_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    person = {"name": AUTHOR[0], "email": AUTHOR[1], "date": at}
    tree = {"base_tree": one.parent_tree, "tree": entries}
    commit = {
        "message": one.message,
        "tree": one.tree,
        "parents": [one.parent],
        "author": person,
        "committer": person,
    }
    return [
        *blobs,
        Step("object", "POST", repo.path("git", "trees"), tree, expected=one.tree),
        Step("object", "POST", repo.path("git", "commits"), commit, expected=one.sha),
    ]


def same_commit(step: Step, made: Mapping[str, Any]) -> bool:
    """Whether the step was to make a commit and GitHub's answer is that very commit but for a signature."""
    body = step.body or {}
    if not step.path.endswith("/git/commits") or not isinstance(body.get("tree"), str):
        return False
    try:
        return (
            made["tree"]["sha"] == body["tree"]
            and [one["sha"] for one in made["parents"]] == body["parents"]
            and made["message"].rstrip("\n") == body["message"].rstrip("\n")
            and all(_person(made[role]) == _person(body[role]) for role in ("author", "committer"))
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        return False


def _person(given: Mapping[str, str]) -> tuple[str, str, datetime]:
    return given["name"], given["email"], datetime.fromisoformat(given["date"].replace("Z", "+00:00"))


async def _find_ref(repo: Repo, step: Step) -> dict[str, Any] | None:
    return {"sha": step.expected} if await repo.branch(step.found_by) == step.expected else None


async def _undo_ref(repo: Repo, step: Step) -> str:
    there = await repo.branch(step.found_by)
    if there is None:
        return ""
    if there != step.expected:
        return f"the branch {step.found_by!r} has other commits now, and stays"
    call = Call("DELETE", repo.path("git", "refs", "heads", *step.found_by.split("/")))
    await repo.remove(call, gone=(404, 422))
    return ""


async def _find_pull(repo: Repo, step: Step) -> dict[str, Any] | None:
    head = f"{repo.owner}:{step.before['branch']}"
    async for one in repo.ours("pulls", head=head, state="all"):
        mark = marker.read(one.get("body"))
        if mark is not None and mark.key == step.found_by:
            return kept(one)
    return None


async def _undo_pull(repo: Repo, step: Step) -> str:
    number = (step.result or {})["number"]
    there = await repo.read("pulls", number)
    if there is None:
        return ""
    if there.get("merged"):
        return f"the pull request #{number} was merged; reverting it is a change of its own"
    body = {"state": "closed", "body": marker.withdrawn("pull request")}
    await repo.send(Call("PATCH", repo.path("pulls", number), body))
    return f"the pull request #{number} stays, closed"


OBJECT = Kind(unknown, nothing)
REF = Kind(_find_ref, _undo_ref)
PULL = Kind(_find_pull, _undo_pull)

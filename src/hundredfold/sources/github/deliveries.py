"""A webhook's payload → what it changes in the mirror, and which items it is about. Pure.

Source: GitHub's "Webhook events and payloads". An event of what is not mirrored changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import Struct

from hundredfold.sources.github import bodies
from hundredfold.sources.github.bodies import Body, OddBody
from hundredfold.store.mirrorrows import CommentRow, IssueRow, LabelRow, Row


class Gone(Struct, frozen=True):
    """What the forge no longer has: rows of a kind with these values."""

    kind: type[Struct]
    key: dict[str, Any]


class Change(Struct, frozen=True):
    """What a delivery changes. `items`: "issue 12", "pull 7", "commit …", "run 3", "push refs/heads/main"."""

    rows: tuple[Row, ...] = ()
    gone: tuple[Gone, ...] = ()
    items: tuple[str, ...] = ()


def repository_of(payload: Body) -> str:
    """owner/name of the repository that a payload is of; "" if it is of none."""
    found = payload.get("repository")
    name = found.get("full_name") if isinstance(found, dict) else None
    return name if isinstance(name, str) else ""


def change_of(event: str, payload: Body) -> Change:
    """What a delivery changes.

    Raises:
        OddBody: the payload is not as GitHub describes it.
    """
    reader = _READERS.get(event)
    if reader is None:
        return Change()
    action = payload.get("action")
    return reader(payload, action if isinstance(action, str) else "")


def _inner(payload: Body, name: str) -> Body:
    found = payload.get(name)
    if not isinstance(found, dict):
        raise OddBody(f"{name} is no object")
    return found


def _issues(payload: Body, action: str) -> Change:
    row = bodies.issue(_inner(payload, "issue"))
    items = (f"issue {row.number}",)
    if action in ("deleted", "transferred"):
        gone = (Gone(IssueRow, {"number": row.number}), Gone(CommentRow, {"number": row.number}))
        return Change(gone=gone, items=items)
    return Change((row,), items=items)


def _issue_comment(payload: Body, action: str) -> Change:
    issue = bodies.issue(_inner(payload, "issue"))
    comment = bodies.comment(_inner(payload, "comment"))
    items = (f"{'pull' if issue.pull else 'issue'} {issue.number}",)
    if action == "deleted":
        return Change((issue,), (Gone(CommentRow, {"kind": "issue", "id": comment.id}),), items)
    return Change((issue, comment), items=items)


def _pull_rows(body: Body) -> tuple[Row, ...]:
    """A payload with a short form of the pull request says nothing of its comments' number: no issue row."""
    if isinstance(body.get("comments"), int):
        return (bodies.pull(body), bodies.issue({**body, "pull_request": {}}))
    return (bodies.pull(body),)


def _pull_request(payload: Body, _action: str) -> Change:
    body = _inner(payload, "pull_request")
    return Change(_pull_rows(body), items=(f"pull {bodies.pull(body).number}",))


def _review(payload: Body, _action: str) -> Change:
    body = _inner(payload, "pull_request")
    review = bodies.review(_inner(payload, "review"))
    return Change((*_pull_rows(body), review), items=(f"pull {review.number}",))


def _inline(payload: Body, action: str) -> Change:
    body = _inner(payload, "pull_request")
    comment = bodies.inline(_inner(payload, "comment"))
    items = (f"pull {comment.number}",)
    if action == "deleted":
        return Change(_pull_rows(body), (Gone(CommentRow, {"kind": "inline", "id": comment.id}),), items)
    return Change((*_pull_rows(body), comment), items=items)


def _check_run(payload: Body, _action: str) -> Change:
    row = bodies.check(_inner(payload, "check_run"))
    return Change((row,), items=(f"commit {row.sha}",))


def _status(payload: Body, _action: str) -> Change:
    sha = payload.get("sha")
    if not isinstance(sha, str):
        raise OddBody("sha is no text")
    return Change((bodies.status(payload, sha),), items=(f"commit {sha}",))


def _workflow_run(payload: Body, _action: str) -> Change:
    row = bodies.run(_inner(payload, "workflow_run"))
    return Change((row,), items=(f"run {row.id}",))


def _workflow_job(payload: Body, _action: str) -> Change:
    row = bodies.job(_inner(payload, "workflow_job"))
    return Change((row,), items=(f"run {row.run}",))


def _label(payload: Body, action: str) -> Change:
    row = bodies.label(_inner(payload, "label"))
    if action == "deleted":
        return Change(gone=(Gone(LabelRow, {"name": row.name}),))
    before: Any = payload
    for name in ("changes", "name", "from"):  # there if it was renamed
        before = before.get(name) if isinstance(before, dict) else None
    return Change((row,), (Gone(LabelRow, {"name": before}),) if isinstance(before, str) else ())


def _push(payload: Body, _action: str) -> Change:
    ref = payload.get("ref")
    if not isinstance(ref, str):
        raise OddBody("ref is no text")
    return Change(items=(f"push {ref}",))


_READERS: dict[str, Callable[[Body, str], Change]] = {
    "issues": _issues,
    "issue_comment": _issue_comment,
    "pull_request": _pull_request,
    "pull_request_review": _review,
    "pull_request_review_comment": _inline,
    "check_run": _check_run,
    "status": _status,
    "workflow_run": _workflow_run,
    "workflow_job": _workflow_job,
    "label": _label,
    "push": _push,
}

"""GitHub's JSON bodies → rows of the mirror. Source of the fields: GitHub's REST API, version 2022-11-28.

A body comes from outside, by an answer or a webhook: a missing or odd field is an error that names it, and an
account that is gone is "ghost", as GitHub shows it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from hundredfold.store.mirrorrows import (
    ArtifactRow,
    CheckRow,
    CommentRow,
    CommitRow,
    EventRow,
    IssueRow,
    JobRow,
    LabelRow,
    PullRow,
    ReviewRow,
    RunRow,
)

Body = dict[str, Any]
GHOST = "ghost"
#: what an event's body holds besides what every event has, and is worth keeping
_DETAILS = (
    "label",
    "assignee",
    "rename",
    "lock_reason",
    "state_reason",
    "requested_reviewer",
    "dismissed_review",
)


class OddBody(ValueError):
    """A body is not as GitHub describes it; the message names the field."""


def time_us(text: object) -> int:
    """UTC microseconds of a time as GitHub writes it.

    Raises:
        OddBody: it is none.
    """
    try:
        return int(datetime.fromisoformat(str(text).replace("Z", "+00:00")).timestamp()) * 1_000_000
    except (ValueError, OverflowError) as error:
        raise OddBody(f"{str(text)[:60]!r} is no time") from error


def time_text(at_us: int) -> str:
    """A time as GitHub writes it, in whole seconds."""
    return datetime.fromtimestamp(at_us // 1_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def issue(body: Body) -> IssueRow:
    """An issue, or the issue side of a pull request (from an answer about issues)."""
    return IssueRow(
        number=_whole(body, "number"),
        pull="pull_request" in body,
        title=_text(body, "title"),
        body=_text(body, "body"),
        author=_login(body, "user"),
        state=_text(body, "state"),
        reason=_text(body, "state_reason"),
        labels=sorted(_label_name(one) for one in _entries(body, "labels")),
        assignees=sorted(_login_of(one) for one in _entries(body, "assignees")),
        comments=_whole(body, "comments", 0),
        locked=body.get("locked") is True,
        created_us=_time(body, "created_at"),
        updated_us=_time(body, "updated_at"),
        closed_us=_maybe_time(body, "closed_at"),
        closed_by=_maybe_login(body, "closed_by"),
        url=_text(body, "html_url"),
    )


def pull(body: Body) -> PullRow:
    """What a pull request has besides its issue (from an answer about pull requests)."""
    head, base = _object(body, "head"), _object(body, "base")
    merged = _maybe_time(body, "merged_at")
    return PullRow(
        number=_whole(body, "number"),
        head_ref=_text(head, "ref"),
        head_sha=_text(head, "sha"),
        head_repository=_text(head.get("repo") or {}, "full_name"),
        base_ref=_text(base, "ref"),
        base_sha=_text(base, "sha"),
        draft=body.get("draft") is True,
        merged_us=merged,
        merge_sha=_text(body, "merge_commit_sha") if merged is not None else "",
        updated_us=_time(body, "updated_at"),
    )


def pull_as_issue(body: Body, known: IssueRow | None) -> IssueRow:
    """The issue side of a pull request from an answer about pull requests, which does not count comments."""
    whole = issue({**body, "pull_request": {}})
    if known is None:
        return whole
    counted = body.get("comments")
    from msgspec.structs import replace

    return whole if isinstance(counted, int) else replace(whole, comments=known.comments)


def comment(body: Body) -> CommentRow:
    """A comment on a conversation."""
    return CommentRow(
        kind="issue",
        id=_whole(body, "id"),
        number=_last_number(body, "issue_url"),
        author=_login(body, "user"),
        body=_text(body, "body"),
        path="",
        line=None,
        side="",
        review=None,
        reply_to=None,
        created_us=_time(body, "created_at"),
        updated_us=_time(body, "updated_at"),
    )


def inline(body: Body) -> CommentRow:
    """A comment on a line of a diff. Where it was first put counts: the line of an outdated one is null."""
    line = body.get("original_line") if body.get("line") is None else body.get("line")
    return CommentRow(
        kind="inline",
        id=_whole(body, "id"),
        number=_last_number(body, "pull_request_url"),
        author=_login(body, "user"),
        body=_text(body, "body"),
        path=_text(body, "path"),
        line=line if isinstance(line, int) else None,
        side=_text(body, "side"),
        review=_maybe_whole(body, "pull_request_review_id"),
        reply_to=_maybe_whole(body, "in_reply_to_id"),
        created_us=_time(body, "created_at"),
        updated_us=_time(body, "updated_at"),
    )


def review(body: Body) -> ReviewRow:
    """A review. Webhooks write its state in small letters."""
    return ReviewRow(
        id=_whole(body, "id"),
        number=_last_number(body, "pull_request_url"),
        author=_login(body, "user"),
        state=_text(body, "state").upper(),
        body=_text(body, "body"),
        sha=_text(body, "commit_id"),
        submitted_us=_maybe_time(body, "submitted_at"),
    )


def label(body: Body) -> LabelRow:
    """A label of the repository."""
    return LabelRow(_text(body, "name"), _text(body, "color"), _text(body, "description"))


def commit(body: Body) -> CommitRow:
    """A commit."""
    inner = _object(body, "commit")
    author = body.get("author")
    name = _login_of(author) if author else _text(inner.get("author") or {}, "name")
    return CommitRow(
        sha=_text(body, "sha"),
        author=name,
        message=_text(inner, "message"),
        parents=[_text(one, "sha") for one in _entries(body, "parents")],
        committed_us=_time(_object(inner, "committer"), "date"),
    )


def event(body: Body) -> EventRow:
    """Something that happened to an issue, from the repository's list of events."""
    detail = {name: body[name] for name in _DETAILS if body.get(name) is not None}
    for name in ("assignee", "requested_reviewer"):
        if name in detail:
            detail[name] = _login_of(detail[name])
    return EventRow(
        id=_whole(body, "id"),
        number=_whole(body.get("issue") or {}, "number"),
        kind=_text(body, "event"),
        actor=_login(body, "actor"),
        sha=_text(body, "commit_id"),
        detail=detail,
        at_us=_time(body, "created_at"),
    )


def check(body: Body) -> CheckRow:
    """A check run."""
    output = body.get("output") or {}
    return CheckRow(
        kind="run",
        id=_whole(body, "id"),
        sha=_text(body, "head_sha"),
        name=_text(body, "name"),
        app=_text(body.get("app") or {}, "slug"),
        status=_text(body, "status"),
        conclusion=_text(body, "conclusion"),
        summary=": ".join(filter(None, (_text(output, "title"), _text(output, "summary")))),
        started_us=_maybe_time(body, "started_at"),
        completed_us=_maybe_time(body, "completed_at"),
    )


def status(body: Body, sha: str) -> CheckRow:
    """A commit status: over once it is not pending."""
    state = _text(body, "state")
    at = _maybe_time(body, "updated_at")
    return CheckRow(
        kind="status",
        id=_whole(body, "id"),
        sha=sha,
        name=_text(body, "context"),
        app="",
        status="in_progress" if state == "pending" else "completed",
        conclusion="" if state == "pending" else state,
        summary=_text(body, "description"),
        started_us=_maybe_time(body, "created_at"),
        completed_us=None if state == "pending" else at,
    )


def run(body: Body) -> RunRow:
    """A workflow run."""
    return RunRow(
        id=_whole(body, "id"),
        name=_text(body, "name"),
        path=_text(body, "path"),
        event=_text(body, "event"),
        branch=_text(body, "head_branch"),
        sha=_text(body, "head_sha"),
        attempt=_whole(body, "run_attempt", 1),
        status=_text(body, "status"),
        conclusion=_text(body, "conclusion"),
        url=_text(body, "html_url"),
        created_us=_time(body, "created_at"),
        updated_us=_time(body, "updated_at"),
    )


def job(body: Body) -> JobRow:
    """A job of a workflow run, its log not yet fetched."""
    steps = [
        {
            "name": _text(one, "name"),
            "conclusion": _text(one, "conclusion"),
            "number": _maybe_whole(one, "number"),
        }
        for one in _entries(body, "steps")
    ]
    return JobRow(
        id=_whole(body, "id"),
        run=_whole(body, "run_id"),
        name=_text(body, "name"),
        status=_text(body, "status"),
        conclusion=_text(body, "conclusion"),
        steps=steps,
        started_us=_maybe_time(body, "started_at"),
        completed_us=_maybe_time(body, "completed_at"),
    )


def artifact(body: Body, run_id: int) -> ArtifactRow:
    """What a run uploaded, not yet fetched."""
    expired = "it has expired" if body.get("expired") is True else ""
    return ArtifactRow(
        _whole(body, "id"), run_id, _text(body, "name"), _whole(body, "size_in_bytes", 0), omitted=expired
    )


# ------------------------------------------------------------------ fields


def _field(body: Body, name: str, wanted: type, what: str) -> Any:
    value = body.get(name) if isinstance(body, dict) else None
    if not isinstance(value, wanted) or isinstance(value, bool):
        raise OddBody(f"{name} is no {what}")
    return value


def _text(body: Body, name: str) -> str:
    if not isinstance(body, dict):
        raise OddBody(f"{name} is in no object")
    value = body.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise OddBody(f"{name} is no text")
    return value


def _whole(body: Body, name: str, default: int | None = None) -> int:
    if default is not None and isinstance(body, dict) and body.get(name) is None:
        return default
    value: int = _field(body, name, int, "whole number")
    if not -(2**63) <= value < 2**63:
        raise OddBody(f"{name} is too large a number")
    return value


def _maybe_whole(body: Body, name: str) -> int | None:
    return None if isinstance(body, dict) and body.get(name) is None else _whole(body, name)


def _object(body: Body, name: str) -> Body:
    found: Body = _field(body, name, dict, "object")
    return found


def _entries(body: Body, name: str) -> list[Any]:
    value = body.get(name)
    if value is None:
        return []
    if not isinstance(value, list):
        raise OddBody(f"{name} is no list")
    return value


def _time(body: Body, name: str) -> int:
    try:
        return time_us(body.get(name))
    except OddBody as error:
        raise OddBody(f"{name}: {error}") from error


def _maybe_time(body: Body, name: str) -> int | None:
    return None if body.get(name) is None else _time(body, name)


def _login(body: Body, name: str) -> str:
    return _login_of(body.get(name))


def _maybe_login(body: Body, name: str) -> str:
    return "" if body.get(name) is None else _login(body, name)


def _login_of(account: Any) -> str:
    if account is None:
        return GHOST
    return _text(account, "login") or _text(account, "name") or GHOST


def _label_name(one: Any) -> str:
    return one if isinstance(one, str) else _text(one, "name")


def _last_number(body: Body, name: str) -> int:
    tail = _text(body, name).rpartition("/")[2]
    if not tail.isdecimal() or len(tail) > 18:
        raise OddBody(f"{name} names no item")
    return int(tail)


#: how the entries of a list answer become rows, by the resource's name
READERS: dict[str, Callable[[Body], Any]] = {
    "labels": label,
    "issues": issue,
    "comments": comment,
    "inline": inline,
    "pulls": pull,
    "events": event,
    "commits": commit,
    "runs": run,
}

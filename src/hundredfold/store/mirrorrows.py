"""The rows of a forge's mirror. Their text is data from outside; times are UTC microseconds."""

from __future__ import annotations

from typing import Any

from msgspec import Struct


class IssueRow(Struct, frozen=True):
    """An issue, or with `pull` a pull request. `reason` is why it was closed: "completed", …"""

    number: int
    pull: bool
    title: str
    body: str
    author: str
    state: str
    reason: str
    labels: list[str]
    assignees: list[str]
    comments: int
    locked: bool
    created_us: int
    updated_us: int
    closed_us: int | None
    closed_by: str
    url: str


class PullRow(Struct, frozen=True):
    """What a pull request has besides its issue. `merge_sha` is the merge once `merged_us` is set."""

    number: int
    head_ref: str
    head_sha: str
    head_repository: str
    base_ref: str
    base_sha: str
    draft: bool
    merged_us: int | None
    merge_sha: str
    updated_us: int
    reviews_us: int = 0
    checks_sha: str = ""


class CommentRow(Struct, frozen=True):
    """A comment; `kind` is "issue" or "inline", and only inline ones have a path, a line and a review."""

    kind: str
    id: int
    number: int
    author: str
    body: str
    path: str
    line: int | None
    side: str
    review: int | None
    reply_to: int | None
    created_us: int
    updated_us: int


class ReviewRow(Struct, frozen=True):
    """A review; `sha` is the head it was of, `state` one of GitHub's, in capitals."""

    id: int
    number: int
    author: str
    state: str
    body: str
    sha: str
    submitted_us: int | None


class LabelRow(Struct, frozen=True):
    """A label of the repository."""

    name: str
    color: str
    description: str


class CommitRow(Struct, frozen=True):
    """A commit of the default branch; `author` is the forge's account where it knows one."""

    sha: str
    author: str
    message: str
    parents: list[str]
    committed_us: int


class EventRow(Struct, frozen=True):
    """Something that happened to an issue or pull request: "closed", "reopened", "merged", "labeled", …"""

    id: int
    number: int
    kind: str
    actor: str
    sha: str
    detail: dict[str, Any]
    at_us: int


class CheckRow(Struct, frozen=True):
    """A check run (`kind` "run") or a commit status ("status", whose conclusion is its state)."""

    kind: str
    id: int
    sha: str
    name: str
    app: str
    status: str
    conclusion: str
    summary: str
    started_us: int | None
    completed_us: int | None


class RunRow(Struct, frozen=True):
    """A run of a workflow."""

    id: int
    name: str
    path: str
    event: str
    branch: str
    sha: str
    attempt: int
    status: str
    conclusion: str
    url: str
    created_us: int
    updated_us: int
    read_us: int = 0


class JobRow(Struct, frozen=True):
    """A job of a workflow run. `log` is a blob's digest, None if it was not fetched (`omitted` says why)."""

    id: int
    run: int
    name: str
    status: str
    conclusion: str
    steps: list[dict[str, Any]]
    started_us: int | None
    completed_us: int | None
    log: str | None = None
    omitted: str = ""


class ArtifactRow(Struct, frozen=True):
    """What a run uploaded. `blob` holds the zip archive, None if it was not fetched (`omitted` says why)."""

    id: int
    run: int
    name: str
    bytes: int
    blob: str | None = None
    omitted: str = ""


Row = (
    IssueRow
    | PullRow
    | CommentRow
    | ReviewRow
    | LabelRow
    | CommitRow
    | EventRow
    | CheckRow
    | RunRow
    | JobRow
    | ArtifactRow
)

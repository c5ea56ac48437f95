"""What the simulated forge remembers of each object. Times are whole seconds since the epoch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class User:
    """An account; `kind` is "User", "Bot" or "Organization"."""

    id: int
    login: str
    kind: str = "User"


@dataclass(slots=True)
class Reaction:
    """One person's reaction to an issue or a comment."""

    id: int
    user: str
    content: str
    created: int


@dataclass(slots=True)
class Comment:
    """A comment on an issue or on a pull request's conversation."""

    id: int
    user: str
    body: str
    created: int
    updated: int
    app: int | None = None
    reactions: list[Reaction] = field(default_factory=list)


@dataclass(slots=True)
class Event:
    """Something that happened to an issue; `detail` is what the event's body holds besides the usual."""

    id: int
    kind: str
    actor: str
    at: int
    detail: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class ReviewComment:
    """An inline comment; `line` and `start_line` count in the file of `side` ("LEFT" is the base's)."""

    id: int
    review: int
    user: str
    body: str
    path: str
    commit: str
    hunk: str
    position: int | None
    line: int | None
    side: str
    created: int
    updated: int
    start_line: int | None = None
    start_side: str | None = None
    reply_to: int | None = None
    subject: str = "line"


@dataclass(slots=True)
class Review:
    """A review; `state` is PENDING, COMMENTED, APPROVED, CHANGES_REQUESTED or DISMISSED."""

    id: int
    user: str
    body: str
    state: str
    commit: str
    submitted: int | None


@dataclass(slots=True)
class Pull:
    """What a pull request has besides its issue."""

    id: int
    head_ref: str
    head_sha: str
    base_ref: str
    base_sha: str
    head_repo: str = ""  # owner/name of the fork it comes from; "": this repository
    draft: bool = False
    merged: int | None = None
    merged_by: str | None = None
    merge_sha: str | None = None
    reviews: list[Review] = field(default_factory=list)
    comments: list[ReviewComment] = field(default_factory=list)
    requested: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Issue:
    """An issue, or with `pull` a pull request."""

    number: int
    id: int
    title: str
    body: str | None
    user: str
    created: int
    updated: int
    state: str = "open"
    reason: str | None = None
    closed: int | None = None
    closed_by: str | None = None
    locked: bool = False
    lock_reason: str | None = None
    labels: list[str] = field(default_factory=list)
    assignees: list[str] = field(default_factory=list)
    comments: list[Comment] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    reactions: list[Reaction] = field(default_factory=list)
    pull: Pull | None = None
    app: int | None = None


@dataclass(slots=True)
class Label:
    """A label of the repository."""

    id: int
    name: str
    color: str
    description: str | None = None


@dataclass(slots=True)
class Status:
    """One commit status; the newest of a context counts."""

    id: int
    sha: str
    state: str
    context: str
    description: str | None
    target_url: str | None
    creator: str
    at: int


@dataclass(slots=True)
class CheckRun:
    """One check run; `output` holds title, summary, text and annotations."""

    id: int
    suite: int
    app: int
    name: str
    sha: str
    status: str
    conclusion: str | None
    started: int | None
    completed: int | None
    details_url: str | None
    external_id: str
    output: dict[str, Any]
    annotations: list[dict[str, Any]] = field(default_factory=list)


@dataclass(slots=True)
class CheckSuite:
    """All check runs of one App on one commit."""

    id: int
    app: int
    sha: str
    branch: str | None
    created: int


@dataclass(slots=True)
class Step:
    """A step of a workflow job."""

    name: str
    conclusion: str
    log: str


@dataclass(slots=True)
class WorkflowJob:
    """A job of a workflow run, with its log by steps."""

    id: int
    name: str
    conclusion: str | None
    started: int
    completed: int | None
    steps: list[Step] = field(default_factory=list)


@dataclass(slots=True)
class Artifact:
    """What a workflow run uploaded: `content` is a zip archive."""

    id: int
    name: str
    content: bytes
    created: int
    expired: bool = False


@dataclass(slots=True)
class WorkflowRun:
    """A run of a workflow."""

    id: int
    number: int
    name: str
    path: str
    event: str
    sha: str
    branch: str
    actor: str
    status: str
    conclusion: str | None
    created: int
    updated: int
    attempt: int = 1
    jobs: list[WorkflowJob] = field(default_factory=list)
    artifacts: list[Artifact] = field(default_factory=list)


@dataclass(slots=True)
class Release:
    """A release of a tag."""

    id: int
    tag: str
    target: str
    name: str
    body: str
    author: str
    created: int
    draft: bool = False
    prerelease: bool = False


@dataclass(slots=True)
class Sarif:
    """An upload to code scanning, and the analyses it made."""

    id: str
    sha: str
    ref: str
    at: int
    runs: list[dict[str, Any]]
    analyses: list[int] = field(default_factory=list)


@dataclass(slots=True)
class Analysis:
    """One tool's run on one commit."""

    id: int
    sarif: str
    sha: str
    ref: str
    at: int
    tool: str
    version: str | None
    results: int
    rules: int
    category: str


@dataclass(slots=True)
class Advisory:
    """A repository security advisory; a draft is private."""

    ghsa: str
    summary: str
    description: str
    severity: str | None
    author: str
    state: str
    created: int
    updated: int
    cve: str | None = None
    cvss: str | None = None
    cwes: list[str] = field(default_factory=list)
    vulnerabilities: list[dict[str, Any]] = field(default_factory=list)
    published: int | None = None
    closed: int | None = None


@dataclass(slots=True)
class App:
    """A GitHub App: `key` is its public key in PEM, against which its tokens are checked."""

    id: int
    slug: str
    name: str
    owner: str
    key: str
    permissions: dict[str, str]


@dataclass(slots=True)
class Installation:
    """An App's installation on an account."""

    id: int
    app: int
    account: str
    created: int


@dataclass(slots=True)
class Actor:
    """Who calls: a person or an App's installation. `permissions` is None for all; `expires` ends a token."""

    login: str
    token: str
    permissions: dict[str, str] | None = None
    app: int | None = None
    expires: float | None = None

    def may(self, topic: str, access: str) -> bool:
        """Whether the actor may read or write a topic ("issues", "contents", …)."""
        if self.permissions is None:
            return True
        has = self.permissions.get(topic, "")
        return has == "write" or has == access

"""The whole of a simulated forge: accounts, tokens, Apps, repositories, clock, faults, limits and log."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hundredfold.simulation.forge.faults import Faults
from hundredfold.simulation.forge.limits import GITHUB, Limits, Meter
from hundredfold.simulation.forge.records import (
    Actor,
    Advisory,
    Analysis,
    App,
    CheckRun,
    CheckSuite,
    Comment,
    Event,
    Installation,
    Issue,
    Label,
    Release,
    ReviewComment,
    Sarif,
    Status,
    User,
    WorkflowRun,
)
from hundredfold.simulation.forge.store import BareRepository

LOG_LENGTH = 200_000
LISTINGS_KEPT = 64


@dataclass(slots=True)
class Repo:
    """One repository."""

    id: int
    owner: str
    name: str
    default_branch: str
    created: int
    git: BareRepository
    private: bool = False
    pushed: int = 0
    issues: dict[int, Issue] = field(default_factory=dict)
    labels: dict[str, Label] = field(default_factory=dict)  # by lower-case name
    comments: dict[int, tuple[Issue, Comment]] = field(default_factory=dict)
    review_comments: dict[int, tuple[Issue, ReviewComment]] = field(default_factory=dict)
    events: list[tuple[Issue, Event]] = field(default_factory=list)
    statuses: list[Status] = field(default_factory=list)
    suites: dict[int, CheckSuite] = field(default_factory=dict)
    check_runs: dict[int, CheckRun] = field(default_factory=dict)
    workflow_runs: dict[int, WorkflowRun] = field(default_factory=dict)
    releases: dict[int, Release] = field(default_factory=dict)
    sarifs: dict[str, Sarif] = field(default_factory=dict)
    analyses: dict[int, Analysis] = field(default_factory=dict)
    advisories: dict[str, Advisory] = field(default_factory=dict)
    parent: str = ""  # owner/name of what it is a fork of
    next_number: int = 1
    version: int = 0
    listings: dict[object, tuple[int, list[Any]]] = field(default_factory=dict)

    @property
    def full_name(self) -> str:
        """owner/name."""
        return f"{self.owner}/{self.name}"

    def listing(self, key: object, make: Callable[[], list[Any]]) -> list[Any]:
        """A sorted list that is made anew only after something changed: paging through it stays cheap."""
        kept = self.listings.get(key)
        if kept is None or kept[0] != self.version:
            if len(self.listings) >= LISTINGS_KEPT:
                self.listings.clear()
            kept = (self.version, make())
            self.listings[key] = kept
        return kept[1]


@dataclass(slots=True)
class Hook:
    """Where webhooks are delivered to, and the secret they are signed with."""

    url: str
    secret: str


@dataclass(slots=True)
class LogLine:
    """One request as it was answered. `operation` is "GET /repos/{owner}/{repo}"; "git …" for git's own."""

    seq: int
    at: float
    method: str
    path: str
    operation: str
    status: int
    token: str
    fault: str
    applied: bool


class Hub:
    """The forge's memory.

    Args:
        folder: where the bare repositories are kept.
        limits: the rate limits in force; GitHub's own, or `limits.UNLIMITED` for tests of something else.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        folder: Path,
        *,
        limits: Limits = GITHUB,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.folder = folder
        self.clock = clock
        self.meter = Meter(limits)
        self.faults = Faults()
        self.log: list[LogLine] = []
        self.users: dict[str, User] = {}
        self.tokens: dict[str, Actor] = {}
        self.apps: dict[int, App] = {}
        self.installations: dict[int, Installation] = {}
        self.repos: dict[str, Repo] = {}
        self.hooks: list[Hook] = []
        self.outbox: list[tuple[str, dict[str, Any]]] = []  # webhooks not yet delivered
        self.url = "http://127.0.0.1"  # where it is served, set when it is
        #: told of every answer: operation, the request's body, status, the answer's body
        self.observers: list[Callable[[str, bytes, int, Any], None]] = []
        self._last_id = 1000
        self._requests = 0
        self.user("ghost")

    # ------------------------------------------------------------------ making things

    def next_id(self) -> int:
        """A new id, larger than all before."""
        self._last_id += 1
        return self._last_id

    def now(self) -> int:
        """The clock in whole seconds."""
        return int(self.clock())

    def user(self, login: str, kind: str = "User") -> User:
        """The account of that login, made if there is none."""
        if login not in self.users:
            self.users[login] = User(self.next_id(), login, kind)
        return self.users[login]

    def token(self, login: str, token: str, permissions: dict[str, str] | None = None) -> Actor:
        """Let a person in with a token; with `permissions` only for those ("issues": "write", …)."""
        self.user(login)
        self.tokens[token] = Actor(login, token, permissions)
        return self.tokens[token]

    def app(self, slug: str, key: str, permissions: dict[str, str], owner: str = "acme") -> App:
        """Register a GitHub App by its public key (PEM)."""
        self.user(owner, "Organization")
        self.user(f"{slug}[bot]", "Bot")
        made = App(self.next_id(), slug, slug.title(), owner, key, permissions)
        self.apps[made.id] = made
        return made

    def install(self, app: App, account: str) -> Installation:
        """Install an App on an account."""
        self.user(account, "Organization")
        made = Installation(self.next_id(), app.id, account, self.now())
        self.installations[made.id] = made
        return made

    def repo(
        self, full_name: str, *, default_branch: str = "main", private: bool = False, by: str | None = None
    ) -> Repo:
        """Make an empty repository; its owner's account too."""
        owner, name = full_name.split("/")
        self.user(owner, "User" if owner == by else "Organization")
        git = BareRepository.create(self.folder / owner / f"{name}.git", default_branch)
        made = Repo(self.next_id(), owner, name, default_branch, self.now(), git, private, self.now())
        self.repos[full_name.lower()] = made
        for label, color in (("bug", "d73a4a"), ("duplicate", "cfd3d7"), ("wontfix", "ffffff")):
            made.labels[label] = Label(self.next_id(), label, color)
        return made

    def fork(self, repo: Repo, owner: str) -> Repo:
        """A fork of the repository in somebody's account, with its default branch."""
        made = self.repo(f"{owner}/{repo.name}", default_branch=repo.default_branch, by=owner)
        made.git.share(repo.git)
        made.parent = repo.full_name
        branch = f"refs/heads/{repo.default_branch}"
        if tip := repo.git.ref(branch):
            made.git.set_ref(branch, tip)
        return made

    def find_repo(self, owner: str, name: str) -> Repo | None:
        """A repository by name, in any case of letters."""
        return self.repos.get(f"{owner}/{name}".lower())

    # ------------------------------------------------------------------ what happens

    def touch(self, repo: Repo, issue: Issue) -> None:
        """The issue changed now."""
        issue.updated = max(issue.updated, self.now())
        repo.version += 1

    def record(self, repo: Repo, issue: Issue, kind: str, actor: str, **detail: Any) -> Event:
        """Something happened to an issue."""
        event = Event(self.next_id(), kind, actor, self.now(), detail)
        issue.events.append(event)
        repo.events.append((issue, event))
        self.touch(repo, issue)
        return event

    def emit(self, event: str, payload: dict[str, Any]) -> None:
        """Queue a webhook, if anybody listens."""
        if self.hooks:
            self.outbox.append((event, payload))

    def write_log(
        self, method: str, path: str, operation: str, status: int, token: str, fault: str, *, applied: bool
    ) -> None:
        """Note one request; the oldest lines go when there are too many."""
        self._requests += 1
        self.log.append(
            LogLine(self._requests, self.clock(), method, path, operation, status, token, fault, applied)
        )
        if len(self.log) > LOG_LENGTH:
            del self.log[: LOG_LENGTH // 2]

    @property
    def requests(self) -> int:
        """How many requests were answered."""
        return self._requests

"""What a handler gets and gives, a call and a reply or a refusal, and the table of operations."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from hundredfold.simulation.forge.hub import Hub, Repo
from hundredfold.simulation.forge.records import Actor, Issue

PER_PAGE, MOST_PER_PAGE = 30, 100
T = TypeVar("T")


class Refused(Exception):
    """An error answer, in GitHub's words."""

    def __init__(self, status: int, message: str, errors: list[Any] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.errors = errors


@dataclass(slots=True)
class Reply:
    """An answer: `body` is JSON-able, bytes (with their content type) or None."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = "application/json"


@dataclass(slots=True)
class Call:
    """One request to one operation."""

    hub: Hub
    actor: Actor | None
    operation: str
    path: str
    params: dict[str, str]
    query: dict[str, str]
    body: dict[str, Any]
    accept: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    _repo: Repo | None = None

    @property
    def repo(self) -> Repo:
        """The repository that the path names.

        Raises:
            Refused: there is none, or the actor may not see it.
        """
        if self._repo is None:
            found = self.hub.find_repo(self.params["owner"], self.params["repo"])
            if found is None or (found.private and self.actor is None):
                raise Refused(404, "Not Found")
            if self.actor is not None and self.actor.app is not None:
                installed = {
                    one.account for one in self.hub.installations.values() if one.app == self.actor.app
                }
                if found.owner not in installed and found.private:
                    raise Refused(404, "Not Found")
            self._repo = found
        return self._repo

    @property
    def me(self) -> str:
        """The actor's login."""
        return self.actor.login if self.actor is not None else "ghost"

    def number(self, name: str) -> int:
        """A number in the path.

        Raises:
            Refused: it is none.
        """
        text = self.params[name]
        if not text.isdecimal():
            raise Refused(404, "Not Found")
        return int(text)

    def issue(self, name: str = "issue_number") -> Issue:
        """The issue (or pull request) that the path names.

        Raises:
            Refused: there is none.
        """
        return present(self.repo.issues.get(self.number(name)))

    def require(self, topic: str, access: str = "write") -> None:
        """Refuse who may not do this.

        Raises:
            Refused: not signed in, or without the permission.
        """
        if self.actor is None:
            raise Refused(401, "Requires authentication")
        if not self.actor.may(topic, access):
            kind = "integration" if self.actor.app is not None else "personal access token"
            raise Refused(403, f"Resource not accessible by {kind}")

    def page(self, entries: Sequence[T], render: Callable[[T], Any]) -> Reply:
        """One page of a list, with Link headers."""
        part, headers = self.cut(entries)
        return Reply(body=[render(one) for one in part], headers=headers)

    def cut(self, entries: Sequence[T]) -> tuple[Sequence[T], dict[str, str]]:
        """The entries of the page asked for, and the headers that tell of the others."""
        size = min(MOST_PER_PAGE, max(1, _int(self.query.get("per_page"), PER_PAGE)))
        page = max(1, _int(self.query.get("page"), 1))
        last = max(1, -(-len(entries) // size))
        links = []
        if page > 1:
            links += [self._link(page - 1, "prev"), self._link(1, "first")]
        if page < last:
            links += [self._link(page + 1, "next"), self._link(last, "last")]
        headers = {"Link": ", ".join(links)} if links else {}
        return entries[(page - 1) * size : page * size], headers

    def _link(self, page: int, rel: str) -> str:
        from urllib.parse import urlencode

        query = urlencode({**self.query, "page": str(page)})
        return f'<{self.hub.url}/api/v3{self.path}?{query}>; rel="{rel}"'

    def text(self, name: str, *, required: bool = True) -> str:
        """A text of the body.

        Raises:
            Refused: it is missing or no text.
        """
        value = self.body.get(name)
        if value is None and not required:
            return ""
        if not isinstance(value, str):
            raise invalid(f'"{name}" wasn\'t supplied.', name)
        return value


def present(value: T | None) -> T:
    """The value, or GitHub's 404."""
    if value is None:
        raise Refused(404, "Not Found")
    return value


def invalid(message: str, name: str = "", code: str = "invalid", resource: str = "") -> Refused:
    """A 422 in the form of GitHub's validation errors."""
    error = {"resource": resource or "Issue", "field": name, "code": code, "message": message}
    return Refused(422, "Validation Failed", [error])


def _int(text: str | None, default: int) -> int:
    return int(text) if text and text.isdecimal() else default


Handler = Callable[[Call], Reply]


@dataclass(slots=True)
class Operation:
    """One operation: its method, its path as the description writes it, and what handles it."""

    method: str
    template: str
    pattern: re.Pattern[str]
    handler: Handler
    content: bool  # makes content, for the secondary limits

    @property
    def name(self) -> str:
        """Like "GET /repos/{owner}/{repo}"."""
        return f"{self.method} {self.template}"


_GREEDY = frozenset({"path", "ref", "basehead", "branch"})
OPERATIONS: list[Operation] = []


def operation(method: str, template: str, *, content: bool = False) -> Callable[[Handler], Handler]:
    """Register a handler under the method and path of GitHub's description."""

    def part(match: re.Match[str]) -> str:
        name = match[1]
        return f"(?P<{name}>.+)" if name in _GREEDY else f"(?P<{name}>[^/]+)"

    pattern = re.compile(re.sub(r"\{(\w+)\}", part, template))

    def register(handler: Handler) -> Handler:
        OPERATIONS.append(Operation(method, template, pattern, handler, content))
        return handler

    return register


def find_operation(method: str, path: str) -> tuple[Operation, dict[str, str]] | None:
    """The operation of a request, the one that names most of its path; None if there is none."""
    found = [
        (one, match.groupdict())
        for one in OPERATIONS
        if one.method == method and (match := one.pattern.fullmatch(path)) is not None
    ]
    return max(found, key=lambda pair: len(re.sub(r"\{\w+\}", "", pair[0].template)), default=None)

"""One repository on GitHub as the forge reads it: live, and nothing remembered between two questions."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from hundredfold.forges.github.calls import Answer, Call, GitHubError, Shut, path_of
from hundredfold.forges.github.client import GitHubClient
from hundredfold.forges.protocol import Stale
from hundredfold.forges.subject import Subject, text_digest

NEWEST = 300  # of a list that is searched for what is ours
GONE = (404, 410)


class Repo:
    """Reads `owner/name` through a client."""

    def __init__(self, client: GitHubClient, repository: str) -> None:
        self.client = client
        self.repository = repository
        self.owner = repository.partition("/")[0]

    def path(self, *parts: str | int) -> str:
        """A path below the repository."""
        return path_of("repos", *self.repository.split("/"), *parts)

    async def read(self, *parts: str | int) -> dict[str, Any] | None:
        """One object (without parts the repository); None if there is none, or none any more.

        Raises:
            Shut: the repository itself can't be seen, so nothing is known of what is in it.
        """
        call = Call("GET", self.path(*parts))
        try:
            found: dict[str, Any] = (await (self.send if parts else self.client.send)(call)).json()
        except Shut:
            raise
        except GitHubError as error:
            if error.status not in GONE:
                raise
            return None
        return found

    async def send(self, call: Call) -> Answer:
        """Send a call about something in the repository.

        Raises:
            Shut: as for `read`.
            GitHubError: as `GitHubClient.send`.
        """
        try:
            return await self.client.send(call)
        except GitHubError as error:
            if error.status in GONE:
                await self._require_seen()
            raise

    async def remove(self, call: Call, gone: tuple[int, ...] = GONE) -> None:
        """Send a DELETE; that there is nothing to delete any more is fine.

        Args:
            gone: the statuses by which GitHub says so.

        Raises:
            Shut: as for `read`.
        """
        try:
            await self.send(call)
        except Shut:
            raise
        except GitHubError as error:
            if error.status not in gone:
                raise

    async def _require_seen(self) -> None:
        """A token that lost a private repository, and a wrong name, get the answer that all is gone."""
        try:
            await self.client.send(Call("GET", self.path()))
        except GitHubError as error:
            if error.status not in (403, *GONE):
                raise
            raise Shut(
                f"{self.repository} can't be seen: GitHub answered {error.status}",
                "Is [forge] repository right, and may the token still see it?",
                status=error.status,
            ) from error

    async def entries(self, *parts: str | int, most: int = 0, **query: str) -> AsyncIterator[dict[str, Any]]:
        """The entries of a list, all or the first `most`."""
        number = 0
        async for one in self.listed(Call("GET", self.path(*parts), query=tuple(query.items()))):
            if most and number >= most:
                return
            number += 1
            yield one

    async def listed(self, call: Call, key: str = "") -> AsyncIterator[dict[str, Any]]:
        """Every entry of a list in the repository; `key` as for `GitHubClient.entries`.

        Raises:
            Shut: as for `read`; such a list would look like one that is not kept.
        """
        try:
            async for one in self.client.entries(call, key):
                yield one
        except GitHubError as error:
            if error.status in GONE:
                await self._require_seen()
            raise

    async def ours(self, *parts: str | int, most: int = 0, **query: str) -> AsyncIterator[dict[str, Any]]:
        """Those entries of a list whose author we are."""
        login = await self.client.login()
        async for one in self.entries(*parts, most=most, **query):
            if (one.get("user") or {}).get("login") == login:
                yield one

    async def subject(self, number: int) -> Subject:
        """An issue or pull request.

        Raises:
            Stale: there is none of that number.
        """
        issue = await self.read("issues", number)
        if issue is None:
            raise Stale(f"#{number} is gone, or was never there")
        head, branch = "", ""
        if issue.get("pull_request"):
            pull = await self.read("pulls", number)
            head = pull["head"]["sha"] if pull else ""
            branch = pull["head"]["ref"] if pull else ""
        return Subject(
            number=number,
            state=issue["state"],
            text=text_digest(issue["title"], issue.get("body")),
            labels=tuple(sorted(one if isinstance(one, str) else one["name"] for one in issue["labels"])),
            updated_at=issue["updated_at"],
            head=head,
            branch=branch,
            reason=issue.get("state_reason") or "",
            locked=bool(issue.get("locked")),
        )

    async def branch(self, name: str) -> str | None:
        """The sha a branch is at; None if it is not there."""
        found = await self.read("git", "ref", "heads", *name.split("/"))
        return str(found["object"]["sha"]) if found and found.get("object") else None

    async def pull_of(self, branch: str) -> int:
        """The number of the one open pull request whose head is that branch of this repository.

        Raises:
            Stale: there is none, or several.
        """
        found = [
            int(one["number"])
            async for one in self.entries("pulls", head=f"{self.owner}:{branch}", state="open")
            if one["head"]["ref"] == branch
        ]
        if len(found) != 1:
            raise Stale(f"there {'is no' if not found else 'are several'} open pull request of {branch!r}")
        return found[0]

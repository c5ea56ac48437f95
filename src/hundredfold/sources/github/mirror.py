"""One synchronisation of the mirror: resource by resource, each from where it was left.

Every page is kept in one transaction with the cursor that stands behind it, so a sync that is killed goes on
at that page. A list that GitHub sorts by time of change and filters by `since` is read from old to new: after
a full page the next question is "since the last one seen", which loses nothing when items move while they
are read; the last, partial page is asked again with its ETag and costs nothing while it is unchanged. A list
without `since` is read from new to old until it reaches what is known.

Rate limits are the client's (`forges.github.client`): it waits, or says when to come back.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from msgspec import Struct
from msgspec.structs import asdict

from hundredfold.errors import LimitReached
from hundredfold.forges.github.calls import Answer, Call, GitHubError, RateLimited, path_of
from hundredfold.forges.github.client import GitHubClient
from hundredfold.sources.github import bodies
from hundredfold.sources.github.details import Details
from hundredfold.store import mirror as store
from hundredfold.store.blobs import Blobs
from hundredfold.store.database import Database
from hundredfold.store.mirrorrows import LabelRow

PAGE = 100
#: GitHub's lists lag a little behind its writes; so recent a time is not taken for passed
LAG_US = 60 * 1_000_000
DAY_US = 86_400 * 1_000_000
Tick = Callable[[str, int, int], None]


class Wanted(Struct, frozen=True):
    """What is read besides issues, pull requests and their comments.

    `days`: reviews, checks, events, commits and workflow runs of so many days; 0 = all there are.
    `log_bytes`: the longest log or artifact that is fetched.
    """

    days: float = 90.0
    log_bytes: int = 16 * 2**20


class Synced(Struct, frozen=True):
    """What a sync did: rows read by resource, requests sent, how many of those said "unchanged", seconds
    waited for rate limits, what was refused (by resource, with GitHub's words), seconds in all."""

    read: dict[str, int]
    requests: int
    unchanged: int
    retries: int
    waited_s: float
    refused: dict[str, str]
    seconds: float


class _Newest(Struct):
    """The cursor of a list that is read from new to old: all up to `until` and not older than `floor_us` is
    known; a pass that began with `top` is at `page`."""

    until: int = 0
    page: int = 1
    top: int = 0
    etag: str = ""
    floor_us: int = 0


class _Oldest(Struct):
    """The cursor of a list that is read from old to new."""

    since: str = ""
    page: int = 1
    etag: str = ""


class Mirror:
    """Reads one repository into the store.

    Args:
        client: with a credential that may read it.
        repository: owner/name.
        tick: told of each resource how many entries were read and how many there will be (0 = unknown).
        clock: UTC microseconds.
    """

    def __init__(
        self,
        client: GitHubClient,
        database: Database,
        blobs: Blobs,
        project: str,
        repository: str,
        wanted: Wanted = Wanted(),  # noqa: B008 (frozen)
        *,
        tick: Tick = lambda _resource, _done, _all: None,
        clock: Callable[[], int] = lambda: time.time_ns() // 1000,
    ) -> None:
        self.client, self.database, self.project, self.repository = client, database, project, repository
        self.floor_us = clock() - int(wanted.days * DAY_US) if wanted.days else 0
        self._clock, self._tick = clock, tick
        self._root = path_of("repos", *repository.split("/", 1))
        self._read: dict[str, int] = {}
        self._details = Details(
            client, database, blobs, project, self._root, wanted.log_bytes, self.floor_us, tick, clock
        )

    async def sync(self) -> Synced:
        """Bring the mirror up to date.

        Raises:
            GitHubError: the repository can't be read, or GitHub can't be reached; what was read is kept.
            LimitReached: a rate limit lasts longer than the client waits; the next sync goes on from there.
        """
        began, before = time.monotonic(), asdict(self.client.tally)
        refused: dict[str, str] = {}
        self._forget_another()
        branch = str((await self.client.send(Call("GET", self._root))).json()["default_branch"])
        parts = {
            "labels": self._labels,
            "issues": lambda: self._oldest_first("issues", "/issues", (("state", "all"),)),
            "comments": lambda: self._oldest_first("comments", "/issues/comments"),
            "inline": lambda: self._oldest_first("inline", "/pulls/comments"),
            "pulls": lambda: self._newest_first("pulls", "/pulls", _PULLS, "updated_us"),
            "events": lambda: self._newest_first("events", "/issues/events", (), "id", "at_us"),
            "recounted": self._details.recounted,
            "reviews": self._details.reviews,
            "commits": lambda: self._commits(branch),
            "runs": lambda: self._newest_first(
                "runs", "/actions/runs", (), "id", "created_us", "workflow_runs"
            ),
            "checks": self._details.checks,
            "logs": self._details.logs,
        }
        for name, part in parts.items():
            try:
                done = await part()
            except RateLimited as error:
                raise LimitReached(
                    f"the mirror of {self.repository} stopped at its {name}: {error}",
                    f"{error.mend} The next `hundredfold mirror` goes on from there.",
                ) from error
            except GitHubError as error:
                if error.status not in (403, 404, 410):  # may not be read, or is switched off
                    raise
                refused[name] = str(error)
                continue
            self._read[name] = self._read.get(name, 0) + (done or 0)
        with self.database.write() as connection:
            store.keep_cursor(connection, self.database, self.project, "whole", self.repository, {})
            store.prune_deliveries(connection, self.project)
        used = asdict(self.client.tally)
        return Synced(
            self._read,
            **{name: used[name] - before[name] for name in ("requests", "unchanged", "retries", "waited_s")},
            refused=refused,
            seconds=time.monotonic() - began,
        )

    def _forget_another(self) -> None:
        """A mirror of another repository would be mixed up with this one."""
        for resource in ("whole", "labels"):
            kept = store.cursor(self.database, self.project, resource)
            if kept is not None and kept.repository != self.repository:
                store.forget(self.database, self.project)

    def _cursor(self, resource: str) -> dict[str, Any]:
        kept = store.cursor(self.database, self.project, resource)
        return {} if kept is None else kept.state

    def _keep(self, resource: str, rows: list[Any], cursor: Struct) -> None:
        with self.database.write() as connection:
            store.keep(connection, self.database, self.project, rows)
            store.keep_cursor(
                connection, self.database, self.project, resource, self.repository, asdict(cursor)
            )
        self._read[resource] = self._read.get(resource, 0) + len(rows)

    async def _labels(self) -> None:
        etag, rows = self._cursor("labels").get("etag", ""), []
        first = ""
        async for answer in self.client.pages(Call("GET", f"{self._root}/labels"), etag=etag):
            if answer.unchanged:
                return
            first = first or answer.etag
            rows += [bodies.label(one) for one in answer.json()]
        with self.database.write() as connection:
            store.drop(connection, self.project, LabelRow)
        self._keep("labels", rows, _Oldest(etag=first))

    async def _oldest_first(self, resource: str, path: str, query: tuple[tuple[str, str], ...] = ()) -> None:
        """A list with `since`, sorted by its time of change."""
        at = _Oldest(**self._cursor(resource))
        read = bodies.READERS[resource]
        known = 0
        while True:
            asked = (*query, ("sort", "updated"), ("direction", "asc"), ("per_page", str(PAGE)))
            if at.since:
                asked += (("since", at.since),)
            if at.page > 1:
                asked += (("page", str(at.page)),)
            answer = await self.client.send(Call("GET", self._root + path, query=asked), etag=at.etag)
            if answer.unchanged:
                return
            found = answer.json()
            rows = [read(one) for one in found]
            at.etag = answer.etag
            if len(found) >= PAGE:
                at = self._after(at, rows[-1].updated_us)
            known += len(rows)
            self._keep(resource, rows, at)
            self._tick(resource, known, known + _left(answer))
            if len(found) < PAGE:
                return

    def _after(self, at: _Oldest, last_us: int) -> _Oldest:
        """Where to go on after a full page whose last entry changed at `last_us`."""
        if last_us > self._clock() - 10 * LAG_US:
            last_us -= LAG_US
        last = bodies.time_text(last_us)
        return _Oldest(last) if last > at.since else _Oldest(at.since, at.page + 1)

    async def _newest_first(
        self,
        resource: str,
        path: str,
        query: tuple[tuple[str, str], ...],
        key: str,
        time_key: str = "",
        inside: str = "",
    ) -> None:
        """A list from new to old, until it reaches what is known or what is too old.

        Args:
            key: the row's field by which the list falls.
            time_key: the field that is compared with the floor; "" = the list is read to its end once.
            inside: where an answer holds its list, if it is no list itself.
        """
        state = self._cursor(resource)
        if time_key and self._reaches_below(state):
            state = {}
        at = _Newest(**(state or {"floor_us": self.floor_us}))
        read = bodies.READERS[resource]
        known = 0
        while True:
            asked = (*query, ("per_page", str(PAGE)), ("page", str(at.page)))
            call = Call("GET", self._root + path, query=asked)
            answer = await self.client.send(call, etag=at.etag if at.page == 1 else "")
            if answer.unchanged:
                return
            found = answer.json()
            entries = found[inside] if inside else found
            rows = [read(one) for one in entries]
            keys = [getattr(row, key) for row in rows]
            if at.page == 1:
                at.top, at.etag = max(keys, default=at.until), answer.etag
            rows = [row for row in rows if not time_key or getattr(row, time_key) >= self.floor_us]
            if sum(getattr(row, key) > at.until for row in rows) < sum(one > at.until for one in keys):
                at.floor_us = self.floor_us  # what is older was left out
            known += len(rows)
            over = len(entries) < PAGE or min(keys) < at.until or len(rows) < len(entries)
            at = (
                _Newest(at.top, 1, at.top, at.etag, at.floor_us)
                if over
                else _Newest(at.until, at.page + 1, at.top, at.etag, at.floor_us)
            )
            self._keep(resource, rows, at)
            self._tick(
                resource, known, 0 if at.until and not over else known + (0 if over else _left(answer))
            )
            if over:
                return

    async def _commits(self, branch: str) -> None:
        """Commits of the default branch: what the new head has that the known one has not."""
        state = self._cursor("commits")
        if self._reaches_below(state):
            state = {}
        call = Call("GET", self._root + path_of("branches", branch))
        answer = await self.client.send(call, etag=state.get("etag", ""))
        if answer.unchanged:
            return
        head, old = str(answer.json()["commit"]["sha"]), state.get("head", "")
        if (
            old
            and old != head
            and await self._compared(_Head(old, floor_us=state["floor_us"]), head, answer.etag)
        ):
            return
        query = (
            (("sha", head), ("since", bodies.time_text(self.floor_us))) if self.floor_us else (("sha", head),)
        )
        rows: list[Any] = []
        async for page in self.client.pages(Call("GET", f"{self._root}/commits", query=query)):
            rows = [bodies.commit(one) for one in page.json()]
            self._keep("commits", rows, _Head())
            self._tick("commits", self._read["commits"], 0)
        self._keep("commits", [], _Head(head, answer.etag, self.floor_us))

    def _reaches_below(self, state: dict[str, Any]) -> bool:
        """Whether more days are wanted now than the cursor says were read; it says nothing if it was kept
        before cursors had a floor."""
        floor_us = state.get("floor_us")
        return floor_us is None or self.floor_us < floor_us - LAG_US

    async def _compared(self, old: _Head, head: str, etag: str) -> bool:
        """Read what came since `old`; False if that is no longer an ancestor."""
        call = Call("GET", self._root + path_of("compare", f"{old.head}...{head}"))
        try:
            async for page in self.client.pages(call):
                found = page.json()
                if found["status"] not in ("ahead", "identical"):
                    return False
                self._keep("commits", [bodies.commit(one) for one in found["commits"]], old)
        except GitHubError as error:
            if error.status not in (404, 422):
                raise
            return False
        self._keep("commits", [], _Head(head, etag, old.floor_us))
        return True


class _Head(Struct):
    """The cursor of commits: the head that is known down to `floor_us`, and the ETag of the branch that said
    so."""

    head: str = ""
    etag: str = ""
    floor_us: int = 0


_PULLS = (("state", "all"), ("sort", "updated"), ("direction", "desc"))


def _left(answer: Answer) -> int:
    """About how many entries come after this page, by the Link header."""
    from urllib.parse import parse_qs, urlsplit

    numbers = {}
    for part in answer.headers.get("link", "").split(","):
        address, _, relation = part.partition(">;")
        page = parse_qs(urlsplit(address.strip().removeprefix("<")).query).get("page", [""])[0]
        numbers[relation.strip()] = int(page) if page.isdecimal() else 0
    last, following = numbers.get('rel="last"', 0), numbers.get('rel="next"', 0)
    return max(0, last - following + 1) * PAGE if following else 0

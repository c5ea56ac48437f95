"""What GitHub gives only item by item: reviews, checks, jobs with logs and artifacts, deleted comments.

Each is asked for once for a change that the lists told of, newest first, and only inside the window of days.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import sqlalchemy as sa

from hundredfold.forges.github.calls import Call, GitHubError
from hundredfold.forges.github.client import GitHubClient
from hundredfold.sources.github import bodies
from hundredfold.store import mirror as store
from hundredfold.store.blobs import Blobs
from hundredfold.store.database import Database
from hundredfold.store.mirrorrows import ArtifactRow, CommentRow, JobRow, ReviewRow
from hundredfold.store.tables.mirror import mirror_comments, mirror_issues, mirror_pulls, mirror_runs

FAILED = ("failure", "timed_out", "startup_failure")
MOST_RECOUNTED = 200  # items a sync whose comments are listed anew
SETTLED_AFTER_US = 3_600 * 1_000_000  # a pull request that was quiet so long gets no first check by itself


class Details:
    """Reads what the lists left out.

    Args:
        root: the repository's path in the API.
        floor_us: nothing older is asked for.
        tick: told of each resource how many items were asked for, of how many.
        clock: UTC microseconds.
    """

    def __init__(
        self,
        client: GitHubClient,
        database: Database,
        blobs: Blobs,
        project: str,
        root: str,
        log_bytes: int,
        floor_us: int,
        tick: Callable[[str, int, int], None],
        clock: Callable[[], int],
    ) -> None:
        self._tick, self._clock = tick, clock
        self._client, self._database, self._blobs, self._project = client, database, blobs, project
        self._root, self._log_bytes, self._floor_us = root, log_bytes, floor_us

    async def recounted(self) -> int:
        """List the comments anew of items with another number of them than the mirror has."""
        issues, comments = mirror_issues.c, mirror_comments.c
        counted = (
            sa.select(sa.func.count())
            .where(
                comments.project == issues.project, comments.number == issues.number, comments.kind == "issue"
            )
            .scalar_subquery()
        )
        since = self._checked_us()
        query = (
            sa.select(issues.number, issues.updated_us)
            .where(issues.project == self._project, issues.updated_us >= since, issues.comments != counted)
            .order_by(issues.updated_us)
            .limit(MOST_RECOUNTED)
        )
        with self._database.read() as connection:
            wrong = connection.execute(query).all()
            newest = connection.execute(
                sa.select(sa.func.max(issues.updated_us)).where(issues.project == self._project)
            ).scalar()
        for number, _ in wrong:
            call = Call("GET", f"{self._root}/issues/{number}/comments")
            found = [bodies.comment(one) async for one in self._client.entries(call)]
            with self._database.write() as connection:
                store.drop(connection, self._project, CommentRow, number=number, kind="issue")
                store.keep(connection, self._database, self._project, found)
        done = wrong[-1].updated_us if len(wrong) == MOST_RECOUNTED else newest
        with self._database.write() as connection:
            state = {"until": done or 0}
            store.keep_cursor(connection, self._database, self._project, "recounted", "", state)
        return len(wrong)

    def _checked_us(self) -> int:
        kept = store.cursor(self._database, self._project, "recounted")
        return 0 if kept is None else int(kept.state["until"])

    async def reviews(self) -> int:
        """The reviews of pull requests that changed since theirs were read."""
        pulls = mirror_pulls.c
        query = (
            sa.select(pulls.number, pulls.updated_us)
            .where(
                pulls.project == self._project,
                pulls.updated_us > pulls.reviews_us,
                pulls.updated_us >= self._floor_us,
            )
            .order_by(pulls.updated_us.desc())
        )
        read = 0
        for number, updated_us in self._ticked("reviews", query):
            call = Call("GET", f"{self._root}/pulls/{number}/reviews")
            found = [bodies.review(one) async for one in self._client.entries(call)]
            with self._database.write() as connection:
                store.drop(connection, self._project, ReviewRow, number=number)
                store.keep(connection, self._database, self._project, found)
                self._note(connection, mirror_pulls, pulls.number == number, reviews_us=updated_us)
            read += len(found)
        return read

    async def checks(self) -> int:
        """Check runs and statuses of the heads of open pull requests, until all have ended; again once
        a workflow ran on one anew."""
        self._reopen()
        pulls, issues = mirror_pulls.c, mirror_issues.c
        query = (
            sa.select(pulls.number, pulls.head_sha, pulls.updated_us)
            .join(mirror_issues, sa.and_(issues.project == pulls.project, issues.number == pulls.number))
            .where(
                pulls.project == self._project,
                issues.state == "open",
                pulls.head_sha != pulls.checks_sha,
                pulls.updated_us >= self._floor_us,
            )
            .order_by(pulls.updated_us.desc())
        )
        read = 0
        for number, sha, updated_us in self._ticked("checks", query):
            base = f"{self._root}/commits/{sha}"
            try:
                runs = self._client.entries(Call("GET", f"{base}/check-runs"), "check_runs")
                found = [bodies.check(one) async for one in runs]
                statuses = self._client.entries(Call("GET", f"{base}/status"), "statuses")
                found += [bodies.status(one, sha) async for one in statuses]
            except GitHubError as error:
                if error.status != 422:  # the commit is gone: its branch was forced away
                    raise
                found = []
            over = all(one.status == "completed" for one in found)
            settled = over and (bool(found) or updated_us < self._clock() - SETTLED_AFTER_US)
            with self._database.write() as connection:
                store.keep(connection, self._database, self._project, found)
                if settled:
                    self._note(connection, mirror_pulls, pulls.number == number, checks_sha=sha)
            read += len(found)
        return read

    def _reopen(self) -> None:
        """Heads that a workflow run came to since the last sync are asked for their checks again."""
        pulls, runs = mirror_pulls.c, mirror_runs.c
        ours = runs.project == self._project
        kept = store.cursor(self._database, self._project, "checks")
        with self._database.write() as connection:
            newest = connection.execute(sa.select(sa.func.max(runs.id)).where(ours)).scalar() or 0
            if kept is not None:
                came = sa.select(runs.sha).where(ours, runs.id > int(kept.state["run"]))
                self._note(connection, mirror_pulls, pulls.checks_sha.in_(came), checks_sha="")
            store.keep_cursor(connection, self._database, self._project, "checks", "", {"run": newest})

    async def logs(self) -> int:
        """Unfinished runs again, then jobs, failed jobs' logs and artifacts of runs that failed."""
        runs = mirror_runs.c
        inside = (runs.project == self._project, runs.created_us >= self._floor_us)
        unfinished = sa.select(runs.id).where(*inside, runs.status != "completed")
        for (number,) in self._all(unfinished):
            row = bodies.run(
                (await self._client.send(Call("GET", f"{self._root}/actions/runs/{number}"))).json()
            )
            with self._database.write() as connection:
                store.keep(connection, self._database, self._project, [row])
        failed = (
            sa.select(runs.id, runs.updated_us)
            .where(*inside, runs.conclusion.in_(FAILED), runs.updated_us > runs.read_us)
            .order_by(runs.created_us.desc())
        )
        read = 0
        for number, updated_us in self._ticked("logs", failed):
            base = f"{self._root}/actions/runs/{number}"
            jobs = [
                await self._logged(bodies.job(one))
                async for one in self._client.entries(Call("GET", f"{base}/jobs"), "jobs")
            ]
            artifacts = [
                await self._fetched(bodies.artifact(one, number))
                async for one in self._client.entries(Call("GET", f"{base}/artifacts"), "artifacts")
            ]
            with self._database.write() as connection:
                for kind in (JobRow, ArtifactRow):
                    store.drop(connection, self._project, kind, run=number)
                store.keep(connection, self._database, self._project, [*jobs, *artifacts])
                self._note(connection, mirror_runs, runs.id == number, read_us=updated_us)
            read += sum(one.log is not None for one in jobs)
        return read

    async def _logged(self, job: JobRow) -> JobRow:
        """The job with its log, if it failed."""
        from msgspec.structs import replace

        if job.conclusion not in FAILED:
            return replace(job, omitted="it did not fail")
        key, why = await self._blob(f"{self._root}/actions/jobs/{job.id}/logs")
        return replace(job, log=key, omitted=why)

    async def _fetched(self, artifact: ArtifactRow) -> ArtifactRow:
        """The artifact with its archive, if it is not too large."""
        from msgspec.structs import replace

        if artifact.omitted:
            return artifact
        if artifact.bytes > self._log_bytes:
            return replace(artifact, omitted=f"it is larger than {self._log_bytes} bytes")
        key, why = await self._blob(f"{self._root}/actions/artifacts/{artifact.id}/zip")
        return replace(artifact, blob=key, omitted=why)

    async def _blob(self, path: str) -> tuple[str | None, str]:
        """The key of what is downloaded there, or why there is nothing."""
        try:
            answer = await self._client.send(Call("GET", path), most=self._log_bytes)
        except GitHubError as error:
            if error.status in (403, 404, 410) or error.status == 200:  # expired, deleted, or too long
                return None, str(error)
            raise
        return self._blobs.put(answer.body), ""

    def _ticked(self, resource: str, query: sa.Select[Any]) -> Iterator[Any]:
        """The query's rows, telling how many of them are worked off."""
        found = self._all(query)
        for number, row in enumerate(found, 1):
            yield row
            self._tick(resource, number, len(found))

    def _all(self, query: sa.Select[Any]) -> list[Any]:
        with self._database.read() as connection:
            return list(connection.execute(query).all())

    def _note(self, connection: sa.Connection, table: sa.Table, which: Any, **values: Any) -> None:
        connection.execute(sa.update(table).where(table.c.project == self._project, which).values(**values))

"""Reading the mirror of a forge, and keeping rows and cursors in it. Its texts are data from outside.

`keep` never lets an older row overwrite a newer one, so answers and webhooks may come in any order.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeVar

import msgspec
import sqlalchemy as sa
from msgspec import Struct

from hundredfold.store.database import Database, insert_ignore, now_us
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
    Row,
    RunRow,
)
from hundredfold.store.tables import mirror as tables
from hundredfold.store.text import storable

CHUNK = 500  # rows read at once: bodies may be long
DELIVERIES_KEPT_US = 180 * 86_400 * 1_000_000


R = TypeVar("R", bound=Struct)

_TABLES: dict[type[Struct], sa.Table] = {
    IssueRow: tables.mirror_issues,
    PullRow: tables.mirror_pulls,
    CommentRow: tables.mirror_comments,
    ReviewRow: tables.mirror_reviews,
    LabelRow: tables.mirror_labels,
    CommitRow: tables.mirror_commits,
    EventRow: tables.mirror_events,
    CheckRow: tables.mirror_checks,
    RunRow: tables.mirror_runs,
    JobRow: tables.mirror_jobs,
    ArtifactRow: tables.mirror_artifacts,
}
#: what is ours: how far it was read and where what was fetched is kept. A new answer leaves it as it is
_OURS = frozenset({"reviews_us", "checks_sha", "read_us", "log", "blob", "omitted"})


# ------------------------------------------------------------------ reading


def issues(
    database: Database,
    project: str,
    *,
    pull: bool | None = False,
    state: str = "",
    since_us: int = 0,
) -> Iterator[IssueRow]:
    """The project's issues by number, `CHUNK` at a time; `pull=None` gives pull requests too.

    Args:
        state: only "open" or "closed" ones.
        since_us: only those changed at or after.
    """
    table, last = tables.mirror_issues, 0
    wanted = [table.c.project == project, table.c.updated_us >= since_us]
    if pull is not None:
        wanted.append(table.c.pull == pull)
    if state:
        wanted.append(table.c.state == state)
    while True:
        query = sa.select(table).where(*wanted, table.c.number > last).order_by(table.c.number).limit(CHUNK)
        found = _rows(database, IssueRow, query)
        yield from found
        if len(found) < CHUNK:
            return
        last = found[-1].number


def issue(database: Database, project: str, number: int) -> IssueRow | None:
    """One issue or pull request."""
    table = tables.mirror_issues
    return _one(
        database, IssueRow, sa.select(table).where(table.c.project == project, table.c.number == number)
    )


def pull(database: Database, project: str, number: int) -> PullRow | None:
    """What one pull request has besides its issue."""
    table = tables.mirror_pulls
    return _one(
        database, PullRow, sa.select(table).where(table.c.project == project, table.c.number == number)
    )


def pulls(database: Database, project: str, *, state: str = "", head_sha: str = "") -> list[PullRow]:
    """The project's pull requests, newest change first; `state` is "open" or "closed"."""
    table, issue_table = tables.mirror_pulls, tables.mirror_issues
    query = sa.select(table).where(table.c.project == project).order_by(table.c.updated_us.desc())
    if head_sha:
        query = query.where(table.c.head_sha == head_sha)
    if state:
        query = query.join(
            issue_table,
            sa.and_(issue_table.c.project == table.c.project, issue_table.c.number == table.c.number),
        ).where(issue_table.c.state == state)
    return _rows(database, PullRow, query)


def comments(database: Database, project: str, number: int, *, kind: str = "") -> list[CommentRow]:
    """The comments on an issue or pull request, oldest first; `kind` is "issue" or "inline"."""
    table = tables.mirror_comments
    query = sa.select(table).where(table.c.project == project, table.c.number == number)
    if kind:
        query = query.where(table.c.kind == kind)
    return _rows(database, CommentRow, query.order_by(table.c.created_us, table.c.id))


def reviews(database: Database, project: str, number: int) -> list[ReviewRow]:
    """The reviews of a pull request, oldest first."""
    table = tables.mirror_reviews
    query = sa.select(table).where(table.c.project == project, table.c.number == number)
    return _rows(database, ReviewRow, query.order_by(table.c.id))


def events(
    database: Database,
    project: str,
    *,
    number: int | None = None,
    kinds: Sequence[str] = (),
    since_us: int = 0,
) -> list[EventRow]:
    """What happened, oldest first: to one item, or of these kinds, or since a time."""
    table = tables.mirror_events
    query = sa.select(table).where(table.c.project == project, table.c.at_us >= since_us)
    if number is not None:
        query = query.where(table.c.number == number)
    if kinds:
        query = query.where(table.c.kind.in_(kinds))
    return _rows(database, EventRow, query.order_by(table.c.at_us, table.c.id))


def labels(database: Database, project: str) -> list[LabelRow]:
    """The repository's labels by name."""
    table = tables.mirror_labels
    return _rows(
        database, LabelRow, sa.select(table).where(table.c.project == project).order_by(table.c.name)
    )


def commits(database: Database, project: str, *, since_us: int = 0) -> list[CommitRow]:
    """Commits of the default branch, newest first."""
    table = tables.mirror_commits
    query = sa.select(table).where(table.c.project == project, table.c.committed_us >= since_us)
    return _rows(database, CommitRow, query.order_by(table.c.committed_us.desc(), table.c.sha))


def checks(database: Database, project: str, sha: str) -> list[CheckRow]:
    """Check runs and statuses of a commit."""
    table = tables.mirror_checks
    query = sa.select(table).where(table.c.project == project, table.c.sha == sha)
    return _rows(database, CheckRow, query.order_by(table.c.name, table.c.id))


def runs(
    database: Database, project: str, *, conclusions: Sequence[str] = (), since_us: int = 0
) -> list[RunRow]:
    """Workflow runs, newest first; `conclusions` like ("failure", "timed_out")."""
    table = tables.mirror_runs
    query = sa.select(table).where(table.c.project == project, table.c.created_us >= since_us)
    if conclusions:
        query = query.where(table.c.conclusion.in_(conclusions))
    return _rows(database, RunRow, query.order_by(table.c.created_us.desc(), table.c.id.desc()))


def jobs(database: Database, project: str, run: int) -> list[JobRow]:
    """The jobs of a workflow run."""
    table = tables.mirror_jobs
    query = sa.select(table).where(table.c.project == project, table.c.run == run)
    return _rows(database, JobRow, query.order_by(table.c.id))


def artifacts(database: Database, project: str, run: int) -> list[ArtifactRow]:
    """What a workflow run uploaded."""
    table = tables.mirror_artifacts
    query = sa.select(table).where(table.c.project == project, table.c.run == run)
    return _rows(database, ArtifactRow, query.order_by(table.c.id))


def counts(database: Database, project: str) -> dict[str, int]:
    """How many rows of each kind the mirror holds: "issues", "pulls", "comments", …"""
    with database.read() as connection:
        return {
            table.name.removeprefix("mirror_"): connection.execute(
                sa.select(sa.func.count()).select_from(table).where(table.c.project == project)
            ).scalar_one()
            for table in _TABLES.values()
        }


def synced_us(database: Database, project: str) -> int | None:
    """When the mirror was last brought up to date as a whole; None if it never was."""
    kept = cursor(database, project, "whole")
    return None if kept is None else kept.read_us


# ------------------------------------------------------------------ cursors and deliveries


class Cursor(Struct, frozen=True):
    """How far a resource was read: its own state, of which repository, and when."""

    repository: str
    state: dict[str, Any]
    read_us: int


def cursor(database: Database, project: str, resource: str) -> Cursor | None:
    """The cursor of a resource; None if it was never read."""
    table = tables.mirror_cursors
    query = sa.select(table).where(table.c.project == project, table.c.resource == resource)
    return _one(database, Cursor, query)


def keep_cursor(
    connection: sa.Connection,
    database: Database,
    project: str,
    resource: str,
    repository: str,
    state: dict[str, Any],
) -> None:
    """Note how far a resource was read, in the transaction that keeps what was read."""
    table = tables.mirror_cursors
    values = {"repository": repository, "state": state, "read_us": now_us()}
    insert = upsert_of(database, table).values(project=project, resource=resource, **values)
    connection.execute(insert.on_conflict_do_update(index_elements=["project", "resource"], set_=values))


def take_delivery(
    connection: sa.Connection, database: Database, project: str, delivery: str, body: str, event: str
) -> bool:
    """Whether a webhook delivery is new, by its id and by its body's digest; the next time it is not.

    In the transaction that keeps what it changes, so that a delivery is taken whole or not at all.
    """
    table = tables.mirror_deliveries
    names = (f"body {body}", f"id {storable(delivery)}")
    known = sa.select(table.c.delivery).where(table.c.project == project, table.c.delivery.in_(names))
    if connection.execute(known).first() is not None:
        return False
    for name in names:
        fresh = insert_ignore(database, table).values(
            project=project, delivery=name, event=storable(event), received_us=now_us()
        )
        if connection.execute(fresh.returning(table.c.delivery)).first() is None:
            return False
    return True


def prune_deliveries(connection: sa.Connection, project: str) -> None:
    """Forget deliveries that came more than `DELIVERIES_KEPT_US` ago.

    Replayed after that, one is taken for new; what it says is older than the rows it is about, and changes
    none that has a time of change.
    """
    table = tables.mirror_deliveries
    old = table.c.received_us < now_us() - DELIVERIES_KEPT_US
    connection.execute(sa.delete(table).where(table.c.project == project, old))


def forget(database: Database, project: str) -> None:
    """Empty the project's mirror: it is of another repository now."""
    with database.write() as connection:
        for table in (*_TABLES.values(), tables.mirror_cursors):
            connection.execute(sa.delete(table).where(table.c.project == project))


# ------------------------------------------------------------------ keeping


def keep(connection: sa.Connection, database: Database, project: str, rows: Iterable[Row]) -> int:
    """Insert rows or overwrite what they replace, unless that is newer by the forge's time. Returns how many
    rows there were."""
    by_kind: dict[type[Struct], dict[tuple[Any, ...], dict[str, Any]]] = {}
    for row in rows:
        table = _TABLES[type(row)]
        values = {"project": project, **_stored(row)}
        key = tuple(values[column.name] for column in table.primary_key.columns)
        by_kind.setdefault(type(row), {})[key] = values  # one statement can't write a row twice
    for kind, entries in by_kind.items():
        table = _TABLES[kind]
        insert = upsert_of(database, table)
        keys = [column.name for column in table.primary_key.columns]
        changed = {
            column.name: insert.excluded[column.name]
            for column in table.columns
            if column.name not in keys and column.name not in _OURS
        }
        newer = insert.excluded.updated_us >= table.c.updated_us if "updated_us" in table.c else None
        connection.execute(
            insert.on_conflict_do_update(index_elements=keys, set_=changed, where=newer),
            list(entries.values()),
        )
    return sum(map(len, by_kind.values()))


def drop(connection: sa.Connection, project: str, what: type[Struct], /, **key: Any) -> None:
    """Remove rows: what the forge no longer has."""
    table = _TABLES[what]
    wanted = [table.c[name] == value for name, value in key.items()]
    connection.execute(sa.delete(table).where(table.c.project == project, *wanted))


def upsert_of(database: Database, table: sa.Table) -> Any:
    """An INSERT that can say what to do on a conflict, for either database."""
    if database.is_sqlite:
        from sqlalchemy.dialects.sqlite import insert as sqlite_insert

        return sqlite_insert(table)
    from sqlalchemy.dialects.postgresql import insert as postgresql_insert

    return postgresql_insert(table)


def _stored(row: Struct) -> dict[str, Any]:
    return {
        name: storable(value) if isinstance(value, str) else _storable_json(value)
        for name, value in msgspec.structs.asdict(row).items()
    }


def _storable_json(value: Any) -> Any:
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, list):
        return [_storable_json(one) for one in value]
    if isinstance(value, dict):
        return {name: _storable_json(one) for name, one in value.items()}
    return value


def _rows(database: Database, kind: type[R], query: sa.Select[Any]) -> list[R]:
    names = kind.__struct_fields__
    with database.read() as connection:
        return [kind(*(row[name] for name in names)) for row in connection.execute(query).mappings()]


def _one(database: Database, kind: type[R], query: sa.Select[Any]) -> R | None:
    found = _rows(database, kind, query)
    return found[0] if found else None

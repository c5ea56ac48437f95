"""Queries on projects, runs and items: what was found, in which state it is, what changed."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

import sqlalchemy as sa
from msgspec import Struct

from hundredfold.store.database import Database, insert_ignore, now_us
from hundredfold.store.tables.work import items, projects, runs
from hundredfold.store.text import storable
from hundredfold.vocabulary import Item

ItemState = Literal["queued", "working", "done", "skipped", "incomplete", "failed", "cancelled", "listed"]
SETTLED: frozenset[ItemState] = frozenset({"done", "skipped"})  # not worked again while the digest stands
RETRY_AFTER_US = 6 * 3600 * 1_000_000
OPEN: frozenset[ItemState] = frozenset({"queued", "working"})  # in the engine's hands


class ItemRow(Struct, frozen=True):
    """An item with what became of it so far."""

    item: Item
    state: ItemState
    reason: str
    run: str | None
    queued_us: int
    dropped: dict[str, int]


def keep_project(database: Database, slug: str, root: Path) -> None:
    """Make the project known; its root may have moved."""
    shown = storable(str(root))
    with database.write() as connection:
        connection.execute(
            insert_ignore(database, projects).values(slug=slug, root=shown, created_us=now_us())
        )
        connection.execute(sa.update(projects).where(projects.c.slug == slug).values(root=shown))


def begin_run(database: Database, run: str, project: str, person: str) -> None:
    """Record that a run of the project began, asked for by `person`."""
    with database.write() as connection:
        connection.execute(
            insert_ignore(database, runs).values(
                id=run, project=project, person=storable(person), started_us=now_us()
            )
        )


def end_run(database: Database, run: str, summary: dict[str, Any]) -> None:
    """Record how the run ended."""
    with database.write() as connection:
        connection.execute(sa.update(runs).where(runs.c.id == run).values(ended_us=now_us(), summary=summary))


def first_run_us(database: Database, project: str) -> int | None:
    """When the project's first run began; None if there was none."""
    query = sa.select(sa.func.min(runs.c.started_us)).where(runs.c.project == project)
    with database.read() as connection:
        return connection.execute(query).scalar()


def find(database: Database, item_id: str) -> ItemRow | None:
    """One item by its id."""
    with database.read() as connection:
        row = connection.execute(sa.select(items).where(items.c.id == item_id)).one_or_none()
    return None if row is None else _row(row)


def of_project(
    database: Database, project: str, *, job: str | None = None, states: Iterable[str] = ()
) -> list[ItemRow]:
    """The project's items, newest found first."""
    query = sa.select(items).where(items.c.project == project).order_by(items.c.found_us.desc(), items.c.id)
    if job is not None:
        query = query.where(items.c.job == job)
    if wanted := list(states):
        query = query.where(items.c.state.in_(wanted))
    with database.read() as connection:
        return [_row(row) for row in connection.execute(query)]


def queue(database: Database, found: Item, run: str) -> bool:
    """Take an item into a run; False if it is settled or already in the engine's hands.

    An item that could not be finished in an earlier run, or was only listed, is queued again; within one run
    (that watches for weeks) only after `RETRY_AFTER_US`, so that what always fails does not burn on.
    """
    now = now_us()
    values = {
        "id": found.id,
        "project": found.project,
        "job": found.job,
        "key": storable(found.key),
        "digest": found.digest,
        "title": storable(found.title),
        "revision": storable(found.revision),
        "priority": found.priority,
        "payload": found.payload,
        "state": "queued",
        "reason": "",
        "run": run,
        "found_us": now,
        "queued_us": now,
        "changed_us": now,
    }
    with database.write() as connection:
        fresh = insert_ignore(database, items).values(**values).returning(items.c.id)
        if connection.execute(fresh).first() is not None:
            return True
        again = (
            sa.update(items)
            .where(
                items.c.id == found.id,
                items.c.state.not_in(SETTLED | OPEN),
                sa.or_(items.c.run != run, items.c.queued_us < now - RETRY_AFTER_US),
            )
            .values(
                state="queued", reason="", run=run, priority=found.priority, queued_us=now, changed_us=now
            )
        )
        return connection.execute(again).rowcount == 1


def set_state(database: Database, item_id: str, state: ItemState, reason: str = "") -> None:
    """Move an item to a state; the reason is shown to people."""
    with database.write() as connection:
        connection.execute(
            sa.update(items)
            .where(items.c.id == item_id)
            .values(state=state, reason=storable(reason), changed_us=now_us())
        )


def look_again(connection: sa.Connection, item_id: str, reason: str) -> None:
    """A settled item is to be looked at again by the next run: what was said of it no longer holds."""
    connection.execute(
        sa.update(items)
        .where(items.c.id == item_id, items.c.state.in_(SETTLED))
        .values(state="incomplete", reason=storable(reason), changed_us=now_us())
    )


def counts(database: Database, project: str, run: str | None = None) -> dict[str, int]:
    """How many of the project's items (or of one run's) are in each state."""
    query = (
        sa.select(items.c.state, sa.func.count()).where(items.c.project == project).group_by(items.c.state)
    )
    if run is not None:
        query = query.where(items.c.run == run)
    with database.read() as connection:
        return {row[0]: row[1] for row in connection.execute(query)}


def _row(row: Any) -> ItemRow:
    return ItemRow(
        item=Item(
            id=row.id,
            project=row.project,
            job=row.job,
            key=row.key,
            digest=row.digest,
            title=row.title,
            revision=row.revision,
            priority=row.priority,
            payload=row.payload,
        ),
        state=row.state,
        reason=row.reason,
        run=row.run,
        queued_us=row.queued_us,
        dropped=row.dropped or {},
    )

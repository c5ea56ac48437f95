"""Attempts in the store: claiming a try exactly once, its session while it runs, its end.

A try is claimed before an agent is spawned, so a step that runs again after a crash finds the claim: a
finished attempt is not run again, and a running one whose agent may still live is found by its session.
"""

from __future__ import annotations

from typing import Any, Literal

import sqlalchemy as sa
from msgspec import Struct

from hundredfold.store.database import Database, now_us
from hundredfold.store.tables.work import attempts, items
from hundredfold.store.text import storable
from hundredfold.vocabulary import AnswerStatus, Route, identity

AttemptState = AnswerStatus | Literal["running", "interrupted", "throttled"]
#: An answer the job gets to see; nothing is tried again after it (a later run may, for some).
KEPT: frozenset[str] = frozenset({"ok", "refused"})
#: Tries that say nothing against the attempt: they do not spend the failure budget.
EXCUSED: frozenset[str] = frozenset({"interrupted", "throttled"})


class AttemptRow(Struct, frozen=True):
    """One try at a task of an item."""

    id: str
    number: int
    item: str
    run: str | None
    label: str
    place: tuple[int, int, int]
    try_: int
    route: Route
    state: AttemptState
    error: str
    session: dict[str, Any] | None
    workspace: str | None
    prompt: str | None
    answer: str | None
    transcript: str | None
    started_us: int
    ended_us: int | None


def tries(database: Database, item: str, place: tuple[int, int, int]) -> list[AttemptRow]:
    """The tries so far at one pass of one task of one round, oldest first."""
    query = (
        sa.select(attempts)
        .where(
            attempts.c.item == item,
            attempts.c.round == place[0],
            attempts.c.task == place[1],
            attempts.c["pass"] == place[2],
        )
        .order_by(attempts.c["try"])
    )
    with database.read() as connection:
        return [_row(row) for row in connection.execute(query)]


def claim(
    database: Database,
    *,
    item: str,
    run: str,
    label: str,
    place: tuple[int, int, int],
    try_: int,
    route: Route,
    prompt: str,
    schema: str,
) -> str:
    """Claim a try; its attempt's id. The same claim twice is one row."""
    attempt = identity("attempt", item, *place, try_)
    with database.write() as connection:
        if not database.is_sqlite:  # SQLite's immediate transaction is the lock
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(7355609)"))
        if connection.execute(sa.select(attempts.c.id).where(attempts.c.id == attempt)).scalar():
            return attempt
        highest = connection.execute(sa.select(sa.func.max(attempts.c.number))).scalar() or 0
        connection.execute(
            sa.insert(attempts).values(
                id=attempt,
                number=highest + 1,
                item=item,
                run=run,
                label=label,
                round=place[0],
                task=place[1],
                **{"pass": place[2], "try": try_},
                backend=route.backend,
                provider=route.provider,
                model=route.model,
                effort=route.effort,
                tier=route.tier,
                state="running",
                prompt=prompt,
                schema=schema,
                started_us=now_us(),
            )
        )
    return attempt


def keep_session(database: Database, attempt: str, session: dict[str, Any] | None, workspace: str) -> None:
    """What is needed to find the running agent again."""
    with database.write() as connection:
        connection.execute(
            sa.update(attempts).where(attempts.c.id == attempt).values(session=session, workspace=workspace)
        )


def finish(
    database: Database,
    attempt: str,
    state: AttemptState,
    *,
    error: str = "",
    answer: str | None = None,
    transcript: str | None = None,
) -> None:
    """Record the end of an attempt, once: what is finished stays as it is."""
    with database.write() as connection:
        connection.execute(
            sa.update(attempts)
            .where(attempts.c.id == attempt, attempts.c.state == "running")
            .values(
                state=state,
                error=storable(error),
                answer=answer,
                transcript=transcript,
                ended_us=now_us(),
            )
        )


def of_project(database: Database, project: str, *, states: tuple[str, ...] = ()) -> list[AttemptRow]:
    """The project's attempts, oldest first."""
    query = (
        sa.select(attempts)
        .join(items, items.c.id == attempts.c.item)
        .where(items.c.project == project)
        .order_by(attempts.c.number)
    )
    if states:
        query = query.where(attempts.c.state.in_(states))
    with database.read() as connection:
        return [_row(row) for row in connection.execute(query)]


def of_item(database: Database, item: str) -> list[AttemptRow]:
    """The item's attempts, oldest first."""
    query = sa.select(attempts).where(attempts.c.item == item).order_by(attempts.c.number)
    with database.read() as connection:
        return [_row(row) for row in connection.execute(query)]


def counts(database: Database, project: str, run: str) -> dict[str, int]:
    """How many attempts of a run ended in each state."""
    query = (
        sa.select(attempts.c.state, sa.func.count())
        .join(items, items.c.id == attempts.c.item)
        .where(items.c.project == project, attempts.c.run == run)
        .group_by(attempts.c.state)
    )
    with database.read() as connection:
        return {row[0]: row[1] for row in connection.execute(query)}


def _row(row: Any) -> AttemptRow:
    fields = row._mapping
    return AttemptRow(
        id=row.id,
        number=row.number,
        item=row.item,
        run=row.run,
        label=row.label,
        place=(row.round, row.task, fields["pass"]),
        try_=fields["try"],
        route=Route(row.backend, row.provider, row.model, row.effort, row.tier),
        state=row.state,
        error=row.error,
        session=row.session,
        workspace=row.workspace,
        prompt=row.prompt,
        answer=row.answer,
        transcript=row.transcript,
        started_us=row.started_us,
        ended_us=row.ended_us,
    )

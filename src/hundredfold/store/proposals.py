"""Queries on proposals and decisions. A state changes only by compare-and-set, so of two people one wins."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import msgspec
import sqlalchemy as sa
from msgspec import Struct

from hundredfold.store.database import Database, insert_ignore, now_us
from hundredfold.store.tables.record import decisions, edits, proposals
from hundredfold.store.tables.work import items
from hundredfold.store.text import storable
from hundredfold.vocabulary import Decision, Proposal, ProposalState, identity


class ProposalRow(Struct, frozen=True):
    """A proposal with what became of it so far. `replaced_by`: the newer one that made it stale."""

    proposal: Proposal
    state: ProposalState
    run: str | None
    opened_us: int
    changed_us: int
    replaced_by: str | None = None


class EditRow(Struct, frozen=True):
    """Who changed a proposal, when, and what it was before."""

    by: str
    at_us: int
    before: Proposal


def keep(
    connection: sa.Connection, database: Database, proposed: Iterable[Proposal], run: str | None, at_us: int
) -> None:
    """Keep proposals as open; one that is there already keeps its state, its decisions and its wording. Only
    one that was refused as stale is opened anew, as it is made now: that is what looking again is for."""
    rows = [
        {
            "id": one.id,
            "project": one.project,
            "job": one.job,
            "item": one.item,
            "run": run,
            "type": one.type,
            "title": storable(one.title),
            "private": one.private,
            "state": "open",
            "record": msgspec.to_builtins(one),
            "review_minutes": one.review_minutes,
            "opened_us": at_us,
            "changed_us": at_us,
            "replaced_by": None,
        }
        for one in proposed
    ]
    if rows:
        connection.execute(insert_ignore(database, proposals), rows)
    for row in rows:
        connection.execute(
            sa.update(proposals)
            .where(proposals.c.id == row["id"], proposals.c.state == "stale")
            .values(**row)
        )


def replace_older(
    connection: sa.Connection, project: str, job: str, key: str, types: Collection[str], at_us: int
) -> None:
    """Of the job's proposals of these types about one subject (an item's key) only the newest stays open:
    older ones that nobody decided become stale. There is one at least; the newest is that of the item that
    was asked for last."""
    about = (
        sa.select(proposals.c.id, proposals.c.state)
        .join(items, items.c.id == proposals.c.item)
        .where(
            proposals.c.project == project,
            proposals.c.job == job,
            proposals.c.type.in_(types),
            items.c.key == storable(key),
        )
        .order_by(items.c.queued_us.desc(), proposals.c.opened_us.desc(), proposals.c.id)
    )
    newest, *older = connection.execute(about).all()
    waiting = [row.id for row in older if row.state == "open"]
    for start in range(0, len(waiting), 500):  # SQLite bounds the variables of a statement
        connection.execute(
            sa.update(proposals)
            .where(proposals.c.id.in_(waiting[start : start + 500]), proposals.c.state == "open")
            .values(state="stale", replaced_by=newest.id, changed_us=at_us)
        )


def find(database: Database, proposal: str) -> ProposalRow | None:
    """One proposal by its id."""
    with database.read() as connection:
        row = connection.execute(sa.select(proposals).where(proposals.c.id == proposal)).one_or_none()
    return None if row is None else _row(row)


def of_project(
    database: Database,
    project: str,
    *,
    states: Collection[str] = (),
    job: str | None = None,
    type_: str | None = None,
    run: str | None = None,
    item: str | None = None,
) -> list[ProposalRow]:
    """The project's proposals, oldest first."""
    query = (
        sa.select(proposals)
        .where(proposals.c.project == project)
        .order_by(proposals.c.opened_us, proposals.c.id)
    )
    if states:
        query = query.where(proposals.c.state.in_(states))
    for column, wanted in (
        (proposals.c.job, job),
        (proposals.c.type, type_),
        (proposals.c.run, run),
        (proposals.c.item, item),
    ):
        if wanted is not None:
            query = query.where(column == wanted)
    with database.read() as connection:
        return [_row(row) for row in connection.execute(query)]


def minutes(database: Database, project: str, states: Collection[str]) -> float:
    """Expected review minutes of the project's proposals in these states."""
    query = sa.select(sa.func.sum(proposals.c.review_minutes)).where(
        proposals.c.project == project, proposals.c.state.in_(states)
    )
    with database.read() as connection:
        return float(connection.execute(query).scalar() or 0.0)


def move(
    connection: sa.Connection, proposal: str, before: tuple[ProposalState, ...], after: ProposalState
) -> bool:
    """Change a proposal's state if it is one of `before` right now; False (and no change) if it is not."""
    return (
        connection.execute(
            sa.update(proposals)
            .where(proposals.c.id == proposal, proposals.c.state.in_(before))
            .values(state=after, changed_us=now_us())
        ).rowcount
        == 1
    )


def edit(connection: sa.Connection, after: Proposal, by: str, at_us: int) -> bool:
    """Replace an open proposal by `after`, and keep what it was; False (and no change) if it is not open."""
    row = connection.execute(
        sa.select(proposals.c.record)
        .where(proposals.c.id == after.id, proposals.c.state == "open")
        .with_for_update()
    ).one_or_none()
    if row is None:
        return False
    connection.execute(sa.insert(edits).values(proposal=after.id, by=by, record=row.record, at_us=at_us))
    changed = connection.execute(
        sa.update(proposals)
        .where(proposals.c.id == after.id, proposals.c.state == "open")
        .values(
            record=msgspec.to_builtins(after),
            title=storable(after.title),
            type=after.type,
            private=after.private,
            changed_us=at_us,
        )
    )
    return changed.rowcount == 1


def edits_of(database: Database, proposal: str) -> list[EditRow]:
    """What people changed in a proposal, oldest first."""
    query = sa.select(edits).where(edits.c.proposal == proposal).order_by(edits.c.seq)
    with database.read() as connection:
        return [
            EditRow(row.by, row.at_us, msgspec.convert(row.record, Proposal))
            for row in connection.execute(query)
        ]


def add_decision(connection: sa.Connection, decision: Decision) -> None:
    """Record a decision."""
    connection.execute(
        sa.insert(decisions).values(
            id=identity("decision", decision.proposal, decision.verdict, decision.by, decision.at_us),
            proposal=decision.proposal,
            verdict=decision.verdict,
            by=decision.by,
            reason=storable(decision.reason),
            seconds=decision.seconds,
            at_us=decision.at_us,
        )
    )


def decided_since(database: Database, project: str, since_us: int) -> dict[str, int]:
    """How many of the project's proposals each person or policy decided since then."""
    query = (
        sa.select(decisions.c.by, sa.func.count())
        .join(proposals, proposals.c.id == decisions.c.proposal)
        .where(proposals.c.project == project, decisions.c.at_us >= since_us)
        .group_by(decisions.c.by)
    )
    with database.read() as connection:
        return {row[0]: row[1] for row in connection.execute(query)}


def decisions_of(database: Database, proposal: str) -> list[Decision]:
    """The decisions on a proposal, oldest first."""
    query = (
        sa.select(decisions)
        .where(decisions.c.proposal == proposal)
        .order_by(decisions.c.at_us, decisions.c.id)
    )
    with database.read() as connection:
        return [
            Decision(
                proposal=row.proposal,
                verdict=row.verdict,
                by=row.by,
                reason=row.reason,
                at_us=row.at_us,
                seconds=row.seconds,
            )
            for row in connection.execute(query)
        ]


def _row(row: Any) -> ProposalRow:
    return ProposalRow(
        proposal=msgspec.convert(row.record, Proposal),
        state=row.state,
        run=row.run,
        opened_us=row.opened_us,
        changed_us=row.changed_us,
        replaced_by=row.replaced_by,
    )

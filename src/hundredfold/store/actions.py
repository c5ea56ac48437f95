"""Queries on actions: what the publisher intends, did and took back. One row a proposal, its id the key."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Literal

import msgspec
import sqlalchemy as sa
from msgspec import Struct

from hundredfold.store.database import Database, insert_ignore, now_us
from hundredfold.store.tables.record import actions, proposals
from hundredfold.store.text import storable
from hundredfold.vocabulary import Receipt, identity

ActionState = Literal["intended", "applied", "undone", "failed"]


class ActionRow(Struct, frozen=True):
    """An action. `error` says why it failed or, once undone, what residue stayed."""

    id: str
    proposal: str
    forge: str
    state: ActionState
    by: str
    receipt: Receipt | None
    error: str
    at_us: int
    undone_us: int | None
    undone_by: str | None
    progress: dict[str, Any] | None = None


def action_id(proposal: str) -> str:
    """The id of the proposal's action, which is the key that makes applying it idempotent."""
    return identity("action", proposal)


def intend(connection: sa.Connection, database: Database, proposal: str, forge: str, by: str) -> str:
    """Record that the proposal is about to be applied; the action's id. After a kill it is the same row. What
    was begun and failed goes on where it was; what was undone begins anew."""
    key = action_id(proposal)
    values = {
        "forge": forge,
        "state": "intended",
        "by": by,
        "receipt": sa.null(),
        "error": "",
        "at_us": now_us(),
        "undone_us": None,
        "undone_by": None,
    }
    connection.execute(insert_ignore(database, actions).values(id=key, proposal=proposal, **values))
    connection.execute(
        sa.update(actions)
        .where(actions.c.id == key, actions.c.state.in_(("failed", "undone")))
        .values(
            progress=sa.case((actions.c.state == "failed", actions.c.progress), else_=sa.null()), **values
        )
    )
    return key


def progressed(connection: sa.Connection, key: str, progress: Mapping[str, Any]) -> None:
    """Keep how far the forge came with an intended action."""
    connection.execute(
        sa.update(actions)
        .where(actions.c.id == key, actions.c.state == "intended")
        .values(progress=dict(progress))
    )


def revised(connection: sa.Connection, key: str, receipt: Receipt) -> None:
    """Keep another receipt of an applied action: what it made was changed by us since."""
    connection.execute(
        sa.update(actions)
        .where(actions.c.id == key, actions.c.state == "applied")
        .values(receipt=msgspec.to_builtins(receipt))
    )


def applied_since(database: Database, project: str, since_us: int) -> dict[str, int]:
    """How many of the project's proposals of each type were applied since then, undone ones included."""
    query = (
        sa.select(proposals.c.type, sa.func.count())
        .join(actions, proposals.c.id == actions.c.proposal)
        .where(
            proposals.c.project == project,
            actions.c.state.in_(("applied", "undone")),
            actions.c.at_us >= since_us,
        )
        .group_by(proposals.c.type)
    )
    with database.read() as connection:
        return {row[0]: row[1] for row in connection.execute(query)}


def applied(connection: sa.Connection, key: str, receipt: Receipt) -> None:
    """Record that an intended action is done."""
    connection.execute(
        sa.update(actions)
        .where(actions.c.id == key, actions.c.state == "intended")
        .values(state="applied", receipt=msgspec.to_builtins(receipt), at_us=now_us())
    )


def failed(connection: sa.Connection, key: str, reason: str) -> None:
    """Record that an intended action could not be done; nothing was changed, or `apply` will find it."""
    connection.execute(
        sa.update(actions)
        .where(actions.c.id == key, actions.c.state == "intended")
        .values(state="failed", error=storable(reason), at_us=now_us())
    )


def undone(connection: sa.Connection, key: str, by: str, residue: str) -> None:
    """Record that an applied action (or one that failed half done) was taken back, and what stays."""
    connection.execute(
        sa.update(actions)
        .where(actions.c.id == key, actions.c.state.in_(("applied", "failed")))
        .values(state="undone", undone_us=now_us(), undone_by=by, error=storable(residue))
    )


def of_proposal(database: Database, proposal: str) -> ActionRow | None:
    """The proposal's action, if it was ever about to be applied."""
    found = of_proposals(database, [proposal])
    return found.get(proposal)


def of_proposals(database: Database, wanted: Collection[str]) -> dict[str, ActionRow]:
    """The actions of these proposals, by proposal."""
    ordered = sorted(set(wanted))
    with database.read() as connection:
        return {
            row.proposal: _row(row)
            for start in range(0, len(ordered), 500)  # SQLite bounds the variables of a statement
            for row in connection.execute(
                sa.select(actions).where(actions.c.proposal.in_(ordered[start : start + 500]))
            )
        }


def proposal_of(database: Database, action: str) -> str | None:
    """The proposal an action belongs to."""
    with database.read() as connection:
        return connection.execute(sa.select(actions.c.proposal).where(actions.c.id == action)).scalar()


def of_project(database: Database, project: str) -> list[ActionRow]:
    """The project's actions, oldest first."""
    query = (
        sa.select(actions)
        .join(proposals, proposals.c.id == actions.c.proposal)
        .where(proposals.c.project == project)
        .order_by(actions.c.at_us, actions.c.id)
    )
    with database.read() as connection:
        return [_row(row) for row in connection.execute(query)]


def _row(row: Any) -> ActionRow:
    return ActionRow(
        id=row.id,
        proposal=row.proposal,
        forge=row.forge,
        state=row.state,
        by=row.by,
        receipt=None if row.receipt is None else msgspec.convert(row.receipt, Receipt),
        error=row.error,
        at_us=row.at_us,
        undone_us=row.undone_us,
        undone_by=row.undone_by,
        progress=row.progress,
    )

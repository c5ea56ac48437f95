"""Queries on the outbox: what is to be told is kept first and sent afterwards, so that nothing is lost."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import msgspec
import sqlalchemy as sa
from msgspec import Struct

from hundredfold.store.database import Database, insert_ignore, now_us
from hundredfold.store.tables.notices import notices
from hundredfold.store.text import storable
from hundredfold.vocabulary import digest

Kind = Literal["status", "alert", "digest", "notice"]
State = Literal["waiting", "sent", "refused", "replaced", "withdrawing", "withdrawn"]
OPEN: tuple[State, ...] = ("waiting", "withdrawing")


class Told(Struct, frozen=True):
    """What people are told. `picture` is the key of a PNG among the blobs, or ""."""

    title: str
    body: str = ""
    picture: str = ""
    simulated: bool = False


class NoticeRow(Struct, frozen=True):
    """A notice with what became of it so far. `message` is the service's id, once it has one."""

    id: str
    channel: str
    kind: Kind
    slot: str
    told: Told
    state: State
    message: str
    tries: int
    due_us: int
    error: str
    made_us: int


def put(
    database: Database, project: str, channel: str, kind: Kind, told: Told, *, key: str, slot: str = ""
) -> str:
    """Keep a notice for delivery and return its id; one with the same key is not told again.

    In a slot, what still waits is replaced: only the newest matters.
    """
    id_ = digest("notice", project, channel, kind, slot, key)[:16]
    now = now_us()
    record = msgspec.to_builtins(
        msgspec.structs.replace(told, title=storable(told.title), body=storable(told.body))
    )
    with database.write() as connection:
        row = insert_ignore(database, notices).values(
            id=id_,
            project=project,
            channel=channel,
            kind=kind,
            slot=slot,
            record=record,
            state="waiting",
            message="",
            tries=0,
            due_us=now,
            error="",
            made_us=now,
            changed_us=now,
        )
        fresh = connection.execute(row.returning(notices.c.id)).first() is not None
        if slot and fresh:
            connection.execute(
                sa.update(notices)
                .where(
                    notices.c.project == project,
                    notices.c.channel == channel,
                    notices.c.slot == slot,
                    notices.c.state == "waiting",
                    notices.c.id != id_,
                )
                .values(state="replaced", changed_us=now)
            )
    return id_


def due(database: Database, project: str, channel: str, at_us: int, limit: int = 500) -> list[NoticeRow]:
    """What is to be sent or withdrawn now, oldest first."""
    query = (
        sa.select(notices)
        .where(
            notices.c.project == project,
            notices.c.channel == channel,
            notices.c.state.in_(OPEN),
            notices.c.due_us <= at_us,
        )
        .order_by(notices.c.made_us, notices.c.id)
        .limit(limit)
    )
    with database.read() as connection:
        return [_row(row) for row in connection.execute(query)]


def newest(database: Database, project: str, limit: int = 50, states: Iterable[str] = ()) -> list[NoticeRow]:
    """The newest notices, newest first."""
    query = (
        sa.select(notices)
        .where(notices.c.project == project)
        .order_by(notices.c.made_us.desc(), notices.c.id)
        .limit(limit)
    )
    if wanted := list(states):
        query = query.where(notices.c.state.in_(wanted))
    with database.read() as connection:
        return [_row(row) for row in connection.execute(query)]


def counts(database: Database, project: str, channel: str) -> dict[str, int]:
    """How many of a channel's notices are in each state."""
    query = (
        sa.select(notices.c.state, sa.func.count())
        .where(notices.c.project == project, notices.c.channel == channel)
        .group_by(notices.c.state)
    )
    with database.read() as connection:
        return {row[0]: row[1] for row in connection.execute(query)}


def stamp(database: Database, project: str, slot: str) -> int:
    """How many notices the slot has had."""
    query = (
        sa.select(sa.func.count())
        .select_from(notices)
        .where(notices.c.project == project, notices.c.slot == slot)
    )
    with database.read() as connection:
        return int(connection.execute(query).scalar_one())


def message_of(database: Database, project: str, channel: str, slot: str) -> str:
    """The service's id of the message that a slot's notices edit; "" if there is none yet."""
    query = (
        sa.select(notices.c.message)
        .where(
            notices.c.project == project,
            notices.c.channel == channel,
            notices.c.slot == slot,
            notices.c.message != "",
        )
        .order_by(notices.c.changed_us.desc())
        .limit(1)
    )
    with database.read() as connection:
        return str(connection.execute(query).scalar() or "")


def forget_message(database: Database, project: str, channel: str, slot: str) -> None:
    """Somebody deleted the slot's message: the next one is a new one."""
    with database.write() as connection:
        connection.execute(
            sa.update(notices).where(notices.c.project == project, notices.c.slot == slot).values(message="")
        )


def settle(database: Database, notice: str, state: State, *, message: str = "", error: str = "") -> None:
    """Record what became of it."""
    values: dict[str, object] = {"state": state, "error": storable(error)[:500], "changed_us": now_us()}
    if message:
        values["message"] = message
    with database.write() as connection:
        connection.execute(sa.update(notices).where(notices.c.id == notice).values(values))


def tidy(database: Database, project: str, channel: str, slot: str, *, keep: str) -> None:
    """Drop what a slot said before: `keep` stands in its message now."""
    with database.write() as connection:
        connection.execute(
            sa.delete(notices).where(
                notices.c.project == project,
                notices.c.channel == channel,
                notices.c.slot == slot,
                notices.c.state.in_(("sent", "replaced")),
                notices.c.id != keep,
            )
        )


def postpone(database: Database, notice: str, due_us: int, error: str) -> None:
    """It could not be sent: try it again, not before `due_us`."""
    with database.write() as connection:
        connection.execute(
            sa.update(notices)
            .where(notices.c.id == notice)
            .values(
                tries=notices.c.tries + 1, due_us=due_us, error=storable(error)[:500], changed_us=now_us()
            )
        )


def withdraw(database: Database, notice: str) -> State:
    """Take a notice back: one that still waits is dropped, a sent one's message will be deleted."""
    with database.write() as connection:
        row = connection.execute(sa.select(notices.c.state).where(notices.c.id == notice)).first()
        state: State = row.state if row else "withdrawn"
        after: State = {"waiting": "withdrawn", "sent": "withdrawing"}.get(state, state)  # type: ignore[assignment]
        connection.execute(
            sa.update(notices)
            .where(notices.c.id == notice, notices.c.state == state)
            .values(state=after, due_us=now_us(), changed_us=now_us())
        )
    return after


def _row(row: sa.Row[tuple[object, ...]]) -> NoticeRow:
    fields = row._mapping
    return NoticeRow(
        id=fields["id"],
        channel=fields["channel"],
        kind=fields["kind"],
        slot=fields["slot"],
        told=msgspec.convert(fields["record"], Told),
        state=fields["state"],
        message=fields["message"],
        tries=fields["tries"],
        due_us=fields["due_us"],
        error=fields["error"],
        made_us=fields["made_us"],
    )

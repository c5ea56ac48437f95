"""People's rulings on what belongs together: never, always, canonical. They overrule everything else."""

from __future__ import annotations

from typing import Literal, get_args

import sqlalchemy as sa
from msgspec import Struct

from hundredfold.store.database import Database, now_us
from hundredfold.store.tables.similarity import rulings
from hundredfold.store.text import storable

Kind = Literal["never", "always", "canonical"]
KINDS: tuple[Kind, ...] = get_args(Kind)


class Ruling(Struct, frozen=True):
    """What a person said of two documents, or of one that stands for its like (`other` is "" then)."""

    one: str
    other: str
    ruling: Kind
    by: str
    reason: str = ""
    at_us: int = 0


def keep(database: Database, project: str, ruling: Ruling) -> None:
    """Keep a ruling; it takes the place of an earlier one on the same."""
    one, other = _ordered(ruling.one, ruling.other)
    with database.write() as connection:
        connection.execute(sa.delete(rulings).where(*_about(project, one, other)))
        connection.execute(
            sa.insert(rulings).values(
                project=project,
                one=one,
                other=other,
                ruling=ruling.ruling,
                by=storable(ruling.by),
                reason=storable(ruling.reason),
                at_us=now_us(),
            )
        )


def forget(database: Database, project: str, one: str, other: str = "") -> bool:
    """Take a ruling back; whether there was one."""
    with database.write() as connection:
        done = connection.execute(sa.delete(rulings).where(*_about(project, *_ordered(one, other))))
    return bool(done.rowcount)


def of_project(database: Database, project: str) -> list[Ruling]:
    """All rulings, newest first."""
    table = rulings
    query = sa.select(table).where(table.c.project == project)
    with database.read() as connection:
        rows = connection.execute(query.order_by(table.c.at_us.desc(), table.c.one, table.c.other))
        return [Ruling(row.one, row.other, row.ruling, row.by, row.reason, row.at_us) for row in rows]


def _ordered(one: str, other: str) -> tuple[str, str]:
    return (one, other) if not other or one < other else (other, one)


def _about(project: str, one: str, other: str) -> tuple[sa.ColumnElement[bool], ...]:
    return rulings.c.project == project, rulings.c.one == one, rulings.c.other == other

"""When requests are dated: since when there are any, and those that no bill has for their date."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from msgspec import Struct

from hundredfold.store.tables.ledger import bookings, rollups
from hundredfold.usage.consistency import END_US, FIRST_US
from hundredfold.usage.deltas import DAY, QUARTER, QUARTER_US
from hundredfold.usage.rollups import DAY_US


class Misdated(Struct, frozen=True):
    """How many requests are dated `later` than a bill's end, the last of them at `last_us` (UTC microseconds,
    to the quarter hour), and how many at `no_time`: before 2000 or after 2099."""

    later: int = 0
    last_us: int = 0
    no_time: int = 0


def began_us(connection: sa.Connection, project: str | None) -> int | None:
    """When the first UTC day began on which a request of the project (None: all) was made; None if there is
    none."""
    first = sa.select(sa.func.min(rollups.c.slot)).where(
        rollups.c.slot >= FIRST_US // DAY_US, rollups.c.slot < END_US // DAY_US
    )
    found = connection.scalar(_of_project(first, DAY, project))
    return None if found is None else int(found) * DAY_US


def misdated(connection: sa.Connection, project: str | None, until_us: int) -> Misdated:
    """What no bill of the project (None: all) that ends before `until_us` has, for its date."""
    late = sa.and_(rollups.c.slot >= until_us // QUARTER_US, rollups.c.slot < END_US // QUARTER_US)
    never = sa.or_(rollups.c.slot < FIRST_US // QUARTER_US, rollups.c.slot >= END_US // QUARTER_US)

    def counted(where: sa.ColumnElement[bool]) -> tuple[int, int]:
        found = sa.select(sa.func.sum(rollups.c.requests), sa.func.max(rollups.c.slot))
        requests, last = connection.execute(_of_project(found.where(where), QUARTER, project)).one()
        return int(requests or 0), int(last or 0)

    later, last = counted(late)
    return Misdated(later, last * QUARTER_US, counted(never)[0])


def _of_project(query: sa.Select[Any], grain: int, project: str | None) -> sa.Select[Any]:
    query = query.where(rollups.c.grain == grain)
    if project is None:
        return query
    return query.where(rollups.c.booking.in_(sa.select(bookings.c.id).where(bookings.c.project == project)))

"""Requests that are in no bill for their date: after its last day, or when no model can have been asked."""

from __future__ import annotations

import sqlalchemy as sa
from msgspec import Struct

from hundredfold.store.tables.ledger import bookings, rollups
from hundredfold.usage.consistency import END_US, FIRST_US
from hundredfold.usage.deltas import QUARTER, QUARTER_US


class Misdated(Struct, frozen=True):
    """How many requests are dated `later` than a bill's end, the last of them at `last_us` (UTC microseconds,
    to the quarter hour), and how many at `no_time`: before 2000 or after 2099."""

    later: int = 0
    last_us: int = 0
    no_time: int = 0


def misdated(connection: sa.Connection, project: str | None, until_us: int) -> Misdated:
    """What no bill of the project (None: all) that ends before `until_us` has, for its date."""
    late = sa.and_(rollups.c.slot >= until_us // QUARTER_US, rollups.c.slot < END_US // QUARTER_US)
    never = sa.or_(rollups.c.slot < FIRST_US // QUARTER_US, rollups.c.slot >= END_US // QUARTER_US)

    def counted(where: sa.ColumnElement[bool]) -> tuple[int, int]:
        query = sa.select(sa.func.sum(rollups.c.requests), sa.func.max(rollups.c.slot)).where(
            rollups.c.grain == QUARTER, where
        )
        if project is not None:
            own = sa.select(bookings.c.id).where(bookings.c.project == project)
            query = query.where(rollups.c.booking.in_(own))
        requests, last = connection.execute(query).one()
        return int(requests or 0), int(last or 0)

    later, last = counted(late)
    return Misdated(later, last * QUARTER_US, counted(never)[0])

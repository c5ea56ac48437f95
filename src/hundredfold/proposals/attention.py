"""How long a person had a proposal open: from when it was first shown to them until they decided.

It is wall time, so it holds whatever else they did meanwhile. Beyond `FORGOTTEN_S` it says nothing about the
review and is not counted.
"""

from __future__ import annotations

import sqlalchemy as sa

from hundredfold.store.database import Database, now_us
from hundredfold.store.tables.record import marks

FORGOTTEN_S = 2 * 3600


def open_for_review(database: Database, proposal: str, by: str) -> None:
    """Mark that the proposal is shown to `by`; shown again soon after, the first time counts."""
    at_us = now_us()
    with database.write() as connection:
        if _opened(connection, proposal, by, at_us) is None:
            connection.execute(sa.delete(marks).where(marks.c.name == _name(proposal, by)))
            connection.execute(sa.insert(marks).values(name=_name(proposal, by), value=b"%d" % at_us))


def seconds_open(connection: sa.Connection, proposal: str, by: str, at_us: int) -> float | None:
    """Seconds since it was shown to `by`, and forget it; None if it was not, or too long ago."""
    opened = _opened(connection, proposal, by, at_us)
    connection.execute(sa.delete(marks).where(marks.c.name == _name(proposal, by)))
    return None if opened is None else (at_us - opened) / 1e6


def _opened(connection: sa.Connection, proposal: str, by: str, at_us: int) -> int | None:
    value = connection.execute(sa.select(marks.c.value).where(marks.c.name == _name(proposal, by))).scalar()
    opened = None if value is None else int(value)
    return opened if opened is not None and 0 <= at_us - opened <= FORGOTTEN_S * 1_000_000 else None


def _name(proposal: str, by: str) -> str:
    return f"review:{proposal}:{by}"

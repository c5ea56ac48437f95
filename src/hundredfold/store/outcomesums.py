"""Sums of outcomes that are alike, kept in step with every change: what pages read, not a million rows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import sqlalchemy as sa
from msgspec import Struct

from hundredfold.outcome import Observation, Origin, OutcomeState
from hundredfold.store.database import Database
from hundredfold.store.tables.outcomes import origins, outcome_sums

DAY_US = 86_400_000_000
NO_DAY = -1
KEYED = ("origin", "opened_day", "state", "confirmed", "accepted_day", "ended_day", "observed_day")
SUMMED = ("outcomes", "lines", "lines_kept")

Key = tuple[int, int, str, bool, int, int, int]


class OutcomeSum(Struct, frozen=True):
    """So many outcomes of an origin in one state, alike in how long they were followed since they were
    accepted: in whole days, to when they were taken back or last seen. None where none was accepted."""

    origin: Origin
    state: OutcomeState
    confirmed: bool
    followed_days: int | None
    outcomes: int
    lines: int
    lines_kept: int


class Deltas:
    """Changes that one transaction makes to the sums."""

    def __init__(self) -> None:
        self._sums: dict[Key, list[int]] = defaultdict(lambda: [0, 0, 0])

    def add(self, origin: int, opened_us: int, seen: Observation | None, sign: int = 1) -> None:
        """An outcome is as observed from now on; with `sign` -1 it is so no more."""
        key: Key = (origin, opened_us // DAY_US, "pending", False, NO_DAY, NO_DAY, NO_DAY)
        measures = (1, 0, 0)
        if seen is not None:
            key = (
                *(origin, opened_us // DAY_US, seen.state, seen.confirmed),
                *(_day(one) for one in (seen.accepted_us, seen.ended_us, seen.observed_us)),
            )  # type: ignore[assignment]
            measures = (1, seen.lines or 0, seen.lines_kept or 0)
        sums = self._sums[key]
        for place, measure in enumerate(measures):
            sums[place] += sign * measure

    def write(self, connection: sa.Connection, database: Database) -> None:
        """Bring the sums in step; those that come to nothing are taken away."""
        rows = [
            dict(zip((*KEYED, *SUMMED), (*key, *sums), strict=True))
            for key, sums in sorted(self._sums.items())
            if any(sums)
        ]
        if not rows:
            return
        if database.is_sqlite:
            from sqlalchemy.dialects.sqlite import insert
        else:
            from sqlalchemy.dialects.postgresql import insert  # type: ignore[assignment]
        fresh = insert(outcome_sums)
        added = {name: outcome_sums.c[name] + fresh.excluded[name] for name in SUMMED}
        connection.execute(fresh.on_conflict_do_update(index_elements=list(KEYED), set_=added), rows)
        connection.execute(sa.delete(outcome_sums).where(outcome_sums.c.outcomes == 0))


def of_project(database: Database, project: str | None, *, since_day: int = 0) -> Iterator[OutcomeSum]:
    """The sums of a project (None: of all) of what was opened since a day, real and simulated."""
    column = outcome_sums.c
    until = sa.case((column.state == "reverted", column.ended_day), else_=column.observed_day)
    days = sa.case((column.accepted_day == NO_DAY, NO_DAY), else_=until - column.accepted_day)
    query = (
        sa.select(
            column.origin,
            column.state,
            column.confirmed,
            days.label("days"),
            *(sa.func.sum(column[name]).label(name) for name in SUMMED),
        )
        .where(column.opened_day >= since_day)
        .group_by(column.origin, column.state, column.confirmed, sa.text("4"))
    )
    names = Origin.__struct_fields__
    with database.read() as connection:
        rows = connection.execute(sa.select(origins.c.id, *(origins.c[name] for name in names)))
        made = {row[0]: dict(zip(names, row[1:], strict=True)) for row in rows}
        known = {
            number: Origin(**{**values, "simulated": bool(values["simulated"])})
            for number, values in made.items()
            if project in (None, values["project"])
        }
        if len(known) < len(made):
            query = query.where(column.origin.in_(list(known)))
        found = list(connection.execute(query))
    for row in found:
        yield OutcomeSum(
            origin=known[row.origin],
            state=row.state,
            confirmed=bool(row.confirmed),
            followed_days=None if row.days == NO_DAY else max(row.days, 0),
            outcomes=int(row.outcomes),
            lines=int(row.lines),
            lines_kept=int(row.lines_kept),
        )


def _day(at_us: int | None) -> int:
    return NO_DAY if at_us is None else at_us // DAY_US

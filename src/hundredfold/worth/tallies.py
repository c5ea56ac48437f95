"""Attempts by origin and day, and what reviewing took: sums that are made from the records by whole days.

What ended stays as it ended, so only the last days are ever made anew (`refresh`): a million attempts cost a
page what its newest few thousand do.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa
from msgspec import Struct

from hundredfold.outcome import POLICY, Origin, kind_of, plain_job
from hundredfold.store.database import Database
from hundredfold.store.outcomes import origin_ids
from hundredfold.store.outcomesums import DAY_US
from hundredfold.store.tables.ledger import bookings, requests, routes
from hundredfold.store.tables.outcomes import attempt_sums, origins, outcomes, review_sums
from hundredfold.store.tables.record import decisions, proposals
from hundredfold.store.tables.work import attempts, items
from hundredfold.usage.pricing import billed_tier

#: days before the newest known one that are made anew: a row may be written a while after its time
MARGIN_DAYS = 1


class AttemptSum(Struct, frozen=True):
    """So many attempts of an origin, that ran for so long all together."""

    origin: Origin
    attempts: int
    seconds: float


class ReviewSum(Struct, frozen=True):
    """What people's decisions on a job's proposals took. `expected_minutes` stands for those not measured;
    `by_policy` were decided by a written policy and took nobody's time."""

    job: str
    decisions: int
    measured: int
    seconds: float
    expected_minutes: float
    by_policy: int


def refresh(database: Database) -> None:
    """Bring the sums up to the records. What people decided on is told as simulated by its outcome, so
    follow the proposals first (`outcomes.ours`)."""
    with database.write() as connection:
        if not database.is_sqlite:  # SQLite's immediate transaction is the lock
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(7355611)"))
        _attempts(connection, database, _newest(connection, attempt_sums.c.day))
        _reviews(connection, _newest(connection, review_sums.c.day))


def attempts_of(database: Database, project: str | None, *, since_day: int = 0) -> list[AttemptSum]:
    """Attempts that ended since a day, by origin."""
    names = Origin.__struct_fields__
    query = (
        sa.select(
            *(origins.c[name] for name in names),
            sa.func.sum(attempt_sums.c.attempts),
            sa.func.sum(attempt_sums.c.seconds),
        )
        .join_from(attempt_sums, origins, origins.c.id == attempt_sums.c.origin)
        .where(attempt_sums.c.day >= since_day)
        .group_by(*(origins.c[name] for name in names))
    )
    if project is not None:
        query = query.where(origins.c.project == project)
    with database.read() as connection:
        return [
            AttemptSum(
                Origin(**{**dict(zip(names, row, strict=False)), "simulated": bool(row.simulated)}),
                int(row[-2]),
                float(row[-1]),
            )
            for row in connection.execute(query)
        ]


def reviews_of(
    database: Database, project: str | None, *, simulated: bool = False, since_day: int = 0
) -> dict[str, ReviewSum]:
    """What reviewing took since a day, by job: of real proposals, or of simulated ones."""
    summed = ("decisions", "measured", "seconds", "expected_minutes", "by_policy")
    query = (
        sa.select(review_sums.c.job, *(sa.func.sum(review_sums.c[name]) for name in summed))
        .where(review_sums.c.day >= since_day, review_sums.c.simulated == simulated)
        .group_by(review_sums.c.job)
    )
    if project is not None:
        query = query.where(review_sums.c.project == project)
    with database.read() as connection:
        return {
            row[0]: ReviewSum(row[0], int(row[1]), int(row[2]), float(row[3]), float(row[4]), int(row[5]))
            for row in connection.execute(query)
        }


def _newest(connection: sa.Connection, day: sa.Column[int]) -> int:
    newest = connection.execute(sa.select(sa.func.max(day))).scalar()
    return 0 if newest is None else max(newest - MARGIN_DAYS, 0)


def _attempts(connection: sa.Connection, database: Database, since_day: int) -> None:
    mine = requests.alias("mine")
    own = mine.c.attempt == attempts.c.number
    first = sa.select(sa.func.min(mine.c.seq)).where(own).correlate(attempts).scalar_subquery()
    keys = {
        "project": items.c.project,
        "job": items.c.job,
        "agent": attempts.c.backend,
        "model": attempts.c.model,
        "effort": attempts.c.effort,
        "tier": attempts.c.tier,
        "served_model": routes.c.served_model,
        "served_tier": routes.c.served_tier,
        "simulated": routes.c.simulated,
        "payer": bookings.c.payer,
        "day": attempts.c.ended_us / sa.literal_column(str(DAY_US)),
    }
    if not database.is_sqlite:
        keys["day"] = sa.func.div(attempts.c.ended_us, DAY_US)
    labelled = [value.label(name) for name, value in keys.items()]
    ran = sa.cast(attempts.c.ended_us - attempts.c.started_us, sa.Float) / 1e6
    query = (
        sa.select(*labelled, sa.func.count().label("attempts"), sa.func.sum(ran).label("seconds"))
        .join_from(attempts, items, items.c.id == attempts.c.item)
        .join(requests, requests.c.seq == first)  # an attempt that asked nothing cost nothing
        .join(routes, routes.c.id == requests.c.route)
        .join(bookings, bookings.c.id == requests.c.booking)
        .where(attempts.c.ended_us >= since_day * DAY_US)
        .group_by(*(sa.text(str(place)) for place in range(1, len(keys) + 1)))
    )
    found: dict[tuple[Origin, int], list[float]] = defaultdict(lambda: [0, 0.0])
    for row in connection.execute(query):
        sums = found[_origin(row), int(row.day)]
        sums[0] += row.attempts
        sums[1] += row.seconds
    ids = origin_ids(connection, database, {origin for origin, _ in found})
    connection.execute(sa.delete(attempt_sums).where(attempt_sums.c.day >= since_day))
    rows = [
        {"origin": ids[origin], "day": day, "attempts": int(count), "seconds": seconds}
        for (origin, day), (count, seconds) in found.items()
    ]
    if rows:
        connection.execute(sa.insert(attempt_sums), rows)


def _origin(row: Any) -> Origin:
    return Origin(
        project=row.project,
        job=plain_job(row.job),
        kind=kind_of(row.job),
        agent=row.agent,
        model=row.served_model or row.model,
        effort=row.effort,
        tier=billed_tier(row.tier, row.served_tier),
        payer=row.payer,
        simulated=bool(row.simulated),
    )


def _reviews(connection: sa.Connection, since_day: int) -> None:
    query = (
        sa.select(
            proposals.c.project,
            proposals.c.job,
            decisions.c.at_us,
            decisions.c.by,
            decisions.c.seconds,
            proposals.c.review_minutes,
            sa.func.coalesce(origins.c.simulated, sa.false()).label("simulated"),
        )
        .join_from(decisions, proposals, proposals.c.id == decisions.c.proposal)
        .outerjoin(outcomes, outcomes.c.proposal == proposals.c.id)
        .outerjoin(origins, origins.c.id == outcomes.c.origin)
        .where(decisions.c.at_us >= since_day * DAY_US)
    )
    found: dict[tuple[str, str, bool, int], ReviewSum] = {}
    for row in connection.execute(query):
        key = (row.project, row.job, bool(row.simulated), row.at_us // DAY_US)
        found[key] = _added(found.get(key) or ReviewSum(row.job, 0, 0, 0.0, 0.0, 0), row)
    connection.execute(sa.delete(review_sums).where(review_sums.c.day >= since_day))
    rows = [
        {"project": project, "job": job, "simulated": simulated, "day": day}
        | {name: getattr(one, name) for name in _REVIEWED}
        for (project, job, simulated, day), one in found.items()
    ]
    if rows:
        connection.execute(sa.insert(review_sums), rows)


_REVIEWED = ("decisions", "measured", "seconds", "expected_minutes", "by_policy")


def _added(one: ReviewSum, row: Any) -> ReviewSum:
    policy, timed = row.by.startswith(POLICY), row.seconds is not None
    return ReviewSum(
        job=one.job,
        decisions=one.decisions + (not policy),
        measured=one.measured + (timed and not policy),
        seconds=one.seconds + (row.seconds if timed and not policy else 0.0),
        expected_minutes=one.expected_minutes + (0.0 if timed or policy else row.review_minutes),
        by_policy=one.by_policy + policy,
    )


def added(several: Iterable[ReviewSum]) -> ReviewSum:
    """All of them together."""
    total = ReviewSum("", 0, 0, 0.0, 0.0, 0)
    for one in several:
        total = ReviewSum("", *(getattr(total, name) + getattr(one, name) for name in _REVIEWED))
    return total

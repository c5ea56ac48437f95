"""Queries on benchmark series: keeping what was read, and giving it back in order of time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import sqlalchemy as sa
from msgspec import Struct

from hundredfold.evidence.measures import Direction, direction, measure
from hundredfold.evidence.series import Point, Series
from hundredfold.store.database import Database, insert_ignore
from hundredfold.store.tables.benchmarks import benchmark_points, benchmark_series
from hundredfold.store.text import storable
from hundredfold.vocabulary import digest

BATCH = 5_000


class Measured(Struct, frozen=True):
    """One measurement to keep, as its tool names it."""

    suite: str
    name: str
    unit: str
    tool: str
    value: float
    at_us: int
    commit: str
    spread: float = 0.0


def keep(database: Database, project: str, measured: Iterable[Measured]) -> int:
    """Keep measurements; those that are there already stay as they are. The number of new ones."""
    known: dict[tuple[str, str, str], str] = {}
    new = 0
    with database.write() as connection:
        batch: list[dict[str, object]] = []
        for one in measured:
            kept = measure(one.unit)
            named = one.suite, one.name, kept.unit
            if named not in known:
                known[named] = _series(connection, database, project, one, kept.unit)
            batch.append(
                {
                    "series": known[named],
                    "at_us": one.at_us,
                    "commit": one.commit,
                    "value": one.value * kept.factor,
                    "spread": one.spread * kept.factor,
                }
            )
            if len(batch) == BATCH:
                new += _points(connection, database, batch)
                batch = []
        if batch:
            new += _points(connection, database, batch)
    return new


def kept(database: Database, project: str, measured: Iterable[Measured]) -> list[Series]:
    """Keep measurements and give back all series of the project."""
    keep(database, project, measured)
    return of_project(database, project)


def of_project(database: Database, project: str, newest: int = 5_000) -> list[Series]:
    """Every series of the project with its `newest` points, by suite and name."""
    query = (
        sa.select(benchmark_series)
        .where(benchmark_series.c.project == project)
        .order_by(benchmark_series.c.suite, benchmark_series.c.name, benchmark_series.c.unit)
    )
    points = (
        sa.select(benchmark_points.c.at_us, benchmark_points.c.commit, benchmark_points.c.value)
        .where(benchmark_points.c.series == sa.bindparam("one"))
        .order_by(benchmark_points.c.at_us.desc(), benchmark_points.c.commit.desc())
        .limit(newest)
    )
    with database.read() as connection:
        return [
            Series(
                id=row.id,
                suite=row.suite,
                name=row.name,
                unit=row.unit,
                direction=row.direction,
                points=tuple(
                    Point(at_us, commit, value)
                    for at_us, commit, value in reversed(connection.execute(points, {"one": row.id}).all())
                ),
            )
            for row in connection.execute(query).all()
        ]


def _series(connection: sa.Connection, database: Database, project: str, one: Measured, unit: str) -> str:
    better: Direction | None = direction(one.tool, one.unit)
    suite, name, unit = storable(one.suite), storable(one.name), storable(unit)
    id_ = digest("benchmark series", project, suite, name, unit)[:16]
    connection.execute(
        insert_ignore(database, benchmark_series).values(
            id=id_,
            project=project,
            suite=suite,
            name=name,
            unit=unit,
            tool=storable(one.tool),
            direction=better,
        )
    )
    connection.execute(
        sa.update(benchmark_series)
        .where(benchmark_series.c.id == id_)
        .values(tool=storable(one.tool), direction=better)
    )
    return id_


def _points(connection: sa.Connection, database: Database, batch: Sequence[dict[str, object]]) -> int:
    count = sa.select(sa.func.count()).select_from(benchmark_points)
    if database.is_sqlite:
        before = connection.exec_driver_sql("SELECT total_changes()").scalar_one()
        connection.execute(insert_ignore(database, benchmark_points), list(batch))
        return int(connection.exec_driver_sql("SELECT total_changes()").scalar_one() - before)
    before = connection.execute(count).scalar_one()
    connection.execute(insert_ignore(database, benchmark_points), list(batch))
    return int(connection.execute(count).scalar_one() - before)

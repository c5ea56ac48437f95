"""Queries on benchmark series: keeping what was read, and giving it back in order of time."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

import sqlalchemy as sa
from msgspec import Struct

from hundredfold.evidence.measures import Direction, direction, measure
from hundredfold.evidence.series import Point, Series
from hundredfold.store.database import Database, insert_ignore
from hundredfold.store.tables.benchmarks import benchmark_points, benchmark_series
from hundredfold.store.text import storable
from hundredfold.vocabulary import digest

BATCH = 5_000
#: by the driver's own words, which for a million rows is a third of the time; `?` is a value
_POINT = (
    'INSERT INTO benchmark_points (series, at_us, "commit", value, spread) VALUES (?, ?, ?, ?, ?) '
    "ON CONFLICT DO NOTHING"
)


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
    """Keep measurements; those that are there already stay as they are. The number of new ones.

    A transaction takes `BATCH` of them, so that others can write while a long history is kept.
    """
    known: dict[tuple[str, str, str], tuple[str, float]] = {}
    statement = _POINT if database.is_sqlite else _POINT.replace("?", "%s")
    new, waiting = 0, iter(measured)
    while batch := list(islice(waiting, BATCH)):
        rows = []
        with database.write() as connection:
            for one in batch:
                named = one.suite, one.name, one.unit
                if named not in known:
                    as_kept = measure(one.unit)
                    known[named] = (
                        _series(connection, database, project, one, as_kept.unit),
                        as_kept.factor,
                    )
                series, factor = known[named]
                rows.append((series, one.at_us, one.commit, one.value * factor, one.spread * factor))
            new += connection.exec_driver_sql(statement, rows).rowcount
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

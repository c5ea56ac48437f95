"""Rollups: sums over the ledger's current rows by all that a price can depend on, kept exactly.

One sum holds requests that any price book whose thresholds are among the edges (`rollup_edges`) prices alike:
same route, status, band of input size and kinds of token used. So a month reprices from its sums, to the
picodollar. There are four grains: quarter hours (every zone's midnight falls on one), UTC days (prices
change at UTC midnight), UTC days by attempt, and quarter hours of all bookings together, which are far fewer
and enough for days of a zone. A row that supersedes another takes the other's tokens out again.

Whoever writes the ledger holds `lock_ledger`, reads what is there, and applies `Deltas` in the same
transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import sqlalchemy as sa

from hundredfold.store.database import Database
from hundredfold.store.tables.ledger import current_requests, requests, rollup_edges, rollups
from hundredfold.usage.deltas import (
    DAY,
    DAY_AND_ATTEMPT,
    KEYED,
    NAMES,
    NONE,
    ON_CONFLICT,
    QUARTER,
    QUARTER_OF_ALL,
    QUARTER_US,
    QUARTERS_A_DAY,
    SUMMED,
    UPSERT,
    Deltas,
)

DAY_US = 86_400_000_000
_LOCK = 7355609
#: a ledger of so many rows is rebuilt in about a second
FEW = 50_000


def lock_ledger(database: Database, connection: sa.Connection) -> None:
    """Let no other transaction write the ledger until this one ends (SQLite has one writer anyway)."""
    if not database.is_sqlite:
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")


def edges_of(connection: sa.Connection) -> tuple[int, ...]:
    """The input sizes at which rollups tell requests apart, ascending."""
    return tuple(connection.execute(sa.select(rollup_edges.c.over).order_by(rollup_edges.c.over)).scalars())


def write(database: Database, connection: sa.Connection, deltas: Deltas) -> None:
    """Bring the rollups in step with what a transaction changed."""
    rows = list(deltas.rows())
    if not rows:
        return
    if database.is_sqlite:
        connection.exec_driver_sql(UPSERT, rows)
    else:
        columns = [list(column) for column in zip(*rows, strict=True)]
        connection.exec_driver_sql(_UPSERT_POSTGRESQL, tuple(columns))


#: types by the names that PostgreSQL knows too; its dialect's module would cost every bill its import
_TYPES = {column.name: str(column.type) for column in rollups.columns}
# Whole columns in one statement, not a statement a row.
_UPSERT_POSTGRESQL = (
    f"INSERT INTO rollups ({', '.join(NAMES)}) SELECT * FROM unnest("  # noqa: S608
    f"{', '.join(f'%s::{_TYPES[name]}[]' for name in NAMES)}) {ON_CONFLICT}"
)


def raw_sums(edges: Sequence[int], where: Sequence[sa.ColumnElement[bool]] = ()) -> sa.Subquery:
    """The same sums from the rows themselves, by quarter hour and attempt: what rollups must equal."""
    column = current_requests.c
    # Spelt as CASE: PostgreSQL does not add up booleans.
    zero: sa.ColumnElement[int] = sa.literal_column("0")
    band = sum((sa.case((column.input > edge, 1), else_=0) for edge in edges), start=zero)
    used = (
        (column.input > column.cached + column.cache_write, 1),
        (column.cached > 0, 2),
        (column.cache_write > column.cache_write_1h, 4),
        (column.cache_write_1h > 0, 8),
        (column.output > 0, 16),
    )
    kinds = sum((sa.case((is_used, bit), else_=0) for is_used, bit in used), start=zero)
    keys = (
        (column.at_us // QUARTER_US).label("slot"),
        sa.func.coalesce(column.attempt, 0).label("attempt"),
        *(column.booking, column.route, column.status),
        band.label("band"),
        kinds.label("kinds"),
    )
    rows = sa.select(*keys, *(sa.func.coalesce(column[name], 0).label(name) for name in SUMMED))
    each = rows.where(*where).subquery("each")
    return (
        sa.select(
            *(each.c[name] for name in KEYED),
            sa.func.count().label("requests"),
            *(sa.cast(sa.func.sum(each.c[name]), sa.BigInteger).label(name) for name in SUMMED),
        )
        .group_by(*(each.c[name] for name in KEYED))
        .subquery("raw")
    )


def adopt(database: Database, thresholds: Iterable[int]) -> bool:
    """Whether the rollups know these thresholds; those of a small ledger are rebuilt so that they do."""
    with database.read() as connection:
        if set(thresholds) <= set(edges_of(connection)):
            return True
        rows = int(connection.execute(sa.select(sa.func.max(requests.c.seq))).scalar() or 0)
    if rows > FEW:
        return False
    rebuild(database, thresholds)
    return True


def rebuild(database: Database, thresholds: Iterable[int]) -> tuple[int, ...]:
    """Compute all rollups anew from the ledger, with these thresholds among the edges; returns the edges.

    Edges are never taken away: another project of the same database may need them.
    """
    with database.write() as connection:
        lock_ledger(database, connection)
        there = edges_of(connection)
        edges = tuple(sorted({*there, *thresholds} - {0}))
        new = [{"over": edge} for edge in edges if edge not in there]
        if new:
            connection.execute(sa.insert(rollup_edges), new)
        connection.execute(sa.delete(rollups))
        finest = raw_sums(edges)
        columns = (*KEYED, "requests", *SUMMED)
        made = sa.select(*(finest.c[name] for name in columns)).compile(
            connection, compile_kwargs={"literal_binds": True}
        )
        connection.exec_driver_sql("DROP TABLE IF EXISTS finest_sums")
        connection.exec_driver_sql(f"CREATE TEMPORARY TABLE finest_sums AS {made}")
        day, sums = f"slot / {QUARTERS_A_DAY}", ", ".join(f"sum({name})" for name in ("requests", *SUMMED))
        for grain, keys in (
            (QUARTER, {"attempt": NONE}),
            (DAY, {"slot": day, "attempt": NONE}),
            (DAY_AND_ATTEMPT, {"slot": day}),
            (QUARTER_OF_ALL, {"attempt": NONE, "booking": NONE}),
        ):
            by = ", ".join(str(keys.get(name, name)) for name in KEYED if keys.get(name) != NONE)
            connection.exec_driver_sql(
                f"INSERT INTO rollups (grain, {', '.join(columns)}) "  # noqa: S608
                f"SELECT {grain}, {', '.join(str(keys.get(name, name)) for name in KEYED)}, {sums} "
                f"FROM finest_sums GROUP BY {by}"
            )
        connection.exec_driver_sql("DROP TABLE finest_sums")
    return edges

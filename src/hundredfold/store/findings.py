"""Queries on findings and coverage: what was seen, and how far each item was looked at."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
import sqlalchemy as sa
from msgspec import Struct

from hundredfold.store.database import Database, insert_ignore
from hundredfold.store.tables.record import coverage, findings
from hundredfold.store.tables.work import items
from hundredfold.store.text import storable
from hundredfold.vocabulary import Coverage, Finding

#: Where one unit is named twice (overloads, two regions of one name), the least looked at one counts.
_LEAST_FIRST = ("not_looked_at", "screened", "investigated")


class CoverageRow(Struct, frozen=True):
    """How far one unit was looked at, with the item it belongs to."""

    item: str
    key: str
    revision: str
    coverage: Coverage


def keep_findings(
    connection: sa.Connection, database: Database, found: Iterable[Finding], at_us: int
) -> None:
    """Keep findings; one that is there already stays as it was first seen."""
    rows = [
        {
            "id": one.id,
            "fingerprint": storable(one.fingerprint),
            "project": one.project,
            "job": one.job,
            "item": one.item,
            "rule": storable(one.rule),
            "title": storable(one.title),
            "severity": one.severity,
            "confidence": one.confidence,
            "private": one.private,
            "record": msgspec.to_builtins(one),
            "found_us": at_us,
        }
        for one in found
    ]
    if rows:
        connection.execute(insert_ignore(database, findings), rows)


def replace_coverage(connection: sa.Connection, item: str, looked: Iterable[Coverage]) -> None:
    """Put an item's coverage in place of what an earlier try at it left."""
    connection.execute(sa.delete(coverage).where(coverage.c.item == item))
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for one in looked:
        place = storable(one.path), storable(one.unit)
        row = {
            "item": item,
            "path": place[0],
            "unit": place[1],
            "state": one.state,
            "reason": storable(one.reason),
        }
        before = rows.get(place)
        if before is None or _LEAST_FIRST.index(one.state) < _LEAST_FIRST.index(before["state"]):
            rows[place] = row
    if rows:
        connection.execute(sa.insert(coverage), list(rows.values()))


def find(database: Database, finding: str) -> Finding | None:
    """One finding by its id."""
    found = by_id(database, [finding])
    return found.get(finding)


def by_id(database: Database, ids: Iterable[str]) -> dict[str, Finding]:
    """The findings among these ids that are known."""
    wanted = sorted(set(ids))
    if not wanted:
        return {}
    with database.read() as connection:
        return {
            row.id: msgspec.convert(row.record, Finding)
            for start in range(0, len(wanted), 500)  # SQLite bounds the variables of a statement
            for row in connection.execute(
                sa.select(findings.c.id, findings.c.record).where(
                    findings.c.id.in_(wanted[start : start + 500])
                )
            )
        }


def of_project(
    database: Database, project: str, *, job: str | None = None, item: str | None = None
) -> list[Finding]:
    """The project's findings, newest first."""
    query = (
        sa.select(findings.c.record)
        .where(findings.c.project == project)
        .order_by(findings.c.found_us.desc(), findings.c.id)
    )
    if job is not None:
        query = query.where(findings.c.job == job)
    if item is not None:
        query = query.where(findings.c.item == item)
    with database.read() as connection:
        return [msgspec.convert(record, Finding) for record in connection.execute(query).scalars()]


def coverage_of(
    database: Database, project: str, *, job: str | None = None, item: str | None = None
) -> list[CoverageRow]:
    """How far the project's items were looked at, newest item first, then by path and unit."""
    query = (
        sa.select(coverage, items.c.key, items.c.revision)
        .join(items, items.c.id == coverage.c.item)
        .where(items.c.project == project)
        .order_by(items.c.found_us.desc(), items.c.id, coverage.c.path, coverage.c.unit)
    )
    if job is not None:
        query = query.where(items.c.job == job)
    if item is not None:
        query = query.where(items.c.id == item)
    with database.read() as connection:
        return [
            CoverageRow(
                item=row.item,
                key=row.key,
                revision=row.revision,
                coverage=Coverage(path=row.path, unit=row.unit, state=row.state, reason=row.reason),
            )
            for row in connection.execute(query)
        ]

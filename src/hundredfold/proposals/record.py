"""Recording how an item ended: its findings, coverage, proposals and state, in one transaction.

Each function may be called again with the same arguments after a crash and changes nothing then. An item that
is worked again (it could not be finished before) keeps its earlier findings and gets its coverage replaced.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from hundredfold.store import findings, proposals
from hundredfold.store.database import Database, now_us
from hundredfold.store.items import ItemState
from hundredfold.store.tables.work import items
from hundredfold.store.text import storable
from hundredfold.vocabulary import Coverage, Done, Finding, Item, Skip

#: what a job says once of a subject as a whole: a newer one takes the place of an older that still waits
VERDICTS = {"review": ("review", "comment")}


def record_done(database: Database, item: Item, run: str | None, done: Done, *, model: bool) -> None:
    """Record that the item is worked out.

    It ends as "done", or, if the job could not finish it, as "incomplete"; where the reason is that no model
    could be asked, as "listed": a run with a model takes it in again.
    """
    state: ItemState = "done" if done.complete else "incomplete" if model else "listed"
    at_us = now_us()
    with database.write() as connection:
        findings.keep_findings(connection, database, done.findings, at_us)
        findings.replace_coverage(connection, item.id, done.coverage)
        proposals.keep(connection, database, done.proposals, run, at_us)
        types = VERDICTS.get(item.job, ())
        if any(one.type in types for one in done.proposals):
            proposals.replace_older(connection, item.project, item.job, item.key, types, at_us)
        _end(connection, item.id, state, done.note, dict(done.dropped))


def record_skip(database: Database, item: Item, skip: Skip) -> None:
    """Record that there was nothing to do for the item, and why."""
    with database.write() as connection:
        findings.replace_coverage(connection, item.id, skip.coverage)
        _end(connection, item.id, "skipped", skip.reason, {})


def findings_of(database: Database, project: str, job: str) -> list[Finding]:
    """All findings of one job of the project, newest first."""
    return findings.of_project(database, project, job=job)


def coverage_of(database: Database, project: str, job: str) -> list[dict[str, Any]]:
    """How far the job's items were looked at, one row a unit: item, key, revision, path, unit, state,
    reason."""
    return [
        {"item": row.item, "key": row.key, "revision": row.revision, **_fields(row.coverage)}
        for row in findings.coverage_of(database, project, job=job)
    ]


def _fields(one: Coverage) -> dict[str, str]:
    return {"path": one.path, "unit": one.unit, "state": one.state, "reason": one.reason}


def _end(
    connection: sa.Connection, item: str, state: ItemState, reason: str, dropped: dict[str, int]
) -> None:
    connection.execute(
        sa.update(items)
        .where(items.c.id == item)
        .values(state=state, reason=storable(reason), dropped=dropped, changed_us=now_us())
    )

"""Queries on paired experiments: which routes were compared, and what each item used and brought about."""

from __future__ import annotations

from typing import Any

import msgspec
import sqlalchemy as sa
from msgspec import Struct

from hundredfold.store.database import Database, now_us
from hundredfold.store.tables.experiments import experiments
from hundredfold.store.tables.outcomes import observations
from hundredfold.store.tables.outcomes import outcomes as outcomes_table
from hundredfold.store.tables.record import findings, proposals
from hundredfold.store.tables.work import attempts, items


class Arm(Struct, frozen=True):
    """One route of an experiment. `code` tells nobody which it is; `route` is what was asked for."""

    code: str
    route: dict[str, str]

    @property
    def name(self) -> str:
        """The route in words."""
        return ", ".join(f"{key}={value}" for key, value in self.route.items()) or "as configured"


class Experiment(Struct, frozen=True):
    """One experiment: a job's items, along two routes."""

    id: str
    project: str
    job: str
    arms: tuple[Arm, ...]
    run: str | None
    by: str
    started_us: int


class Worked(Struct, frozen=True):
    """One item in one arm. `seconds` its agents ran; `elapsed_s` from the first start to the last end.
    Outcomes count proposals: accepted and rejected are decided, the rest is pending."""

    item: str
    key: str
    revision: str
    state: str
    attempts: tuple[str, ...]
    seconds: float
    elapsed_s: float
    findings: int
    proposals: int
    accepted: int
    rejected: int


def keep(database: Database, one: Experiment) -> None:
    """Record that an experiment begins."""
    values = {**msgspec.structs.asdict(one), "arms": msgspec.to_builtins(one.arms)}
    with database.write() as connection:
        connection.execute(sa.insert(experiments).values(**{**values, "started_us": now_us()}))


def of_project(database: Database, project: str) -> list[Experiment]:
    """The project's experiments, newest first."""
    query = (
        sa.select(experiments)
        .where(experiments.c.project == project)
        .order_by(experiments.c.started_us.desc(), experiments.c.id)
    )
    with database.read() as connection:
        return [_experiment(row) for row in connection.execute(query)]


def worked(database: Database, experiment: Experiment, arm: Arm) -> list[Worked]:
    """What an arm's items came to, by key."""
    job = f"{experiment.job}@{arm.code}"
    with database.read() as connection:
        mine = list(
            connection.execute(
                sa.select(items.c.id, items.c.key, items.c.revision, items.c.state)
                .where(items.c.project == experiment.project, items.c.job == job)
                .order_by(items.c.key, items.c.id)
            )
        )
        tried = _grouped(
            connection.execute(
                sa.select(attempts.c.item, attempts.c.id, attempts.c.started_us, attempts.c.ended_us)
                .join(items, items.c.id == attempts.c.item)
                .where(items.c.project == experiment.project, items.c.job == job)
            )
        )
        found = _counted(connection, findings, experiment.project, job)
        proposed = _counted(connection, proposals, experiment.project, job)
        fates = _fates(connection, experiment.project, job)
    return [_worked(row, tried.get(row.id, []), found, proposed, fates.get(row.id, [])) for row in mine]


def _worked(
    row: Any, tried: list[Any], found: dict[str, int], proposed: dict[str, int], fates: list[str]
) -> Worked:
    ended = [(one.started_us, one.ended_us) for one in tried if one.ended_us is not None]
    elapsed = max(end for _, end in ended) - min(start for start, _ in ended) if ended else 0
    return Worked(
        item=row.id,
        key=row.key,
        revision=row.revision,
        state=row.state,
        attempts=tuple(one.id for one in tried),
        seconds=sum(end - start for start, end in ended) / 1e6,
        elapsed_s=elapsed / 1e6,
        findings=found.get(row.id, 0),
        proposals=proposed.get(row.id, 0),
        accepted=sum(state in ("accepted", "survived", "reverted") for state in fates),
        rejected=sum(state == "rejected" for state in fates),
    )


def _grouped(rows: Any) -> dict[str, list[Any]]:
    grouped: dict[str, list[Any]] = {}
    for row in rows:
        grouped.setdefault(row.item, []).append(row)
    return grouped


def _counted(connection: sa.Connection, table: sa.Table, project: str, job: str) -> dict[str, int]:
    query = (
        sa.select(table.c.item, sa.func.count())
        .join_from(table, items, items.c.id == table.c.item)
        .where(items.c.project == project, items.c.job == job)
        .group_by(table.c.item)
    )
    return {row[0]: row[1] for row in connection.execute(query)}


def _fates(connection: sa.Connection, project: str, job: str) -> dict[str, list[str]]:
    """The states of the outcomes of an arm's proposals, by item."""
    newest = (
        sa.select(sa.func.max(observations.c.seq))
        .where(observations.c.outcome == outcomes_table.c.id, observations.c.counts)
        .correlate(outcomes_table)
        .scalar_subquery()
    )
    current = observations.alias("current")
    query = (
        sa.select(proposals.c.item, current.c.state)
        .join_from(proposals, items, items.c.id == proposals.c.item)
        .join(outcomes_table, outcomes_table.c.proposal == proposals.c.id)
        .join(current, current.c.seq == newest)
        .where(items.c.project == project, items.c.job == job)
    )
    found: dict[str, list[str]] = {}
    for item, state in connection.execute(query):
        found.setdefault(item, []).append(state)
    return found


def _experiment(row: Any) -> Experiment:
    return Experiment(
        id=row.id,
        project=row.project,
        job=row.job,
        arms=msgspec.convert(row.arms, tuple[Arm, ...]),
        run=row.run,
        by=row.by,
        started_us=row.started_us,
    )

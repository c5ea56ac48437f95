"""Queries on outcomes: what is followed, what was observed of it, and which observation counts.

Observations are only ever added. Observers look again and again, and the newest word counts; a person may
overrule it, and a person's word stands until something happens after it (a later acceptance, rejection or
revert), the outcome they called accepted has stood its time, or a person speaks again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa
from msgspec import Struct

from hundredfold.outcome import ACCEPTED_STATES, Observation, Origin, Outcome, OutcomeKind, OutcomeState
from hundredfold.store.database import Database, insert_ignore
from hundredfold.store.outcomesums import Deltas
from hundredfold.store.tables.outcomes import observations, origins, outcomes
from hundredfold.store.text import storable
from hundredfold.vocabulary import identity

#: ids in one statement; SQLite bounds a statement's variables
_IDS = 500
_ORIGIN = Origin.__struct_fields__

current_outcomes = sa.table(
    "current_outcomes",
    *(sa.column(c.name, c.type) for c in outcomes.columns),
    *(sa.column(c.name, c.type) for c in observations.columns if c.name not in ("outcome", "counts")),
)


class OutcomeRow(Struct, frozen=True):
    """An outcome with the observation that counts; None while nobody looked. `look_us` is when observers
    shall look again, None once its fate is final."""

    outcome: Outcome
    observation: Observation | None
    seq: int | None
    look_us: int | None

    @property
    def state(self) -> OutcomeState:
        """What became of it so far."""
        return self.observation.state if self.observation else "pending"


class Seen(Struct, frozen=True):
    """One observation of an outcome's history. A person's row names the row it overruled; that row names
    the person's. One that does not count is what an observer saw while a person's word stood."""

    seq: int
    observation: Observation
    counts: bool
    overrules: int | None
    overruled_by: int | None


def outcome_id(project: str, *, proposal: str | None = None, reference: str = "") -> str:
    """The id of the outcome of a proposal of ours, or of an external thing: the same one each time."""
    return identity("outcome", project, proposal or "", "" if proposal else reference)


def keep(database: Database, followed: Iterable[Outcome], *, look_us: int | None) -> int:
    """Follow these from now on, observers' first look at `look_us`; how many were new. Those that are known
    stay as they are."""
    wanted = {one.id: one for one in followed}
    added, sums = 0, Deltas()
    with database.write() as connection:
        _serialised(connection, database)
        ids = origin_ids(connection, database, {one.origin for one in wanted.values()})
        rows: list[dict[str, Any]] = [
            {
                "id": one.id,
                "origin": ids[one.origin],
                "project": one.origin.project,
                "proposal": one.proposal,
                "reference": storable(one.reference),
                "author": storable(one.author),
                "title": storable(one.title),
                "opened_us": one.opened_us,
                "look_us": look_us,
            }
            for one in wanted.values()
        ]
        for start in range(0, len(rows), _IDS):
            part = rows[start : start + _IDS]
            known = _known(connection, [row["id"] for row in part])
            fresh = [row for row in part if row["id"] not in known]
            if fresh:
                connection.execute(sa.insert(outcomes), fresh)
            added += len(fresh)
            for row in fresh:
                sums.add(row["origin"], row["opened_us"], None)
        sums.write(connection, database)
    return added


def refer(database: Database, outcome: str, reference: str) -> None:
    """Say where on the forge or in git an outcome of ours is, once that is known."""
    with database.write() as connection:
        connection.execute(
            sa.update(outcomes).where(outcomes.c.id == outcome).values(reference=storable(reference))
        )


def observe(
    database: Database, seen: Sequence[Observation], *, look_us: Mapping[str, int | None] | None = None
) -> int:
    """Add what observers saw, in that order; how many of them count from now on.

    `look_us` says, by outcome, when to look again (None: its fate is final); others stay as they are.

    Raises:
        ValueError: an observation contradicts itself, or is a person's (see `overrule`).
    """
    for one in seen:
        if one.person:
            raise ValueError("a person's word goes through `overrule`")
        _check(one)
    counting, sums = 0, Deltas()
    with database.write() as connection:
        _serialised(connection, database)
        for start in range(0, len(seen), _IDS):
            part = seen[start : start + _IDS]
            now = _current(connection, {one.outcome for one in part})
            followed = _followed(connection, {one.outcome for one in part})
            rows = []
            for one in part:
                standing = now.get(one.outcome)
                counts = standing is None or _counts(standing[1], one)
                if counts and standing is not None and standing[1].person:
                    # what a person confirmed stays confirmed when time goes on
                    one = msgspec.structs.replace(one, confirmed=one.confirmed or standing[1].confirmed)
                if counts:
                    sums.add(*followed[one.outcome], standing[1] if standing else None, -1)
                    sums.add(*followed[one.outcome], one)
                    now[one.outcome] = (0, one)
                counting += counts
                rows.append(_row(one, counts=counts, overrules=None))
            connection.execute(sa.insert(observations), rows)
        sums.write(connection, database)
        for outcome, when in (look_us or {}).items():
            connection.execute(sa.update(outcomes).where(outcomes.c.id == outcome).values(look_us=when))
    return counting


def overrule(database: Database, word: Observation) -> Seen:
    """Add a person's word: it counts, and names the row it overrules, which stays.

    Raises:
        ValueError: it contradicts itself, is not a person's, or has no reason.
    """
    if not word.person or not word.by or not word.reason:
        raise ValueError("a person's word bears a name and a reason")
    _check(word)
    with database.write() as connection:
        _serialised(connection, database)
        standing = _current(connection, {word.outcome}).get(word.outcome)
        overrules = standing[0] if standing else None
        origin, opened_us = _followed(connection, {word.outcome})[word.outcome]
        sums = Deltas()
        sums.add(origin, opened_us, standing[1] if standing else None, -1)
        sums.add(origin, opened_us, word)
        sums.write(connection, database)
        seq = connection.execute(
            sa.insert(observations)
            .values(**_row(word, counts=True, overrules=overrules))
            .returning(observations.c.seq)
        ).scalar_one()
    return Seen(seq, word, True, overrules, None)


def find(database: Database, outcome: str) -> OutcomeRow | None:
    """One outcome by its id."""
    with database.read() as connection:
        row = connection.execute(_rows().where(current_outcomes.c.id == outcome)).one_or_none()
    return None if row is None else _outcome_row(row)


def of_ids(database: Database, wanted: Sequence[str]) -> list[OutcomeRow]:
    """The outcomes with these ids, in no order."""
    ids, found = sorted(set(wanted)), []
    with database.read() as connection:
        for start in range(0, len(ids), _IDS):
            query = _rows().where(current_outcomes.c.id.in_(ids[start : start + _IDS]))
            found += [_outcome_row(row) for row in connection.execute(query)]
    return found


def of_proposal(database: Database, proposal: str) -> OutcomeRow | None:
    """The outcome of a proposal of ours, if it is followed."""
    with database.read() as connection:
        row = connection.execute(_rows().where(current_outcomes.c.proposal == proposal)).one_or_none()
    return None if row is None else _outcome_row(row)


def of_project(
    database: Database,
    project: str,
    *,
    states: Collection[OutcomeState] = (),
    kinds: Collection[OutcomeKind] = (),
    references: Collection[str] = (),
    due_us: int | None = None,
    limit: int | None = None,
) -> list[OutcomeRow]:
    """The project's outcomes, oldest first; `due_us`: those that observers shall look at by then, the
    longest due first."""
    query = _rows().where(current_outcomes.c.project == project)
    order = (current_outcomes.c.opened_us, current_outcomes.c.id)
    if states:
        query = query.where(sa.func.coalesce(current_outcomes.c.state, "pending").in_(states))
    if kinds:
        query = query.where(origins.c.kind.in_(kinds))
    if references:
        query = query.where(current_outcomes.c.reference.in_(references))
    if due_us is not None:
        query = query.where(current_outcomes.c.look_us <= due_us)
        order = (current_outcomes.c.look_us, current_outcomes.c.id)
    with database.read() as connection:
        return [_outcome_row(row) for row in connection.execute(query.order_by(*order).limit(limit))]


def history(database: Database, outcome: str) -> list[Seen]:
    """Everything that was ever observed of an outcome, oldest first."""
    query = sa.select(observations).where(observations.c.outcome == outcome).order_by(observations.c.seq)
    with database.read() as connection:
        rows = list(connection.execute(query))
    by = {row.overrules: row.seq for row in rows if row.overrules is not None}
    return [Seen(row.seq, _observation(row), row.counts, row.overrules, by.get(row.seq)) for row in rows]


# ------------------------------------------------------------------ which observation counts


def _counts(standing: Observation, new: Observation) -> bool:
    """Whether an observer's new word replaces the one that stands."""
    if not standing.person:
        return True
    happened = [when for when in (new.accepted_us, new.ended_us) if when is not None]
    if any(when > standing.observed_us for when in happened):
        return True
    return standing.state == "accepted" and new.state == "survived"


def _check(one: Observation) -> None:
    wanted = {
        "accepted_us": one.state in ACCEPTED_STATES,
        "ended_us": one.state in ("rejected", "reverted"),
    }
    for name, needed in wanted.items():
        if needed != (getattr(one, name) is not None):
            raise ValueError(
                f"an observation of {one.state!r} has {'an' if needed else 'no'} {name}: {one.outcome}"
            )
    if one.accepted_us is not None and one.ended_us is not None and one.ended_us < one.accepted_us:
        raise ValueError(f"{one.outcome} was taken back before it was accepted")
    if (one.lines is None) != (one.lines_kept is None) or not 0 <= (one.lines_kept or 0) <= (one.lines or 0):
        raise ValueError(f"{one.outcome} keeps {one.lines_kept} of {one.lines} lines")


# ------------------------------------------------------------------ rows


def _serialised(connection: sa.Connection, database: Database) -> None:
    """One writer at a time, so that a later row never has a smaller number than one that is seen already."""
    if not database.is_sqlite:  # SQLite's immediate transaction is the lock
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(7355610)"))


def origin_ids(
    connection: sa.Connection, database: Database, wanted: Collection[Origin]
) -> dict[Origin, int]:
    """The numbers of origins, made known where they are not."""
    found = {}
    for one in sorted(wanted, key=repr):  # in one order everywhere: two writers never wait in a circle
        values = {
            name: storable(value) if isinstance(value, str) else value
            for name, value in msgspec.structs.asdict(one).items()
        }
        connection.execute(insert_ignore(database, origins).values(**values))
        same = sa.and_(*(origins.c[name] == value for name, value in values.items()))
        found[one] = connection.execute(sa.select(origins.c.id).where(same)).scalar_one()
    return found


def _followed(connection: sa.Connection, wanted: Collection[str]) -> dict[str, tuple[int, int]]:
    """The origin and the time of opening of outcomes."""
    query = sa.select(outcomes.c.id, outcomes.c.origin, outcomes.c.opened_us)
    rows = connection.execute(query.where(outcomes.c.id.in_(sorted(wanted))))
    return {row.id: (row.origin, row.opened_us) for row in rows}


def _known(connection: sa.Connection, ids: Sequence[str]) -> set[str]:
    return set(connection.execute(sa.select(outcomes.c.id).where(outcomes.c.id.in_(ids))).scalars())


def _current(connection: sa.Connection, wanted: Collection[str]) -> dict[str, tuple[int, Observation]]:
    """The observations that count, with their numbers, by outcome."""
    newest = (
        sa.select(sa.func.max(observations.c.seq))
        .where(observations.c.outcome.in_(sorted(wanted)), observations.c.counts)
        .group_by(observations.c.outcome)
    )
    rows = connection.execute(sa.select(observations).where(observations.c.seq.in_(newest)))
    return {row.outcome: (row.seq, _observation(row)) for row in rows}


def _row(one: Observation, *, counts: bool, overrules: int | None) -> dict[str, Any]:
    values = {name: getattr(one, name) for name in Observation.__struct_fields__}
    for name in ("rule", "by", "reason"):
        values[name] = storable(values[name])
    return {**values, "counts": counts, "overrules": overrules}


def _rows() -> sa.Select[Any]:
    fields = [origins.c[name].label(f"origin_{name}") for name in _ORIGIN]
    return sa.select(current_outcomes, *fields).join_from(
        current_outcomes, origins, origins.c.id == current_outcomes.c.origin
    )


def _outcome_row(row: Any) -> OutcomeRow:
    fields = row._mapping
    origin = {name: fields[f"origin_{name}"] for name in _ORIGIN}
    outcome = Outcome(
        id=row.id,
        origin=Origin(**{**origin, "simulated": bool(origin["simulated"])}),
        title=row.title,
        opened_us=row.opened_us,
        proposal=row.proposal,
        reference=row.reference,
        author=row.author,
    )
    seen = None if row.seq is None else _observation(row, row.id)
    return OutcomeRow(outcome=outcome, observation=seen, seq=row.seq, look_us=row.look_us)


def _observation(row: Any, outcome: str | None = None) -> Observation:
    fields = row._mapping
    values = {name: fields[name] for name in Observation.__struct_fields__ if name != "outcome"}
    for name in ("confirmed", "person"):
        values[name] = bool(values[name])
    return Observation(outcome=outcome or fields["outcome"], **values)

"""Following our own proposals: who brought each about, and what our own records already say of its fate.

What people decided here is known without asking a forge. A rejection is final. An approval that was applied
counts as accepted, but weakly and unconfirmed, for nobody outside the inbox said so yet; a pull request stays
pending until it is merged. Observers of forges and of git say the rest.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa
from msgspec import Struct

from hundredfold.outcome import POLICY, Observation, Origin, Outcome, OutcomeState, Strength, kind_of
from hundredfold.store import outcomes
from hundredfold.store.database import Database, now_us
from hundredfold.store.outcomes import OutcomeRow, outcome_id
from hundredfold.store.tables.ledger import bookings, requests, routes
from hundredfold.store.tables.record import actions, decisions, marks, proposals
from hundredfold.store.tables.work import attempts
from hundredfold.usage.pricing import billed_tier

OBSERVER = "own records"
UNDECIDED = "not decided yet"
#: proposals looked at in one go
BATCH = 400
#: changes are looked at again so far back: a transaction may have ended after a later one
MARGIN_US = 60_000_000


class Followed(Struct, frozen=True):
    """How many proposals are followed from now on, and of how many something new is known."""

    new: int
    observed: int


class _Changed(Struct, frozen=True):
    """A proposal with what our own records say of it."""

    id: str
    job: str
    item: str
    type: str
    title: str
    state: str
    opened_us: int
    changed_us: int
    verdict: str | None
    decided_by: str | None
    decided_us: int | None
    reason: str | None
    applied_us: int | None
    undone_us: int | None
    undone_by: str | None


def follow(database: Database, project: str) -> Followed:
    """Follow every proposal of the project that changed since this was last called, and record what our own
    records say of it. Calling it again changes nothing."""
    new = observed = 0
    for batch in _batches(database, project):
        made = _made(database, project, batch)
        new += outcomes.keep(database, made, look_us=now_us())
        known = {row.outcome.proposal: row for row in outcomes.of_ids(database, [one.id for one in made])}
        seen = [
            said
            for one in batch
            if (row := known.get(one.id)) is not None and (said := _said(one, row)) is not None
        ]
        observed += outcomes.observe(database, seen)
        _remember(database, project, batch[-1].changed_us)
    return Followed(new, observed)


# ------------------------------------------------------------------ what changed


def _batches(database: Database, project: str) -> Iterator[list[_Changed]]:
    """The changed proposals, the longest unchanged first."""
    after = (_last(database, project) - MARGIN_US, "")
    while True:
        later = decisions.alias("later")
        latest = (
            sa.select(sa.func.max(later.c.at_us))
            .where(later.c.proposal == proposals.c.id)
            .correlate(proposals)
            .scalar_subquery()
        )
        columns = [proposals.c[name] for name in ("id", "job", "item", "type", "title", "state")]
        query = (
            sa.select(
                *columns,
                proposals.c.opened_us,
                proposals.c.changed_us,
                decisions.c.verdict,
                decisions.c.by.label("decided_by"),
                decisions.c.at_us.label("decided_us"),
                decisions.c.reason,
                sa.case((actions.c.state.in_(("applied", "undone")), actions.c.at_us)).label("applied_us"),
                actions.c.undone_us,
                actions.c.undone_by,
            )
            .select_from(proposals)
            .outerjoin(
                decisions, sa.and_(decisions.c.proposal == proposals.c.id, decisions.c.at_us == latest)
            )
            .outerjoin(actions, actions.c.proposal == proposals.c.id)
            .where(
                proposals.c.project == project,
                sa.tuple_(proposals.c.changed_us, proposals.c.id) > sa.tuple_(*map(sa.literal, after)),
            )
            .order_by(proposals.c.changed_us, proposals.c.id)
            .limit(BATCH)
        )
        with database.read() as connection:
            found = {row.id: _Changed(*tuple(row)) for row in connection.execute(query)}
        if not found:
            return
        batch = list(found.values())
        yield batch
        after = (batch[-1].changed_us, batch[-1].id)


def _last(database: Database, project: str) -> int:
    with database.read() as connection:
        value = connection.execute(sa.select(marks.c.value).where(marks.c.name == _mark(project))).scalar()
    return 0 if value is None else int(value)


def _remember(database: Database, project: str, changed_us: int) -> None:
    with database.write() as connection:
        connection.execute(sa.delete(marks).where(marks.c.name == _mark(project)))
        connection.execute(sa.insert(marks).values(name=_mark(project), value=b"%d" % changed_us))


def _mark(project: str) -> str:
    return f"outcomes:{project}"


# ------------------------------------------------------------------ who brought it about


def _made(database: Database, project: str, batch: Sequence[_Changed]) -> list[Outcome]:
    by = makers(database, [one.item for one in batch])
    return [
        Outcome(
            id=outcome_id(project, proposal=one.id),
            origin=Origin(
                project=project,
                job=one.job,
                kind=kind_of(one.job, one.type),
                **by.get(one.item, {"agent": "code alone"}),
            ),
            title=one.title,
            opened_us=one.opened_us,
            proposal=one.id,
        )
        for one in batch
    ]


def makers(database: Database, wanted: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Who worked on these items: agent, effort, served model and tier, payer, and whether it was simulated.

    Of several attempts, the one that wrote the most output; none is there for an item that no model saw.
    """
    mine = requests.alias("mine")
    own = mine.c.attempt == attempts.c.number
    latest = sa.select(sa.func.max(mine.c.seq)).where(own).correlate(attempts).scalar_subquery()
    written = sa.select(sa.func.sum(mine.c.output)).where(own).correlate(attempts).scalar_subquery()
    query = (
        sa.select(
            attempts.c.item,
            *(attempts.c[name] for name in ("backend", "model", "effort", "tier")),
            *(routes.c[name] for name in ("served_model", "served_tier", "simulated")),
            bookings.c.payer,
            sa.func.coalesce(written, 0).label("written"),
        )
        .select_from(attempts)
        .outerjoin(requests, requests.c.seq == latest)
        .outerjoin(routes, routes.c.id == requests.c.route)
        .outerjoin(bookings, bookings.c.id == requests.c.booking)
        .order_by("written", attempts.c.number.desc())
    )
    found: dict[str, dict[str, Any]] = {}
    ids = sorted(set(wanted))
    with database.read() as connection:
        for start in range(0, len(ids), BATCH):
            for row in connection.execute(query.where(attempts.c.item.in_(ids[start : start + BATCH]))):
                found[row.item] = {
                    "agent": row.backend,
                    "model": row.served_model or row.model,
                    "effort": row.effort,
                    "tier": billed_tier(row.tier, row.served_tier or ""),
                    "payer": row.payer or "",
                    "simulated": bool(row.simulated),
                }
    return found


# ------------------------------------------------------------------ what our own records say


def _said(one: _Changed, row: OutcomeRow) -> Observation | None:
    """What is new; None if nothing is, or if somebody who looked outside knows better."""
    state, rule, strength, times = _fate(one, row)
    standing = row.observation
    if standing is not None:
        ours = standing.by == OBSERVER
        if (ours and (standing.state, standing.rule) == (state, rule)) or (
            not ours and state in ("pending", "accepted")
        ):
            return None
        if not ours and state == "reverted" and standing.state in ("rejected", "reverted"):
            return None
    elif rule == UNDECIDED:
        return None
    evidence = {"decided by": one.decided_by, "reason": one.reason, "undone by": one.undone_by}
    return Observation(
        outcome=row.outcome.id,
        state=state,
        rule=rule,
        strength=strength,
        confirmed=state == "rejected",
        observed_us=one.changed_us,
        by=OBSERVER,
        evidence={name: value for name, value in evidence.items() if value},
        **times,
    )


def _fate(one: _Changed, row: OutcomeRow) -> tuple[OutcomeState, str, Strength, dict[str, Any]]:
    merges = row.outcome.origin.kind == "pull_request"
    if one.state == "rejected" and one.decided_us is not None:
        return "rejected", "rejected in the inbox", "high", {"ended_us": one.decided_us}
    if one.state == "undone" and one.undone_us is not None and one.applied_us is not None:
        if merges:
            return "rejected", "taken back before it was merged", "high", {"ended_us": one.undone_us}
        times = {"accepted_us": one.applied_us, "ended_us": max(one.undone_us, one.applied_us)}
        return "reverted", "taken back by a person", "high", times
    if one.state == "applied" and (one.decided_by or "").startswith(POLICY):
        return "pending", "applied by policy, nobody looked yet", "low", {}
    if one.state == "applied" and one.applied_us is not None and not merges:
        return "accepted", "approved in the inbox and applied", "low", {"accepted_us": one.applied_us}
    if one.state == "applied":
        return "pending", "applied, not merged yet", "low", {}
    return "pending", UNDECIDED, "low", {}

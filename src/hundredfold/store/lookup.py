"""Finding a record by any id, or the beginning of one, whatever kind it is of."""

from __future__ import annotations

import difflib
from typing import Any

import sqlalchemy as sa
from msgspec import Struct

from hundredfold.store.database import Database
from hundredfold.store.tables.ledger import requests, routes
from hundredfold.store.tables.outcomes import outcomes
from hundredfold.store.tables.record import actions, decisions, findings, proposals
from hundredfold.store.tables.work import attempts, items, runs
from hundredfold.vocabulary import ID_PREFIX, IdKind

MAX_MATCHES = 10
NEAR_AMONG = 5000  # ids a table, compared when nothing matches

_IDS: dict[IdKind, sa.Column[str]] = {
    "item": items.c.id,
    "attempt": attempts.c.id,
    "finding": findings.c.id,
    "proposal": proposals.c.id,
    "action": actions.c.id,
    "decision": decisions.c.id,
    "outcome": outcomes.c.id,
    "run": runs.c.id,
}


class RequestRow(Struct, frozen=True):
    """One row of the ledger with its route. `status` and `source` are the ledger's codes."""

    seq: int
    key: str
    status: int
    source: int
    at_us: int
    attempt: str | None
    provider: str
    model: str
    served_model: str
    tier: str
    served_tier: str
    simulated: bool
    input: int
    cached: int
    output: int
    reasoning: int
    http_status: int | None
    error: str | None


class RunRow(Struct, frozen=True):
    """One run: whose it was and how it went."""

    id: str
    project: str
    person: str
    started_us: int
    ended_us: int | None
    summary: dict[str, Any] | None


def kind_of(identity: str) -> IdKind | None:
    """The kind of record an id is of, by its letter."""
    return next((kind for kind, letter in ID_PREFIX.items() if identity.startswith(f"{letter}-")), None)


def matching(database: Database, beginning: str) -> list[str]:
    """Ids that begin so, at most `MAX_MATCHES` of each kind. Without a letter, of every kind."""
    kind = kind_of(beginning)
    with database.read() as connection:
        return sorted(
            found
            for one, column in _IDS.items()
            if kind in (None, one)
            for found in connection.execute(
                sa.select(column)
                .where(
                    column.startswith(beginning if kind else f"{ID_PREFIX[one]}-{beginning}", autoescape=True)
                )
                .order_by(column)
                .limit(MAX_MATCHES)
            ).scalars()
        )


def near(database: Database, identity: str) -> list[str]:
    """Ids that look like this one."""
    kind = kind_of(identity)
    with database.read() as connection:
        known = [
            found
            for one, column in _IDS.items()
            if kind in (None, one)
            for found in connection.execute(sa.select(column).limit(NEAR_AMONG)).scalars()
        ]
    return difflib.get_close_matches(identity, known, n=3, cutoff=0.7)


def decision_proposal(database: Database, decision: str) -> str | None:
    """The proposal a decision is on."""
    with database.read() as connection:
        query = sa.select(decisions.c.proposal).where(decisions.c.id == decision)
        return connection.execute(query).scalar()


def attempt_item(database: Database, attempt: str) -> str | None:
    """The item an attempt is at."""
    with database.read() as connection:
        return connection.execute(sa.select(attempts.c.item).where(attempts.c.id == attempt)).scalar()


def run(database: Database, identity: str) -> RunRow | None:
    """One run by its id."""
    with database.read() as connection:
        row = connection.execute(sa.select(runs).where(runs.c.id == identity)).one_or_none()
    return None if row is None else RunRow(**row._mapping)


def request(database: Database, number_or_key: str) -> RequestRow | None:
    """One request by its number in the ledger or by the provider's response id."""
    query = (
        sa.select(requests, routes, attempts.c.id.label("attempt_id"))
        .join(routes, routes.c.id == requests.c.route)
        .outerjoin(attempts, attempts.c.number == requests.c.attempt)
        .order_by(requests.c.source.desc(), requests.c.seq.desc())
        .limit(1)
    )
    number = number_or_key.isdecimal() and len(number_or_key) < 19
    found = requests.c.seq == int(number_or_key) if number else requests.c.key == number_or_key
    with database.read() as connection:
        row = connection.execute(query.where(found)).one_or_none()
    if row is None:
        return None
    fields = {name: row._mapping[requests.c[name]] for name in _REQUEST}
    route = {name: row._mapping[routes.c[name]] for name in _ROUTE}
    return RequestRow(**fields, **route, attempt=row.attempt_id)


_REQUEST = (
    *("seq", "key", "status", "source", "at_us", "http_status", "error"),
    *("input", "cached", "output", "reasoning"),
)
_ROUTE = ("provider", "model", "served_model", "tier", "served_tier", "simulated")

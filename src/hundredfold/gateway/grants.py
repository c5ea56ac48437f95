"""Grants: an attempt's unguessable address, opened before it starts and closed when it ends.

The token is 32 random bytes; the store has only its SHA-256, so who reads the database can't spend.
"""

from __future__ import annotations

import hashlib
import re
import secrets

import msgspec
import sqlalchemy as sa
from msgspec import Struct

from hundredfold.store.database import Database, now_us
from hundredfold.store.tables.ledger import requests
from hundredfold.store.tables.work import attempts, grants, items, runs
from hundredfold.vocabulary import Limit, Tier

_SNAPSHOT = re.compile(r"-(?:\d{4}-\d{2}-\d{2}|\d{8}|latest)$")


class Granted(Struct, frozen=True):
    """A grant as the gateway needs it. `fresh`: the attempt has no row in the ledger yet."""

    attempt: str
    number: int
    upstream: str
    model: str
    tier: Tier
    limits: tuple[Limit, ...]
    project: str
    job: str
    agent: str
    person: str
    fresh: bool

    def covers(self, model: str) -> bool:
        """Whether a request may name this model: the route's own or a dated snapshot of it."""
        return self.model in (model, _SNAPSHOT.sub("", model))


def open_grant(
    database: Database,
    *,
    attempt_id: str,
    upstream: str,
    model: str,
    tier: Tier,
    limits: tuple[Limit, ...],
) -> str:
    """Let the attempt call `upstream`; returns the token of its address, which is kept nowhere else."""
    token = secrets.token_urlsafe(32)
    with database.write() as connection:
        connection.execute(
            sa.insert(grants).values(
                token_sha256=token_digest(token),
                attempt=attempt_id,
                upstream=upstream,
                model=model,
                tier=tier,
                limits=msgspec.to_builtins(limits),
                opened_us=now_us(),
            )
        )
    return token


def close_grant(database: Database, attempt_id: str) -> None:
    """Close every address of the attempt; the gateway honours it within a second."""
    with database.write() as connection:
        connection.execute(
            sa.update(grants)
            .where(grants.c.attempt == attempt_id, grants.c.closed_us.is_(None))
            .values(closed_us=now_us())
        )


def token_digest(token: str) -> str:
    """What the store keeps of a token."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


_LOOKUP = (
    sa.select(
        attempts.c.id,
        attempts.c.number,
        grants.c.upstream,
        grants.c.model,
        grants.c.tier,
        grants.c.limits,
        items.c.project,
        items.c.job,
        attempts.c.backend,
        sa.func.coalesce(runs.c.person, ""),
        ~sa.exists().where(requests.c.attempt == attempts.c.number),
    )
    .select_from(grants)
    .join(attempts, attempts.c.id == grants.c.attempt)
    .join(items, items.c.id == attempts.c.item)
    .outerjoin(runs, runs.c.id == attempts.c.run)
    .where(grants.c.token_sha256 == sa.bindparam("digest"), grants.c.closed_us.is_(None))
)


def find_grant(database: Database, digest: str) -> Granted | None:
    """The open grant with this token digest.

    Raises:
        StorageError: the database can't be read.
    """
    with database.read() as connection:
        row = connection.execute(_LOOKUP, {"digest": digest}).first()
    if row is None:
        return None
    number, upstream, model, tier, limits = row[1:6]
    return Granted(
        attempt=row[0],
        number=number,
        upstream=upstream,
        model=model,
        tier=tier,
        limits=msgspec.convert(limits, tuple[Limit, ...]),
        project=row[6],
        job=row[7],
        agent=row[8],
        person=row[9],
        fresh=bool(row[10]),
    )

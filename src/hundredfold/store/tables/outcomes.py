"""What became of the work: whose fate is followed, what was observed of it, and sums of it.

`current_outcomes` (a view, see migrations) shows each outcome with the observation that counts.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.types import JSON

from hundredfold.store.tables.base import BigId, metadata

# A small dimension table, as `bookings` is for the ledger: what outcomes are counted by.
origins = Table(
    "origins",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("project", String, nullable=False),
    Column("job", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("agent", String, nullable=False),
    Column("model", String, nullable=False),
    Column("effort", String, nullable=False),
    Column("tier", String, nullable=False),
    Column("payer", String, nullable=False),
    Column("repository", String, nullable=False),
    Column("simulated", Boolean, nullable=False),
    UniqueConstraint(
        "project", "job", "kind", "agent", "model", "effort", "tier", "payer", "repository", "simulated",
        name="uq_origins_everything",
    ),
)  # fmt: skip

# What is followed. `look_us` is when observers shall look again; NULL once its fate is final.
outcomes = Table(
    "outcomes",
    metadata,
    Column("id", String, primary_key=True),
    Column("origin", Integer, ForeignKey("origins.id"), nullable=False),
    Column("project", String, ForeignKey("projects.slug"), nullable=False),
    Column("proposal", String, ForeignKey("proposals.id"), unique=True),
    Column("reference", String, nullable=False),
    Column("author", String, nullable=False),
    Column("title", Text, nullable=False),
    Column("opened_us", BigInteger, nullable=False),
    Column("look_us", BigInteger),
    Index(None, "project", "look_us"),
    Index(None, "project", "reference"),
)

# Append-only. `counts` is decided when a row is added (`store.outcomes.observe`): the newest that counts is
# the current one; a row that does not is what an observer saw while a person's word stood. `overrules` is the
# row that a person overruled.
observations = Table(
    "observations",
    metadata,
    Column("seq", BigId, primary_key=True),
    Column("outcome", String, ForeignKey("outcomes.id"), nullable=False),
    Column("counts", Boolean, nullable=False),
    Column("state", String, nullable=False),
    Column("confirmed", Boolean, nullable=False),
    Column("rule", String, nullable=False),
    Column("strength", String, nullable=False),
    Column("accepted_us", BigInteger),
    Column("ended_us", BigInteger),
    Column("observed_us", BigInteger, nullable=False),
    Column("lines", Integer),
    Column("lines_kept", Integer),
    Column("evidence", JSON, nullable=False),
    Column("by", String, nullable=False),
    Column("person", Boolean, nullable=False),
    Column("reason", Text, nullable=False),
    Column("overrules", BigInteger),
    Index(None, "outcome", "seq"),
)

# How many outcomes are alike: of an origin, opened on a day, in a state. Days count from 1970-01-01 (UTC), -1
# where there is none. Kept in step by `store.outcomes` in the transaction that changes an outcome.
outcome_sums = Table(
    "outcome_sums",
    metadata,
    Column("origin", Integer, primary_key=True, autoincrement=False),
    Column("opened_day", Integer, primary_key=True, autoincrement=False),
    Column("state", String, primary_key=True),
    Column("confirmed", Boolean, primary_key=True),
    Column("accepted_day", Integer, primary_key=True, autoincrement=False),
    Column("ended_day", Integer, primary_key=True, autoincrement=False),
    Column("observed_day", Integer, primary_key=True, autoincrement=False),
    Column("outcomes", BigInteger, nullable=False),
    Column("lines", BigInteger, nullable=False),
    Column("lines_kept", BigInteger, nullable=False),
)

# How many attempts ended on a day, by origin; and what reviewing took. Made from the records by whole days
# (`worth.sums`): what ended stays as it ended, so only the last days are ever made anew.
attempt_sums = Table(
    "attempt_sums",
    metadata,
    Column("origin", Integer, primary_key=True, autoincrement=False),
    Column("day", Integer, primary_key=True, autoincrement=False),
    Column("attempts", BigInteger, nullable=False),
    Column("seconds", Float, nullable=False),  # that they ran, all together
)
review_sums = Table(
    "review_sums",
    metadata,
    Column("project", String, primary_key=True),
    Column("job", String, primary_key=True),
    Column("simulated", Boolean, primary_key=True),
    Column("day", Integer, primary_key=True, autoincrement=False),
    Column("decisions", BigInteger, nullable=False),  # by people
    Column("measured", BigInteger, nullable=False),  # of those, with a time
    Column("seconds", Float, nullable=False),  # of the measured ones
    Column("expected_minutes", Float, nullable=False),  # of those without a time
    Column("by_policy", BigInteger, nullable=False),
)

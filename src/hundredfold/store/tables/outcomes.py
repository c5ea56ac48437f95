"""What became of the work: whose fate is followed, what was observed of it, and sums of both.

`current_outcomes` (a view, see migrations) shows each outcome with the observation that counts.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
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

"""Who works on what: projects, runs, items, attempts and their grants."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.types import JSON

from hundredfold.store.tables.base import BigId, metadata

projects = Table(
    "projects",
    metadata,
    Column("slug", String, primary_key=True),
    Column("root", Text, nullable=False),
    Column("created_us", BigInteger, nullable=False),
)

runs = Table(
    "runs",
    metadata,
    Column("id", String, primary_key=True),
    Column("project", String, ForeignKey("projects.slug"), nullable=False),
    Column("person", String, nullable=False),
    Column("started_us", BigInteger, nullable=False),
    Column("ended_us", BigInteger),
    Column("summary", JSON),
)

# Item states: queued → working → done | skipped | incomplete | failed | cancelled; "listed" is what a run
# without a model leaves: found, prepared, not looked at.
items = Table(
    "items",
    metadata,
    Column("id", String, primary_key=True),
    Column("project", String, ForeignKey("projects.slug"), nullable=False),
    Column("job", String, nullable=False),
    Column("key", String, nullable=False),
    Column("digest", String, nullable=False),
    Column("title", Text, nullable=False),
    Column("revision", String, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("payload", JSON, nullable=False),
    Column("state", String, nullable=False),
    Column("reason", Text, nullable=False, default=""),
    Column("run", String, ForeignKey("runs.id")),
    Column("found_us", BigInteger, nullable=False),
    Column("queued_us", BigInteger, nullable=False),  # when it was last taken in; names the engine's workflow
    Column("changed_us", BigInteger, nullable=False),
    Column("dropped", JSON),
    Index(None, "project", "job", "state"),
)

# Attempt states: running → ok | refused | schema | limit | failed | timeout | cancelled; or interrupted |
# throttled, which say nothing against the attempt.
attempts = Table(
    "attempts",
    metadata,
    Column("id", String, primary_key=True),
    Column("number", BigId, unique=True, nullable=False),  # short key for the ledger
    Column("item", String, ForeignKey("items.id"), nullable=False, index=True),
    Column("run", String, ForeignKey("runs.id")),
    Column("label", String, nullable=False),
    Column("round", SmallInteger, nullable=False),
    Column("task", SmallInteger, nullable=False),
    Column("pass", SmallInteger, nullable=False),
    Column("try", SmallInteger, nullable=False),
    Column("backend", String, nullable=False),
    Column("provider", String, nullable=False),
    Column("model", String, nullable=False),
    Column("effort", String, nullable=False),
    Column("tier", String, nullable=False),
    Column("state", String, nullable=False),
    Column("error", Text, nullable=False, default=""),
    Column("session", JSON),  # what a backend needs to find its running agent again
    Column("workspace", Text),
    Column("prompt", String),  # blob digests
    Column("schema", String),
    Column("answer", String),
    Column("transcript", String),
    Column("started_us", BigInteger, nullable=False),
    Column("ended_us", BigInteger),
    UniqueConstraint("item", "round", "task", "pass", "try"),
    Index(None, "ended_us"),
)

# What the gateway may do for an attempt (`gateway.grants`). Only the token's hash is kept.
grants = Table(
    "grants",
    metadata,
    Column("token_sha256", String, primary_key=True),
    Column("attempt", String, ForeignKey("attempts.id"), nullable=False, index=True),
    Column("upstream", String, nullable=False),
    Column("model", String, nullable=False),
    Column("tier", String, nullable=False),
    Column("limits", JSON, nullable=False),
    Column("opened_us", BigInteger, nullable=False),
    Column("closed_us", BigInteger),
)

"""What came of the work: findings, coverage, proposals, decisions, actions and marks."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Float, ForeignKey, Index, LargeBinary, String, Table, Text
from sqlalchemy.types import JSON

from hundredfold.store.tables.base import BigId, metadata

findings = Table(
    "findings",
    metadata,
    Column("id", String, primary_key=True),
    Column("fingerprint", String, nullable=False),
    Column("project", String, ForeignKey("projects.slug"), nullable=False),
    Column("job", String, nullable=False),
    Column("item", String, ForeignKey("items.id"), nullable=False, index=True),
    Column("rule", String, nullable=False),
    Column("title", Text, nullable=False),
    Column("severity", String, nullable=False),
    Column("confidence", Float, nullable=False),
    Column("private", Boolean, nullable=False),
    Column("record", JSON, nullable=False),  # the whole Finding
    Column("found_us", BigInteger, nullable=False),
    Index(None, "project", "fingerprint"),
)

coverage = Table(
    "coverage",
    metadata,
    Column("item", String, ForeignKey("items.id"), primary_key=True),
    Column("path", String, primary_key=True),
    Column("unit", String, primary_key=True),
    Column("state", String, nullable=False),
    Column("reason", Text, nullable=False, default=""),
)

proposals = Table(
    "proposals",
    metadata,
    Column("id", String, primary_key=True),
    Column("project", String, ForeignKey("projects.slug"), nullable=False),
    Column("job", String, nullable=False),
    Column("item", String, ForeignKey("items.id"), nullable=False, index=True),
    Column("run", String, ForeignKey("runs.id")),
    Column("type", String, nullable=False),
    Column("title", Text, nullable=False),
    Column("private", Boolean, nullable=False),
    Column("state", String, nullable=False),
    Column("record", JSON, nullable=False),  # the whole Proposal
    Column("review_minutes", Float, nullable=False),
    Column("opened_us", BigInteger, nullable=False),
    Column("changed_us", BigInteger, nullable=False),
    Column("replaced_by", String),  # the newer proposal of the same subject that made this one stale
    Index(None, "project", "state"),
    Index(None, "project", "changed_us"),
)

decisions = Table(
    "decisions",
    metadata,
    Column("id", String, primary_key=True),
    Column("proposal", String, ForeignKey("proposals.id"), nullable=False, index=True),
    Column("verdict", String, nullable=False),
    Column("by", String, nullable=False),
    Column("reason", Text, nullable=False),
    Column("seconds", Float),
    Column("at_us", BigInteger, nullable=False, index=True),
)

# What a person changed before deciding: the proposal as it was before, so that its first wording stays.
edits = Table(
    "edits",
    metadata,
    Column("seq", BigId, primary_key=True),
    Column("proposal", String, ForeignKey("proposals.id"), nullable=False, index=True),
    Column("by", String, nullable=False),
    Column("record", JSON, nullable=False),  # the whole Proposal before this edit
    Column("at_us", BigInteger, nullable=False),
)

actions = Table(
    "actions",
    metadata,
    Column("id", String, primary_key=True),  # derived from the proposal: the idempotency key
    Column("proposal", String, ForeignKey("proposals.id"), nullable=False, unique=True),
    Column("forge", String, nullable=False),
    Column("state", String, nullable=False),  # intended → applied → undone; or failed
    Column("by", String, nullable=False),
    Column("receipt", JSON),
    Column("progress", JSON),  # how far the forge came: what it needs to go on after a kill
    Column("error", Text, nullable=False, default=""),
    Column("at_us", BigInteger, nullable=False),
    Column("undone_us", BigInteger),
    Column("undone_by", String),
)

# Small things that must outlive a process: since when a person has had a proposal open.
marks = Table(
    "marks",
    metadata,
    Column("name", String, primary_key=True),
    Column("value", LargeBinary, nullable=False),
)

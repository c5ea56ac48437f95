"""The tables, as SQLAlchemy Core. `migrations/` brings a database to this shape; a test compares the two.

Conventions: `*_us` are UTC microseconds since the epoch; ids are those of `vocabulary.identity`; JSON columns
hold what no query filters on; large texts live in `blobs` files and only their digest stands here.
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
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.types import JSON

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

BigId = BigInteger().with_variant(Integer(), "sqlite")

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

# Small dimension tables keep a ledger row short. `bookings` says who a request is booked to.
bookings = Table(
    "bookings",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("project", String, nullable=False),
    Column("job", String, nullable=False),
    Column("agent", String, nullable=False),
    Column("person", String, nullable=False),
    Column("payer", String, nullable=False),
    Column("cost_centre", String, nullable=False),
    UniqueConstraint("project", "job", "agent", "person", "payer", "cost_centre"),
)

routes = Table(
    "routes",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("provider", String, nullable=False),
    Column("dialect", String, nullable=False),  # "responses", "chat", "messages", …
    Column("model", String, nullable=False),  # asked for
    Column("served_model", String, nullable=False),  # as the answer names it; "" if it does not
    Column("tier", String, nullable=False),  # asked for
    Column("served_tier", String, nullable=False),  # as the answer names it; "" if it does not
    Column("simulated", Boolean, nullable=False),
    UniqueConstraint("provider", "dialect", "model", "served_model", "tier", "served_tier", "simulated"),
)

# The ledger: append-only. A better row with the same (provider, key) supersedes a worse one, whichever came
# first: `current_requests` (a view, see migrations) keeps the best by source, then by status.
# For status "cut" and "unsettled" the token columns are the worst case and the floor_* columns the least.
requests = Table(
    "requests",
    metadata,
    Column("seq", BigId, primary_key=True),
    Column("provider", String, nullable=False),
    Column("key", String, nullable=False),  # response id, else "intent:<gateway's own id>"
    Column("source", SmallInteger, nullable=False),  # precedence: 3 wire, 2 rollout or log, 1 usage API
    Column("status", SmallInteger, nullable=False),  # index into usage.ledger.STATUSES
    Column("at_us", BigInteger, nullable=False),  # when the request was sent
    Column("attempt", BigInteger),  # attempts.number; NULL for imported history
    Column("booking", Integer, ForeignKey("bookings.id"), nullable=False),
    Column("route", Integer, ForeignKey("routes.id"), nullable=False),
    Column("input", BigInteger, nullable=False),
    Column("cached", BigInteger, nullable=False),
    Column("cache_write", BigInteger, nullable=False),
    Column("output", BigInteger, nullable=False),
    Column("reasoning", BigInteger, nullable=False),
    Column("floor_input", BigInteger),
    Column("floor_output", BigInteger),
    Column("http_status", SmallInteger),
    Column("error", String),
    Column("first_byte_ms", Integer),
    Column("total_ms", Integer),
    UniqueConstraint("provider", "key", "source", "status"),
    Index(None, "at_us"),
    Index(None, "attempt"),
)

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
    Index(None, "project", "state"),
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

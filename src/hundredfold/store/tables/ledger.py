"""The ledger of model requests and its small dimension tables."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    SmallInteger,
    String,
    Table,
    UniqueConstraint,
)

from hundredfold.store.tables.base import BigId, metadata

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

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
    column,
    table,
)

from hundredfold.store.tables.base import BigId, ShortKey, metadata

# Small dimension tables keep a ledger row short. `bookings` says who a request is booked to, and by what an
# allocation rule may know it: the folder it was made in, the provider's id of the API key, a label.
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
    Column("path", String, nullable=False),
    Column("api_key", String, nullable=False),
    Column("label", String, nullable=False),
    UniqueConstraint(
        *("project", "job", "agent", "person", "payer", "cost_centre", "path", "api_key", "label"),
        name="uq_bookings",
    ),
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

# The names of providers (of their price rows), so that a ledger row holds a small number.
providers = Table(
    "providers",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String, nullable=False, unique=True),
)

# The ledger: append-only. A better row with the same (provider, key) supersedes a worse one, whichever came
# first: `current_requests` (a view, see migrations) keeps the best by source, then by status.
# For status "cut" and "unsettled" the token columns are the worst case and the floor_* columns the least.
# Rows are written by `usage.ledger` alone, which keeps `rollups` in step within the same transaction.
requests = Table(
    "requests",
    metadata,
    Column("seq", BigId, primary_key=True),
    Column("key", ShortKey, nullable=False),  # response id, else "intent:<gateway's own id>"
    Column("provider", Integer, nullable=False),  # providers.id
    Column("source", SmallInteger, nullable=False),  # precedence: 3 wire, 2 rollout or log, 1 usage API
    Column("status", SmallInteger, nullable=False),  # index into usage.ledger.STATUSES
    Column("at_us", BigInteger, nullable=False),  # when the request was sent
    Column("attempt", BigInteger),  # attempts.number; NULL for imported history
    Column("booking", Integer, ForeignKey("bookings.id"), nullable=False),
    Column("route", Integer, ForeignKey("routes.id"), nullable=False),
    Column("input", BigInteger, nullable=False),
    Column("cached", BigInteger, nullable=False),
    Column("cache_write", BigInteger, nullable=False),
    Column("cache_write_1h", BigInteger, nullable=False),  # the part of cache_write that is kept for an hour
    Column("output", BigInteger, nullable=False),
    Column("reasoning", BigInteger, nullable=False),
    Column("floor_input", BigInteger),
    Column("floor_output", BigInteger),
    Column("http_status", SmallInteger),
    Column("error", String),
    Column("first_byte_ms", Integer),
    Column("total_ms", Integer),
    UniqueConstraint("key", "provider", "source", "status", name="uq_requests_key"),
    # Made by the migration for rows with an attempt only; saying so here would import PostgreSQL's dialect,
    # which costs every command 0.1 CPU seconds.
    Index("ix_requests_attempt", "attempt"),
)

#: the view of the rows that count, as queries name it
current_requests = table("current_requests", *(column(one.name, one.type) for one in requests.columns))

# Sums over the current rows of the ledger by all that a price can depend on (see usage.rollups).
# `grain`: 0 a quarter hour, 1 a UTC day, 2 a UTC day and attempt, 3 a quarter hour of all bookings together;
# `slot` counts those since the epoch. `band` counts the edges (rollup_edges) that the request's input
# exceeds; `kinds` is a mask of the kinds of token used. `attempt` is 0 where there is none, and in the other
# grains; `booking` is 0 in grain 3.
rollups = Table(
    "rollups",
    metadata,
    *(
        Column(name, kind, primary_key=True, autoincrement=False)
        for name, kind in (
            ("grain", SmallInteger),
            ("slot", Integer),
            ("attempt", BigInteger),
            ("booking", Integer),
            ("route", Integer),
            ("status", SmallInteger),
            ("band", SmallInteger),
            ("kinds", SmallInteger),
        )
    ),
    *(
        Column(name, BigInteger, nullable=False)
        for name in (
            *("requests", "input", "cached", "cache_write", "cache_write_1h", "output", "reasoning"),
            *("floor_input", "floor_output"),
        )
    ),
    sqlite_with_rowid=False,
)

# The input sizes at which rollups tell requests apart: prices of a book can be had from rollups if all of its
# thresholds are among them.
rollup_edges = Table(
    "rollup_edges", metadata, Column("over", BigInteger, primary_key=True, autoincrement=False)
)

"""How far each log was read, what threads counted, and what providers' own reports say.

A cursor is written in the transaction that keeps the rows it stands behind, so a kill repeats or loses
nothing.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, String, Table, Text

from hundredfold.store.tables.base import metadata

# One per file and format. The file is read on from `offset` if its first and last bytes before it still have
# these digests; else it was rewritten and is read anew.
import_cursors = Table(
    "import_cursors",
    metadata,
    Column("format", String, primary_key=True),
    Column("path", Text, primary_key=True),
    Column("device", BigInteger, nullable=False),
    Column("inode", BigInteger, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("mtime_ns", BigInteger, nullable=False),
    Column("offset", BigInteger, nullable=False),
    Column("head", LargeBinary, nullable=False),
    Column("tail", LargeBinary, nullable=False),
    Column("state", LargeBinary, nullable=False),  # the parser's, in its own form
    Index(None, "device", "inode"),
)

# Threads whose rows come from running totals (older Codex): `chain` holds 8 bytes for each distinct total in
# their order, by which what a fork replays of its parent is known; what is before `counted_from` is the
# parent's.
import_threads = Table(
    "import_threads",
    metadata,
    Column("thread", String, primary_key=True),
    Column("parent", String, nullable=False, index=True),
    Column("counted_from", Integer, nullable=False),
    Column("chain", LargeBinary, nullable=False),
)

# What a provider's usage API says, by bucket. Never part of a bill: what `spend reconcile` compares with.
provider_usage = Table(
    "provider_usage",
    metadata,
    Column("provider", String, primary_key=True),
    Column("start_us", BigInteger, primary_key=True, autoincrement=False),
    Column("end_us", BigInteger, primary_key=True, autoincrement=False),
    Column("model", String, primary_key=True),
    Column("tier", String, primary_key=True),
    Column("project", String, primary_key=True),
    Column("api_key", String, primary_key=True),
    Column("requests", BigInteger, nullable=False),
    Column("input", BigInteger, nullable=False),
    Column("cached", BigInteger, nullable=False),
    Column("cache_write", BigInteger, nullable=False),
    Column("output", BigInteger, nullable=False),
    Column("fetched_us", BigInteger, nullable=False),
)

# What a provider's costs API says, by UTC day. `picodollars` are digits, since a sum may pass 64 bits.
provider_costs = Table(
    "provider_costs",
    metadata,
    Column("provider", String, primary_key=True),
    Column("start_us", BigInteger, primary_key=True, autoincrement=False),
    Column("project", String, primary_key=True),
    Column("line_item", String, primary_key=True),
    Column("api_key", String, primary_key=True),
    Column("currency", String, primary_key=True),
    Column("picodollars", String, nullable=False),
    Column("quantity", String, nullable=False),
    Column("quantity_unit", String, nullable=False),
    Column("fetched_us", BigInteger, nullable=False),
)

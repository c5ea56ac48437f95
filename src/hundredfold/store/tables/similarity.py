"""What is known already: documents, the index over them in blocks, learned orders, and people's rulings."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Float, ForeignKey, Index, Integer, String, Table, Text
from sqlalchemy.types import JSON

from hundredfold.store.tables.base import BigId, metadata

# A block of the index: documents that were added together, as a blob. Later blocks win over earlier ones.
known_blocks = Table(
    "known_blocks",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("project", String, ForeignKey("projects.slug"), nullable=False),
    Column("embedder", String, nullable=False),  # whose vectors it holds; "words" if none
    Column("documents", Integer, nullable=False),
    Column("blob", String, nullable=False),
    Column("made_us", BigInteger, nullable=False),
    Index(None, "project", "embedder"),
)

known_documents = Table(
    "known_documents",
    metadata,
    Column("project", String, ForeignKey("projects.slug"), primary_key=True),
    Column("embedder", String, primary_key=True),
    Column("key", String, primary_key=True),  # "issue:12", "finding:f-…"
    Column("kind", String, nullable=False),
    Column("title", Text, nullable=False),
    Column("digest", String, nullable=False),  # of what was indexed
    Column("block", BigInteger, nullable=False),  # known_blocks.id
)

known_orders = Table(
    "known_orders",
    metadata,
    Column("project", String, ForeignKey("projects.slug"), primary_key=True),
    Column("embedder", String, primary_key=True),
    Column("blob", String, nullable=False),
    Column("pairs", Integer, nullable=False),
    Column("gain", Float, nullable=False),  # of MAP over the order it took the place of, on pairs held out
    Column("trained_us", BigInteger, nullable=False),
    Column("record", JSON, nullable=False),  # what was measured
)

# Where people overrule the machine. A ruling "canonical" has no `other`.
rulings = Table(
    "rulings",
    metadata,
    Column("project", String, ForeignKey("projects.slug"), primary_key=True),
    Column("one", String, primary_key=True),  # the lesser of the two keys
    Column("other", String, primary_key=True),
    Column("ruling", String, nullable=False),  # never | always | canonical
    Column("by", String, nullable=False),
    Column("reason", Text, nullable=False),
    Column("at_us", BigInteger, nullable=False),
)

"""Benchmark series and their measurements. Values are in the series' unit (see `evidence.measures`)."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Float, ForeignKey, String, Table, Text

from hundredfold.store.tables.base import metadata

benchmark_series = Table(
    "benchmark_series",
    metadata,
    Column("id", String, primary_key=True),  # digest of project, suite, name and unit
    Column("project", String, ForeignKey("projects.slug"), nullable=False, index=True),
    Column("suite", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("unit", Text, nullable=False),
    Column("tool", Text, nullable=False),  # of the newest file that held it
    Column("direction", String),  # "smaller" or "bigger" is better; NULL if not known
)

benchmark_points = Table(
    "benchmark_points",
    metadata,
    Column("series", String, ForeignKey("benchmark_series.id"), primary_key=True),
    Column("at_us", BigInteger, primary_key=True),  # when it was measured
    Column("commit", String, primary_key=True),  # "" if unknown
    Column("value", Float, nullable=False),
    Column("spread", Float, nullable=False),
)

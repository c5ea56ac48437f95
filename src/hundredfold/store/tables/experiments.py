"""Paired experiments: the same items worked on along two routes."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, String, Table
from sqlalchemy.types import JSON

from hundredfold.store.tables.base import metadata

# `arms`: one object a route: its code (the items' job is JOB@CODE), and what was asked for.
experiments = Table(
    "experiments",
    metadata,
    Column("id", String, primary_key=True),
    Column("project", String, ForeignKey("projects.slug"), nullable=False),
    Column("job", String, nullable=False),
    Column("arms", JSON, nullable=False),
    Column("run", String),
    Column("by", String, nullable=False),
    Column("started_us", BigInteger, nullable=False),
    Index(None, "project", "started_us"),
)

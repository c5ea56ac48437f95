"""The mirror of a forge: issues, pull requests, reviews, checks, workflow runs, and how far it was read.

Everything here is text from outside, kept as it came (`store.text.storable`). Keys are the forge's own
numbers and ids, below the project's slug; `updated_us` is the forge's time, so that an older answer never
overwrites a newer one.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Integer, String, Table, Text
from sqlalchemy.types import JSON

from hundredfold.store.tables.base import metadata


def _project() -> Column[str]:
    return Column("project", String, ForeignKey("projects.slug"), primary_key=True)


def _id(name: str = "id") -> Column[int]:
    return Column(name, BigInteger, primary_key=True, autoincrement=False)


# Issues and pull requests alike; what only the latter have is in `mirror_pulls`.
mirror_issues = Table(
    "mirror_issues",
    metadata,
    _project(),
    _id("number"),
    Column("pull", Boolean, nullable=False),
    Column("title", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("author", String, nullable=False),
    Column("state", String, nullable=False),  # open, closed
    Column("reason", String, nullable=False),  # completed, not_planned, duplicate, reopened, ""
    Column("labels", JSON, nullable=False),
    Column("assignees", JSON, nullable=False),
    Column("comments", Integer, nullable=False),
    Column("locked", Boolean, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("updated_us", BigInteger, nullable=False),
    Column("closed_us", BigInteger),
    Column("closed_by", String, nullable=False),
    Column("url", Text, nullable=False),
    Index(None, "project", "pull", "state"),
    Index(None, "project", "updated_us"),
)

# `reviews_us` and `checks_sha` say what was read of a pull request: its reviews as of that update, the checks
# of that head once all had ended.
mirror_pulls = Table(
    "mirror_pulls",
    metadata,
    _project(),
    _id("number"),
    Column("head_ref", Text, nullable=False),
    Column("head_sha", String, nullable=False),
    Column("head_repository", String, nullable=False),  # "" if it is gone
    Column("base_ref", Text, nullable=False),
    Column("base_sha", String, nullable=False),
    Column("draft", Boolean, nullable=False),
    Column("merged_us", BigInteger),
    Column("merge_sha", String, nullable=False),
    Column("updated_us", BigInteger, nullable=False),
    Column("reviews_us", BigInteger, nullable=False, default=0),
    Column("checks_sha", String, nullable=False, default=""),
    Index(None, "project", "head_sha"),
    Index(None, "project", "updated_us"),
)

# `kind` is "issue" for a conversation's comments and "inline" for those on a diff's lines.
mirror_comments = Table(
    "mirror_comments",
    metadata,
    _project(),
    Column("kind", String, primary_key=True),
    _id(),
    Column("number", BigInteger, nullable=False),
    Column("author", String, nullable=False),
    Column("body", Text, nullable=False),
    Column("path", Text, nullable=False),
    Column("line", Integer),
    Column("side", String, nullable=False),
    Column("review", BigInteger),
    Column("reply_to", BigInteger),
    Column("created_us", BigInteger, nullable=False),
    Column("updated_us", BigInteger, nullable=False),
    Index(None, "project", "number"),
)

mirror_reviews = Table(
    "mirror_reviews",
    metadata,
    _project(),
    _id(),
    Column("number", BigInteger, nullable=False),
    Column("author", String, nullable=False),
    Column("state", String, nullable=False),  # APPROVED, CHANGES_REQUESTED, COMMENTED, DISMISSED, PENDING
    Column("body", Text, nullable=False),
    Column("sha", String, nullable=False),
    Column("submitted_us", BigInteger),
    Index(None, "project", "number"),
)

mirror_labels = Table(
    "mirror_labels",
    metadata,
    _project(),
    Column("name", String, primary_key=True),
    Column("color", String, nullable=False),
    Column("description", Text, nullable=False),
)

mirror_commits = Table(
    "mirror_commits",
    metadata,
    _project(),
    Column("sha", String, primary_key=True),
    Column("author", String, nullable=False),  # the account, else the name in the commit
    Column("message", Text, nullable=False),
    Column("parents", JSON, nullable=False),
    Column("committed_us", BigInteger, nullable=False),
    Index(None, "project", "committed_us"),
)

# What happened to issues and pull requests: closed, reopened, merged, labeled, head_ref_force_pushed, …
mirror_events = Table(
    "mirror_events",
    metadata,
    _project(),
    _id(),
    Column("number", BigInteger, nullable=False),
    Column("kind", String, nullable=False),
    Column("actor", String, nullable=False),
    Column("sha", String, nullable=False),
    Column("detail", JSON, nullable=False),  # {"label": …} for labeled and unlabeled, and such
    Column("at_us", BigInteger, nullable=False),
    Index(None, "project", "number"),
    Index(None, "project", "kind", "at_us"),
)

# Check runs, and commit statuses with `kind` "status" (their conclusion is the state).
mirror_checks = Table(
    "mirror_checks",
    metadata,
    _project(),
    Column("kind", String, primary_key=True),
    _id(),
    Column("sha", String, nullable=False),
    Column("name", Text, nullable=False),
    Column("app", String, nullable=False),
    Column("status", String, nullable=False),
    Column("conclusion", String, nullable=False),
    Column("summary", Text, nullable=False),
    Column("started_us", BigInteger),
    Column("completed_us", BigInteger),
    Index(None, "project", "sha"),
)

mirror_runs = Table(
    "mirror_runs",
    metadata,
    _project(),
    _id(),
    Column("name", Text, nullable=False),
    Column("path", Text, nullable=False),  # of the workflow's file
    Column("event", String, nullable=False),
    Column("branch", Text, nullable=False),
    Column("sha", String, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("status", String, nullable=False),
    Column("conclusion", String, nullable=False),
    Column("url", Text, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("updated_us", BigInteger, nullable=False),
    Column(
        "read_us", BigInteger, nullable=False, default=0
    ),  # its jobs, logs and artifacts as of that update
    Index(None, "project", "created_us"),
)

# A job's log is a blob; NULL if it was not fetched, and `omitted` says why.
mirror_jobs = Table(
    "mirror_jobs",
    metadata,
    _project(),
    _id(),
    Column("run", BigInteger, nullable=False),
    Column("name", Text, nullable=False),
    Column("status", String, nullable=False),
    Column("conclusion", String, nullable=False),
    Column("steps", JSON, nullable=False),  # [{"name", "conclusion", "number"}]
    Column("started_us", BigInteger),
    Column("completed_us", BigInteger),
    Column("log", String),
    Column("omitted", Text, nullable=False, default=""),
    Index(None, "project", "run"),
)

# What a run uploaded; `blob` holds the zip archive, NULL if it was not fetched.
mirror_artifacts = Table(
    "mirror_artifacts",
    metadata,
    _project(),
    _id(),
    Column("run", BigInteger, nullable=False),
    Column("name", Text, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("blob", String),
    Column("omitted", Text, nullable=False, default=""),
    Index(None, "project", "run"),
)

# How far each resource was read. `state` is the resource's own; `repository` says of which forge it is.
mirror_cursors = Table(
    "mirror_cursors",
    metadata,
    _project(),
    Column("resource", String, primary_key=True),
    Column("repository", Text, nullable=False),
    Column("state", JSON, nullable=False),
    Column("read_us", BigInteger, nullable=False),
)

# Webhook deliveries that were taken in, so that a replayed one is refused.
mirror_deliveries = Table(
    "mirror_deliveries",
    metadata,
    _project(),
    Column("delivery", String, primary_key=True),
    Column("event", String, nullable=False),
    Column("received_us", BigInteger, nullable=False),
    Index(None, "received_us"),
)

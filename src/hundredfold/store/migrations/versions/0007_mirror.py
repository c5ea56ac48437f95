"""The mirror of a forge."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def _project() -> sa.Column[str]:
    return sa.Column("project", sa.String(), nullable=False)


def _number(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), nullable=False, autoincrement=False)


def upgrade() -> None:
    op.create_table(
        "mirror_issues",
        _project(),
        _number("number"),
        sa.Column("pull", sa.Boolean(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("author", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("labels", sa.JSON(), nullable=False),
        sa.Column("assignees", sa.JSON(), nullable=False),
        sa.Column("comments", sa.Integer(), nullable=False),
        sa.Column("locked", sa.Boolean(), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("updated_us", sa.BigInteger(), nullable=False),
        sa.Column("closed_us", sa.BigInteger(), nullable=True),
        sa.Column("closed_by", sa.String(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["project"], ["projects.slug"], name=op.f("fk_mirror_issues_project")),
        sa.PrimaryKeyConstraint("project", "number", name=op.f("pk_mirror_issues")),
    )
    op.create_index(
        op.f("ix_mirror_issues_project_pull_state"), "mirror_issues", ["project", "pull", "state"]
    )
    op.create_index(op.f("ix_mirror_issues_project_updated_us"), "mirror_issues", ["project", "updated_us"])
    op.create_table(
        "mirror_pulls",
        _project(),
        _number("number"),
        sa.Column("head_ref", sa.Text(), nullable=False),
        sa.Column("head_sha", sa.String(), nullable=False),
        sa.Column("head_repository", sa.String(), nullable=False),
        sa.Column("base_ref", sa.Text(), nullable=False),
        sa.Column("base_sha", sa.String(), nullable=False),
        sa.Column("draft", sa.Boolean(), nullable=False),
        sa.Column("merged_us", sa.BigInteger(), nullable=True),
        sa.Column("merge_sha", sa.String(), nullable=False),
        sa.Column("updated_us", sa.BigInteger(), nullable=False),
        sa.Column("reviews_us", sa.BigInteger(), nullable=False),
        sa.Column("checks_sha", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["project"], ["projects.slug"], name=op.f("fk_mirror_pulls_project")),
        sa.PrimaryKeyConstraint("project", "number", name=op.f("pk_mirror_pulls")),
    )
    op.create_index(op.f("ix_mirror_pulls_project_head_sha"), "mirror_pulls", ["project", "head_sha"])
    op.create_index(op.f("ix_mirror_pulls_project_updated_us"), "mirror_pulls", ["project", "updated_us"])
    op.create_table(
        "mirror_comments",
        _project(),
        sa.Column("kind", sa.String(), nullable=False),
        _number("id"),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("author", sa.String(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("line", sa.Integer(), nullable=True),
        sa.Column("side", sa.String(), nullable=False),
        sa.Column("review", sa.BigInteger(), nullable=True),
        sa.Column("reply_to", sa.BigInteger(), nullable=True),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("updated_us", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["project"], ["projects.slug"], name=op.f("fk_mirror_comments_project")),
        sa.PrimaryKeyConstraint("project", "kind", "id", name=op.f("pk_mirror_comments")),
    )
    op.create_index(op.f("ix_mirror_comments_project_number"), "mirror_comments", ["project", "number"])
    op.create_table(
        "mirror_reviews",
        _project(),
        _number("id"),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("author", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("sha", sa.String(), nullable=False),
        sa.Column("submitted_us", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["project"], ["projects.slug"], name=op.f("fk_mirror_reviews_project")),
        sa.PrimaryKeyConstraint("project", "id", name=op.f("pk_mirror_reviews")),
    )
    op.create_index(op.f("ix_mirror_reviews_project_number"), "mirror_reviews", ["project", "number"])
    op.create_table(
        "mirror_labels",
        _project(),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("color", sa.String(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["project"], ["projects.slug"], name=op.f("fk_mirror_labels_project")),
        sa.PrimaryKeyConstraint("project", "name", name=op.f("pk_mirror_labels")),
    )
    op.create_table(
        "mirror_commits",
        _project(),
        sa.Column("sha", sa.String(), nullable=False),
        sa.Column("author", sa.String(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("parents", sa.JSON(), nullable=False),
        sa.Column("committed_us", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["project"], ["projects.slug"], name=op.f("fk_mirror_commits_project")),
        sa.PrimaryKeyConstraint("project", "sha", name=op.f("pk_mirror_commits")),
    )
    op.create_index(
        op.f("ix_mirror_commits_project_committed_us"), "mirror_commits", ["project", "committed_us"]
    )
    op.create_table(
        "mirror_events",
        _project(),
        _number("id"),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("sha", sa.String(), nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["project"], ["projects.slug"], name=op.f("fk_mirror_events_project")),
        sa.PrimaryKeyConstraint("project", "id", name=op.f("pk_mirror_events")),
    )
    op.create_index(
        op.f("ix_mirror_events_project_kind_at_us"), "mirror_events", ["project", "kind", "at_us"]
    )
    op.create_index(op.f("ix_mirror_events_project_number"), "mirror_events", ["project", "number"])
    op.create_table(
        "mirror_checks",
        _project(),
        sa.Column("kind", sa.String(), nullable=False),
        _number("id"),
        sa.Column("sha", sa.String(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("app", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("conclusion", sa.String(), nullable=False),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("started_us", sa.BigInteger(), nullable=True),
        sa.Column("completed_us", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["project"], ["projects.slug"], name=op.f("fk_mirror_checks_project")),
        sa.PrimaryKeyConstraint("project", "kind", "id", name=op.f("pk_mirror_checks")),
    )
    op.create_index(op.f("ix_mirror_checks_project_sha"), "mirror_checks", ["project", "sha"])
    op.create_table(
        "mirror_runs",
        _project(),
        _number("id"),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("event", sa.String(), nullable=False),
        sa.Column("branch", sa.Text(), nullable=False),
        sa.Column("sha", sa.String(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("conclusion", sa.String(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("updated_us", sa.BigInteger(), nullable=False),
        sa.Column("read_us", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["project"], ["projects.slug"], name=op.f("fk_mirror_runs_project")),
        sa.PrimaryKeyConstraint("project", "id", name=op.f("pk_mirror_runs")),
    )
    op.create_index(op.f("ix_mirror_runs_project_created_us"), "mirror_runs", ["project", "created_us"])
    op.create_table(
        "mirror_jobs",
        _project(),
        _number("id"),
        sa.Column("run", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("conclusion", sa.String(), nullable=False),
        sa.Column("steps", sa.JSON(), nullable=False),
        sa.Column("started_us", sa.BigInteger(), nullable=True),
        sa.Column("completed_us", sa.BigInteger(), nullable=True),
        sa.Column("log", sa.String(), nullable=True),
        sa.Column("omitted", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["project"], ["projects.slug"], name=op.f("fk_mirror_jobs_project")),
        sa.PrimaryKeyConstraint("project", "id", name=op.f("pk_mirror_jobs")),
    )
    op.create_index(op.f("ix_mirror_jobs_project_run"), "mirror_jobs", ["project", "run"])
    op.create_table(
        "mirror_artifacts",
        _project(),
        _number("id"),
        sa.Column("run", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("blob", sa.String(), nullable=True),
        sa.Column("omitted", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["project"], ["projects.slug"], name=op.f("fk_mirror_artifacts_project")),
        sa.PrimaryKeyConstraint("project", "id", name=op.f("pk_mirror_artifacts")),
    )
    op.create_index(op.f("ix_mirror_artifacts_project_run"), "mirror_artifacts", ["project", "run"])
    op.create_table(
        "mirror_cursors",
        _project(),
        sa.Column("resource", sa.String(), nullable=False),
        sa.Column("repository", sa.Text(), nullable=False),
        sa.Column("state", sa.JSON(), nullable=False),
        sa.Column("read_us", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["project"], ["projects.slug"], name=op.f("fk_mirror_cursors_project")),
        sa.PrimaryKeyConstraint("project", "resource", name=op.f("pk_mirror_cursors")),
    )
    op.create_table(
        "mirror_deliveries",
        _project(),
        sa.Column("delivery", sa.String(), nullable=False),
        sa.Column("event", sa.String(), nullable=False),
        sa.Column("received_us", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["project"], ["projects.slug"], name=op.f("fk_mirror_deliveries_project")),
        sa.PrimaryKeyConstraint("project", "delivery", name=op.f("pk_mirror_deliveries")),
    )
    op.create_index(op.f("ix_mirror_deliveries_received_us"), "mirror_deliveries", ["received_us"])

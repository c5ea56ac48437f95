"""Benchmark series and their points."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "benchmark_series",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("project", sa.String(), nullable=False),
        sa.Column("suite", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("tool", sa.Text(), nullable=False),
        sa.Column("direction", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(["project"], ["projects.slug"], name=op.f("fk_benchmark_series_project")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_benchmark_series")),
    )
    op.create_index(op.f("ix_benchmark_series_project"), "benchmark_series", ["project"], unique=False)
    op.create_table(
        "benchmark_points",
        sa.Column("series", sa.String(), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("commit", sa.String(), nullable=False),
        sa.Column("value", sa.Float(), nullable=False),
        sa.Column("spread", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(["series"], ["benchmark_series.id"], name=op.f("fk_benchmark_points_series")),
        sa.PrimaryKeyConstraint("series", "at_us", "commit", name=op.f("pk_benchmark_points")),
    )


def downgrade() -> None:
    raise RuntimeError("measurements are not taken away")

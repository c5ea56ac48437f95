"""Sums of outcomes, attempts and reviews, and the indexes that the last days of them are found by."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

SUMS = """
INSERT INTO outcome_sums
SELECT origin, opened_us / 86400000000, coalesce(state, 'pending'), coalesce(confirmed, false),
       coalesce(accepted_us / 86400000000, -1), coalesce(ended_us / 86400000000, -1),
       coalesce(observed_us / 86400000000, -1), count(*),
       sum(coalesce(lines, 0)), sum(coalesce(lines_kept, 0))
FROM current_outcomes GROUP BY 1, 2, 3, 4, 5, 6, 7
"""


def upgrade() -> None:
    op.create_table(
        "outcome_sums",
        sa.Column("origin", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("opened_day", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("confirmed", sa.Boolean(), nullable=False),
        *(
            sa.Column(name, sa.Integer(), autoincrement=False, nullable=False)
            for name in ("accepted_day", "ended_day", "observed_day")
        ),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in ("outcomes", "lines", "lines_kept")),
        sa.PrimaryKeyConstraint(
            *("origin", "opened_day", "state", "confirmed", "accepted_day", "ended_day", "observed_day"),
            name=op.f("pk_outcome_sums"),
        ),
    )
    op.create_table(
        "attempt_sums",
        sa.Column("origin", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("day", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("attempts", sa.BigInteger(), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("origin", "day", name=op.f("pk_attempt_sums")),
    )
    op.create_table(
        "review_sums",
        sa.Column("project", sa.String(), nullable=False),
        sa.Column("job", sa.String(), nullable=False),
        sa.Column("simulated", sa.Boolean(), nullable=False),
        sa.Column("day", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("decisions", sa.BigInteger(), nullable=False),
        sa.Column("measured", sa.BigInteger(), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("expected_minutes", sa.Float(), nullable=False),
        sa.Column("by_policy", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("project", "job", "simulated", "day", name=op.f("pk_review_sums")),
    )
    op.execute(SUMS)
    op.create_index(op.f("ix_attempts_ended_us"), "attempts", ["ended_us"], unique=False)
    op.create_index(op.f("ix_decisions_at_us"), "decisions", ["at_us"], unique=False)
    op.create_index(
        op.f("ix_proposals_project_changed_us"), "proposals", ["project", "changed_us"], unique=False
    )


def downgrade() -> None:
    raise RuntimeError("outcomes are not taken away")

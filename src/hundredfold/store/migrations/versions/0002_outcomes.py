"""What became of the work: outcomes and what was observed of them."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# Each outcome with the newest observation that counts; without one, its columns are NULL.
CURRENT_OUTCOMES = """
CREATE VIEW current_outcomes AS
SELECT o.*, b.seq, b.state, b.confirmed, b.rule, b.strength, b.accepted_us, b.ended_us, b.observed_us,
       b.lines, b.lines_kept, b.evidence, b."by", b.person, b.reason, b.overrules
FROM outcomes AS o
LEFT JOIN observations AS b ON b.seq = (
    SELECT max(n.seq) FROM observations AS n WHERE n.outcome = o.id AND n.counts
)
"""


def upgrade() -> None:
    texts = ("project", "job", "kind", "agent", "model", "effort", "tier", "payer", "repository")
    op.create_table(
        "origins",
        sa.Column("id", sa.Integer(), nullable=False),
        *(sa.Column(name, sa.String(), nullable=False) for name in texts),
        sa.Column("simulated", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_origins")),
        sa.UniqueConstraint(*texts, "simulated", name="uq_origins_everything"),
    )
    op.create_table(
        "outcomes",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("origin", sa.Integer(), nullable=False),
        sa.Column("project", sa.String(), nullable=False),
        sa.Column("proposal", sa.String(), nullable=True),
        sa.Column("reference", sa.String(), nullable=False),
        sa.Column("author", sa.String(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("opened_us", sa.BigInteger(), nullable=False),
        sa.Column("look_us", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["origin"], ["origins.id"], name=op.f("fk_outcomes_origin")),
        sa.ForeignKeyConstraint(["project"], ["projects.slug"], name=op.f("fk_outcomes_project")),
        sa.ForeignKeyConstraint(["proposal"], ["proposals.id"], name=op.f("fk_outcomes_proposal")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outcomes")),
        sa.UniqueConstraint("proposal", name=op.f("uq_outcomes_proposal")),
    )
    op.create_index(op.f("ix_outcomes_project_look_us"), "outcomes", ["project", "look_us"], unique=False)
    op.create_index(op.f("ix_outcomes_project_reference"), "outcomes", ["project", "reference"], unique=False)
    op.create_table(
        "observations",
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("counts", sa.Boolean(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("confirmed", sa.Boolean(), nullable=False),
        sa.Column("rule", sa.String(), nullable=False),
        sa.Column("strength", sa.String(), nullable=False),
        sa.Column("accepted_us", sa.BigInteger(), nullable=True),
        sa.Column("ended_us", sa.BigInteger(), nullable=True),
        sa.Column("observed_us", sa.BigInteger(), nullable=False),
        sa.Column("lines", sa.Integer(), nullable=True),
        sa.Column("lines_kept", sa.Integer(), nullable=True),
        sa.Column("evidence", sa.JSON(), nullable=False),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("person", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("overrules", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["outcome"], ["outcomes.id"], name=op.f("fk_observations_outcome")),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_observations")),
    )
    op.create_index(op.f("ix_observations_outcome_seq"), "observations", ["outcome", "seq"], unique=False)
    op.execute(CURRENT_OUTCOMES)


def downgrade() -> None:
    raise RuntimeError("outcomes are not taken away")

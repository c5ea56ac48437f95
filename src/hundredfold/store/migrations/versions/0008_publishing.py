"""How far an action came, and what people changed in proposals before they decided."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("actions", sa.Column("progress", sa.JSON(), nullable=True))
    op.create_table(
        "edits",
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("proposal", sa.String(), nullable=False),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("record", sa.JSON(), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["proposal"], ["proposals.id"], name=op.f("fk_edits_proposal")),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_edits")),
    )
    op.create_index(op.f("ix_edits_proposal"), "edits", ["proposal"], unique=False)


def downgrade() -> None:
    op.drop_table("edits")
    op.drop_column("actions", "progress")

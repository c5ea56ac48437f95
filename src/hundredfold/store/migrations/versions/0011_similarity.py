"""What is known already: documents, blocks of the index, trained orders, people's rulings."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def _project(table: str) -> tuple[sa.Column[str], sa.ForeignKeyConstraint]:
    key = sa.ForeignKeyConstraint(["project"], ["projects.slug"], name=op.f(f"fk_{table}_project"))
    return sa.Column("project", sa.String(), nullable=False), key


def upgrade() -> None:
    big = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "known_blocks",
        sa.Column("id", big, nullable=False),
        *_project("known_blocks"),
        sa.Column("embedder", sa.String(), nullable=False),
        sa.Column("documents", sa.Integer(), nullable=False),
        sa.Column("blob", sa.String(), nullable=False),
        sa.Column("made_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_known_blocks")),
    )
    op.create_index(op.f("ix_known_blocks_project_embedder"), "known_blocks", ["project", "embedder"])
    op.create_table(
        "known_documents",
        *_project("known_documents"),
        sa.Column("embedder", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("block", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("project", "embedder", "key", name=op.f("pk_known_documents")),
    )
    op.create_table(
        "known_orders",
        *_project("known_orders"),
        sa.Column("embedder", sa.String(), nullable=False),
        sa.Column("blob", sa.String(), nullable=False),
        sa.Column("pairs", sa.Integer(), nullable=False),
        sa.Column("gain", sa.Float(), nullable=False),
        sa.Column("trained_us", sa.BigInteger(), nullable=False),
        sa.Column("record", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("project", "embedder", name=op.f("pk_known_orders")),
    )
    op.create_table(
        "rulings",
        *_project("rulings"),
        sa.Column("one", sa.String(), nullable=False),
        sa.Column("other", sa.String(), nullable=False),
        sa.Column("ruling", sa.String(), nullable=False),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("project", "one", "other", name=op.f("pk_rulings")),
    )

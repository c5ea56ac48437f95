"""How far each log was read, what threads counted, and what providers' own reports say."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    whole = ("device", "inode", "size", "mtime_ns", "offset")
    op.create_table(
        "import_cursors",
        sa.Column("format", sa.String(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in whole),
        *(sa.Column(name, sa.LargeBinary(), nullable=False) for name in ("head", "tail", "state")),
        sa.PrimaryKeyConstraint("format", "path", name=op.f("pk_import_cursors")),
    )
    op.create_index(op.f("ix_import_cursors_device_inode"), "import_cursors", ["device", "inode"])
    op.create_table(
        "import_threads",
        sa.Column("thread", sa.String(), nullable=False),
        sa.Column("parent", sa.String(), nullable=False),
        sa.Column("counted_from", sa.Integer(), nullable=False),
        sa.Column("chain", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("thread", name=op.f("pk_import_threads")),
    )
    op.create_index(op.f("ix_import_threads_parent"), "import_threads", ["parent"])
    names = ("model", "tier", "project", "api_key")
    counts = ("requests", "input", "cached", "cache_write", "output", "fetched_us")
    op.create_table(
        "provider_usage",
        sa.Column("provider", sa.String(), nullable=False),
        sa.Column("start_us", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("end_us", sa.BigInteger(), nullable=False, autoincrement=False),
        *(sa.Column(name, sa.String(), nullable=False) for name in names),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in counts),
        sa.PrimaryKeyConstraint("provider", "start_us", "end_us", *names, name=op.f("pk_provider_usage")),
    )
    names = ("project", "line_item", "api_key", "currency")
    op.create_table(
        "provider_costs",
        sa.Column("provider", sa.String(), nullable=False),
        sa.Column("start_us", sa.BigInteger(), nullable=False, autoincrement=False),
        *(sa.Column(name, sa.String(), nullable=False) for name in names),
        *(
            sa.Column(name, sa.String(), nullable=False)
            for name in ("picodollars", "quantity", "quantity_unit")
        ),
        sa.Column("fetched_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("provider", "start_us", *names, name=op.f("pk_provider_costs")),
    )


def downgrade() -> None:
    raise RuntimeError("what was read is not forgotten")

"""Rollups by quarter hour of all bookings together, so that days of any time zone are read from few sums."""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

KEYS = "route, status, band, kinds"
SUMS = (
    *("requests", "input", "cached", "cache_write", "cache_write_1h", "output", "reasoning"),
    *("floor_input", "floor_output"),
)


def upgrade() -> None:
    op.execute(
        f"INSERT INTO rollups (grain, slot, attempt, booking, {KEYS}, {', '.join(SUMS)}) "  # noqa: S608
        f"SELECT 3, slot, 0, 0, {KEYS}, {', '.join(f'sum({name})' for name in SUMS)} "
        f"FROM rollups WHERE grain = 0 GROUP BY slot, {KEYS}"
    )


def downgrade() -> None:
    op.execute("DELETE FROM rollups WHERE grain = 3")

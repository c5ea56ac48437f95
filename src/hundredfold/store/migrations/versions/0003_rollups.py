"""A shorter ledger (keys as bytes, providers by number, 1-hour cache writes), rollups over it, and bookings
that say where a request came from."""

import sqlalchemy as sa
from alembic import op

from hundredfold.store.shortkeys import shortened

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

BATCH = 5000
#: input sizes at which prices are known to change somewhere, so that most books need no rebuild
EDGES = (100_000, 128_000, 200_000, 256_000, 272_000)

CURRENT_REQUESTS = """
CREATE VIEW current_requests AS
SELECT r.* FROM requests AS r
WHERE NOT EXISTS (
    SELECT 1 FROM requests AS better
    WHERE better.key = r.key AND better.provider = r.provider
      AND (better.source, better.status) > (r.source, r.status)
)
"""
KEYS = "attempt, booking, route, status, band, kinds"
SUMS = (
    *("requests", "input", "cached", "cache_write", "cache_write_1h", "output", "reasoning"),
    *("floor_input", "floor_output"),
)
BAND = " + ".join(f"(CASE WHEN input > {edge} THEN 1 ELSE 0 END)" for edge in EDGES)
KINDS = " + ".join(
    f"(CASE WHEN {used} > 0 THEN {bit} ELSE 0 END)"
    for used, bit in (
        *(("input - cached - cache_write", 1), ("cached", 2), ("cache_write - cache_write_1h", 4)),
        *(("cache_write_1h", 8), ("output", 16)),
    )
)
FIRST_ROLLUPS = f"""
INSERT INTO rollups (grain, slot, {KEYS}, {", ".join(SUMS)})
SELECT {{grain}}, slot, {KEYS}, {", ".join(f"sum({name})" for name in SUMS)} FROM (
    SELECT at_us / {{span}} AS slot, {{attempt}} AS attempt, booking, route, status,
        {BAND} AS band, {KINDS} AS kinds, 1 AS requests,
        input, cached, cache_write, cache_write_1h, output, reasoning,
        coalesce(floor_input, 0) AS floor_input, coalesce(floor_output, 0) AS floor_output
    FROM current_requests
) AS r GROUP BY slot, {KEYS}
"""  # noqa: S608
DAY_US, QUARTER_US = 86_400_000_000, 900_000_000


def upgrade() -> None:
    op.execute("DROP VIEW current_requests")
    op.execute("CREATE TABLE old_requests AS SELECT * FROM requests")
    op.execute("CREATE TABLE old_bookings AS SELECT * FROM bookings")
    op.drop_table("requests")
    op.drop_table("bookings")
    _new_tables()
    op.execute(
        "INSERT INTO bookings (id, project, job, agent, person, payer, cost_centre, path, api_key, label) "
        "SELECT id, project, job, agent, person, payer, cost_centre, '', '', '' FROM old_bookings"
    )
    op.execute("INSERT INTO providers (name) SELECT DISTINCT provider FROM old_requests ORDER BY provider")
    _move_requests()
    op.drop_table("old_requests")
    op.drop_table("old_bookings")
    if op.get_bind().dialect.name == "postgresql":
        for table, column in (("requests", "seq"), ("bookings", "id")):
            op.execute(
                f"SELECT setval(pg_get_serial_sequence('{table}', '{column}'), "  # noqa: S608
                f"coalesce((SELECT max({column}) FROM {table}), 1), EXISTS (SELECT 1 FROM {table}))"
            )
    op.execute(CURRENT_REQUESTS)
    for edge in EDGES:
        op.execute(f"INSERT INTO rollup_edges VALUES ({edge})")  # noqa: S608
    for grain, span, attempt in (
        (0, QUARTER_US, "0"),
        (1, DAY_US, "0"),
        (2, DAY_US, "coalesce(attempt, 0)"),
    ):
        op.execute(FIRST_ROLLUPS.format(grain=grain, span=span, attempt=attempt))


def _new_tables() -> None:
    op.create_table(
        "bookings",
        sa.Column("id", sa.Integer(), nullable=False),
        *(
            sa.Column(name, sa.String(), nullable=False)
            for name in (
                *("project", "job", "agent", "person", "payer", "cost_centre"),
                *("path", "api_key", "label"),
            )
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bookings")),
        sa.UniqueConstraint(
            *("project", "job", "agent", "person", "payer", "cost_centre", "path", "api_key", "label"),
            name=op.f("uq_bookings"),
        ),
    )
    op.create_table(
        "providers",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_providers")),
        sa.UniqueConstraint("name", name=op.f("uq_providers_name")),
    )
    op.create_table(
        "requests",
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("provider", sa.Integer(), nullable=False),
        sa.Column("source", sa.SmallInteger(), nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("attempt", sa.BigInteger(), nullable=True),
        sa.Column("booking", sa.Integer(), nullable=False),
        sa.Column("route", sa.Integer(), nullable=False),
        sa.Column("input", sa.BigInteger(), nullable=False),
        sa.Column("cached", sa.BigInteger(), nullable=False),
        sa.Column("cache_write", sa.BigInteger(), nullable=False),
        sa.Column("cache_write_1h", sa.BigInteger(), nullable=False),
        sa.Column("output", sa.BigInteger(), nullable=False),
        sa.Column("reasoning", sa.BigInteger(), nullable=False),
        sa.Column("floor_input", sa.BigInteger(), nullable=True),
        sa.Column("floor_output", sa.BigInteger(), nullable=True),
        sa.Column("http_status", sa.SmallInteger(), nullable=True),
        sa.Column("error", sa.String(), nullable=True),
        sa.Column("first_byte_ms", sa.Integer(), nullable=True),
        sa.Column("total_ms", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["booking"], ["bookings.id"], name=op.f("fk_requests_booking")),
        sa.ForeignKeyConstraint(["route"], ["routes.id"], name=op.f("fk_requests_route")),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_requests")),
        sa.UniqueConstraint("key", "provider", "source", "status", name=op.f("uq_requests_key")),
    )
    there = sa.text("attempt IS NOT NULL")
    op.create_index(
        op.f("ix_requests_attempt"), "requests", ["attempt"], sqlite_where=there, postgresql_where=there
    )
    keys = ("grain", "slot", "attempt", "booking", "route", "status", "band", "kinds")
    kinds = {"slot": sa.Integer, "attempt": sa.BigInteger, "booking": sa.Integer, "route": sa.Integer}
    op.create_table(
        "rollups",
        *(
            sa.Column(name, kinds.get(name, sa.SmallInteger)(), nullable=False, autoincrement=False)
            for name in keys
        ),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in SUMS),
        sa.PrimaryKeyConstraint(*keys, name=op.f("pk_rollups")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "rollup_edges",
        sa.Column("over", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.PrimaryKeyConstraint("over", name=op.f("pk_rollup_edges")),
    )


def _move_requests() -> None:
    """Row by row, since the shortening is code and no SQL."""
    bind = op.get_bind()
    providers: dict[str, int] = {
        name: number for number, name in bind.execute(sa.text("SELECT id, name FROM providers"))
    }
    old = sa.table(
        "old_requests",
        *(
            sa.column(name)
            for name in (
                *("seq", "key", "provider", "source", "status", "at_us", "attempt", "booking", "route"),
                *("input", "cached", "cache_write", "output", "reasoning", "floor_input", "floor_output"),
                *("http_status", "error", "first_byte_ms", "total_ms"),
            )
        ),
    )
    new = sa.table("requests", *(sa.column(one.name) for one in old.columns), sa.column("cache_write_1h"))
    last = -1
    while rows := bind.execute(
        sa.select(old).where(old.c.seq > last).order_by(old.c.seq).limit(BATCH)
    ).mappings().all():  # fmt: skip
        last = int(rows[-1]["seq"])
        bind.execute(
            sa.insert(new),
            [
                {
                    **row,
                    "key": shortened(row["key"]),
                    "provider": providers[row["provider"]],
                    "cache_write_1h": 0,
                }
                for row in rows
            ],
        )


def downgrade() -> None:
    raise RuntimeError("rows are not made longer again")

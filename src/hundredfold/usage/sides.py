"""What `reconcile` compares, read from the store: the ledger's side, and the provider's own reports."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, tzinfo

import sqlalchemy as sa

from hundredfold.prices.book import PriceBook
from hundredfold.store.database import Database
from hundredfold.store.tables.imports import provider_costs, provider_usage
from hundredfold.store.tables.ledger import bookings
from hundredfold.usage.pricing import priced_groups
from hundredfold.usage.reconcile import Here, Line, Place, There, reconciled
from hundredfold.usage.rollups import DAY_US
from hundredfold.usage.sums import Window
from hundredfold.vocabulary import Usage


def reconcile(
    database: Database,
    book: PriceBook,
    provider: str,
    *,
    first: int,
    last: int,
    today: int,
    zone: tzinfo = UTC,
) -> list[Line]:
    """The days from `first` to `last` (UTC days since 1970-01-01) of one provider; real requests only."""
    window = Window(first * DAY_US, (last + 1) * DAY_US)
    wide = Window((first - 1) * DAY_US, (last + 2) * DAY_US)
    with database.read() as connection:
        groups = priced_groups(connection, book, by=("day",), window=window)
        here = [
            Here(
                day=group.of.day or 0,
                model=group.model,
                tier=group.tier,
                usage=group.usage,
                cost=group.money.least,
                requests=group.requests,
                unpriced=group.money.unpriced,
            )
            for group in groups
            if group.prices == provider and not group.simulated
        ]
        zoned: dict[Place, int] = defaultdict(int)
        for group in priced_groups(connection, book, by=("day",), window=wide, zone=zone):
            day = group.of.day or 0
            if group.prices == provider and not group.simulated and first <= day <= last:
                zoned[day, group.model] += group.money.least
        return reconciled(
            book,
            provider,
            here=here,
            by_zone=zoned,
            there=_usage(connection, provider, window),
            costs=_costs(connection, provider, window),
            today=today,
        )


def _usage(connection: sa.Connection, provider: str, window: Window) -> list[There]:
    known = set(connection.execute(sa.select(bookings.c.api_key).distinct()).scalars())
    column = provider_usage.c
    rows = connection.execute(
        sa.select(provider_usage).where(
            column.provider == provider, column.start_us >= window.since_us, column.start_us < window.until_us
        )
    )
    return [
        There(
            day=row.start_us // DAY_US,
            model=row.model,
            tier=row.tier,
            usage=Usage(row.input, row.cached, row.cache_write, row.output),
            requests=row.requests,
            # Only where the ledger knows keys at all can another key be told from ours.
            ours=not row.api_key or row.api_key in known or known <= {""},
        )
        for row in rows
    ]


def other_currencies(database: Database, provider: str, first: int, last: int) -> dict[str, int]:
    """The provider's costs in the days since 1970 that are not in dollars, by currency, in 10⁻¹² of it."""
    column = provider_costs.c
    found: dict[str, int] = defaultdict(int)
    with database.read() as connection:
        for row in connection.execute(
            sa.select(column.currency, column.picodollars).where(
                column.provider == provider,
                column.currency != "usd",
                column.start_us >= first * DAY_US,
                column.start_us < (last + 1) * DAY_US,
            )
        ):
            found[row.currency] += int(row.picodollars)
    return dict(found)


def _costs(connection: sa.Connection, provider: str, window: Window) -> dict[tuple[int, str], int] | None:
    """Dollars by day and line item; None if the costs API was never read."""
    column = provider_costs.c
    mine = sa.select(provider_costs).where(column.provider == provider, column.currency == "usd")
    if connection.execute(mine.limit(1)).first() is None:
        return None
    found: dict[tuple[int, str], int] = defaultdict(int)
    for row in connection.execute(
        mine.where(column.start_us >= window.since_us, column.start_us < window.until_us)
    ):
        found[row.start_us // DAY_US, row.line_item] += int(row.picodollars)
    return dict(found)

"""`hundredfold spend rebuild`: compute the ledger's sums anew, with the thresholds of the price book."""

from __future__ import annotations

from hundredfold.cli.context import Where
from hundredfold.cli.output import counted, say
from hundredfold.config import price_files


def rebuild(*, where: Where = Where()) -> int:  # noqa: B008
    """Compute the ledger's sums anew, for a price book with new thresholds of input size.

    Bills of the models concerned are right without it, but slow: they are made from each request. A big
    ledger takes minutes, in which nothing else can write to it.
    """
    import sqlalchemy as sa

    from hundredfold.prices.book import load_book
    from hundredfold.store.tables.ledger import requests
    from hundredfold.usage.rollups import rebuild as rebuild_rollups

    context = where.open()
    with context.database.read() as connection:
        rows = connection.scalar(sa.select(sa.func.max(requests.c.seq))) or 0
    say(f"adding up {counted(rows, 'request')} anew; a million takes some ten seconds …")
    book = load_book(price_files(context.settings, context.place.root))
    edges = rebuild_rollups(context.database, book.thresholds)
    say(f"sums tell requests apart at {', '.join(f'{edge:,}' for edge in edges)} input tokens")
    return 0

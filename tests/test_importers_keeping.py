"""What is kept in one transaction is found by the next, whoever else writes the ledger in between."""

from __future__ import annotations

from hundredfold.store.database import Database
from hundredfold.store.statements import open_store
from hundredfold.usage.importers.booking import Books
from hundredfold.usage.importers.keeping import Keeper
from hundredfold.usage.importers.protocol import Place, Row, row_key
from hundredfold.usage.importers.reading import Cursor
from hundredfold.usage.ledger import Ledger, WireRoute
from tests.support.ledgers import entry
from tests.support.logs import used
from tests.test_usage_rollups import agree

PLACE = Place("openai", "responses", "gpt-5.5", "standard", "", "codex")
CURSOR = Cursor("codex", "/log", 1, 2, 3, 4, 5, b"", b"", b"")


def row(number: int, output: int = 1) -> Row:
    return row_key(f"resp_{number:02x}"), 0, number * 1_000_000, number, 0, 0, 0, output, 0


def test_later_transactions_know_what_is_there(database: Database) -> None:
    store = open_store(database.url)
    keeper = Keeper(store, Books().booked)

    def keep(*rows: Row) -> None:
        keeper.add(rows, {0: PLACE} if keeper.kept.read == 0 else {})
        keeper.stand(CURSOR, [])
        keeper.flush()

    keep(row(1), row(2))
    keep(row(2, output=9), row(3))
    assert used(database) == [(1, 0, 1), (2, 0, 9), (3, 0, 1)]
    wire = WireRoute("openai", "responses", "gpt-5.5")
    Ledger(database).append([entry("resp_04", route=wire), entry("resp_05", route=wire)])
    keep(row(1), row(4), row(6))
    keep(row(5), row(6, output=3))
    store.close()
    kept = keeper.kept
    assert (kept.read, kept.new, kept.grown, kept.outranked) == (9, 6, 2, 2)
    assert len(used(database)) == 6
    agree(database)

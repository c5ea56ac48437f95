"""Rollups equal the sums of the rows in whatever order rows supersede each other; bills from both agree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from hundredfold.prices.book import PriceBook, load_book
from hundredfold.prices.rows import PriceRow, Rates
from hundredfold.store.database import Database, open_database, sqlite_url
from hundredfold.store.tables.ledger import rollups
from hundredfold.usage.deltas import DAY, DAY_AND_ATTEMPT, KEYED, NONE, QUARTER, QUARTER_OF_ALL, SUMMED
from hundredfold.usage.ledger import SOURCES, STATUSES, Entry, Ledger
from hundredfold.usage.pricing import Pricer
from hundredfold.usage.rollups import adopt, edges_of, raw_sums, rebuild
from hundredfold.usage.spend import bill
from hundredfold.usage.sums import Window, local_day, sums
from hundredfold.vocabulary import Usage
from tests.support.ledgers import AT_US, BOOKING, ROUTE, entry, varied

BOOK = load_book()
QUARTER_US, DAY_US = 900_000_000, 86_400_000_000
GRAINS = (QUARTER, DAY, DAY_AND_ATTEMPT, QUARTER_OF_ALL)
EMPTY = ["requests", "bookings", "routes", "providers", "rollups"]

tokens = st.sampled_from([0, 1, 50, 99_999, 100_000, 100_001, 272_000, 272_001, 10**12])
usages = st.builds(
    lambda plain, cached, write, hour, output: Usage(
        input=plain + cached + write + hour,
        cached=cached,
        cache_write=write + hour,
        output=output,
        reasoning=output // 2,
        cache_write_1h=hour,
    ),
    *([tokens] * 5),
)
entries = st.builds(
    entry,
    st.sampled_from(["resp_0a", "resp_0b", "msg_1", "intent:0c"]),
    usages,
    source=st.sampled_from(SOURCES),
    status=st.sampled_from(STATUSES),
    at_us=st.integers(0, 300).map(lambda n: AT_US + n * QUARTER_US // 3),
    attempt=st.sampled_from([None, 1, 2]),
    booking=st.sampled_from([BOOKING, replace(BOOKING, job="review", person="")]),
    route=st.sampled_from([ROUTE, replace(ROUTE, provider="azure"), replace(ROUTE, simulated=True)]),
    floor_input=st.sampled_from([None, 0, 40]),
)


def kept(database: Database, grain: int) -> Counter[tuple[Any, ...]]:
    with database.read() as connection:
        rows = connection.execute(sa.select(rollups).where(rollups.c.grain == grain)).mappings()
        return Counter(
            {(*(row[k] for k in KEYED), name): row[name] for row in rows for name in ("requests", *SUMMED)}
        )


def from_rows(database: Database, grain: int) -> Counter[tuple[Any, ...]]:
    found: Counter[tuple[Any, ...]] = Counter()
    with database.read() as connection:
        for row in connection.execute(sa.select(raw_sums(edges_of(connection)))).mappings():
            slot = row["slot"] if grain in (QUARTER, QUARTER_OF_ALL) else row["slot"] // 96
            attempt = row["attempt"] if grain == DAY_AND_ATTEMPT else NONE
            booking = NONE if grain == QUARTER_OF_ALL else row["booking"]
            for name in ("requests", *SUMMED):
                found[slot, attempt, booking, *(row[k] for k in KEYED[3:]), name] += int(row[name])
    return found


def agree(database: Database) -> None:
    for grain in GRAINS:
        assert +kept(database, grain) == +from_rows(database, grain)


@pytest.fixture(scope="module")
def emptied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    opened = open_database(sqlite_url(tmp_path_factory.mktemp("rollups") / "test.db"))
    yield opened
    opened.close()


@settings(max_examples=60, deadline=None)
@given(st.lists(entries, max_size=25), st.integers(1, 6))
def test_rollups_equal_the_rows_under_any_order_of_supersession(
    emptied: Database, rows: list[Entry], batch: int
) -> None:
    with emptied.write() as connection:
        for name in EMPTY:
            connection.exec_driver_sql(f"DELETE FROM {name}")
    ledger = Ledger(emptied)
    for start in range(0, len(rows), batch):
        ledger.append(rows[start : start + batch])
    agree(emptied)
    before = [kept(emptied, grain) for grain in GRAINS]
    rebuild(emptied, ())
    assert [kept(emptied, grain) for grain in GRAINS] == [+one for one in before]


def test_appending_keeps_rollups_in_step_on_both_databases(database: Database) -> None:
    rows = varied(600)
    appended = Ledger(database).append(rows)
    agree(database)
    assert 0 < appended.superseded < appended.new <= 600
    assert Ledger(database).append(rows).new == 0
    agree(database)


def unaligned() -> PriceBook:
    """The shipped book with a threshold that rollups do not know, at which no price changes, so that rows are
    asked."""
    rows = BOOK.rows
    odd = [replace(row, over=77) for row in rows if row.model == "gpt-5.5" and not row.over]
    return PriceBook([*rows, *odd], BOOK.models)


ZONES: list[tzinfo] = [
    UTC,
    *map(ZoneInfo, ("Europe/Vienna", "America/Los_Angeles", "Asia/Kathmandu", "Pacific/Kiritimati")),
]


@pytest.mark.parametrize("zone", ZONES, ids=str)
def test_bills_from_rollups_and_from_rows_agree_in_every_zone(database: Database, zone: tzinfo) -> None:
    Ledger(database).append(varied(500, seed=len(str(zone))))
    slow = unaligned()
    start = datetime(2026, 10, 20, tzinfo=zone)  # the clocks change in between
    since_us = int(start.timestamp()) * 1_000_000
    windows = [
        (None, None),
        (since_us, None),
        (since_us, since_us + 11 * DAY_US),
        (AT_US, AT_US + 5 * QUARTER_US),
    ]
    for by in ((), ("day",), ("model", "tier", "job"), ("day", "person", "item")):
        for since, until in windows:
            fast = bill(database, BOOK, by=by, since_us=since, until_us=until, zone=zone)
            assert fast == bill(database, slow, by=by, since_us=since, until_us=until, zone=zone)


def test_sums_of_what_was_served_have_the_price_of_finer_ones(database: Database) -> None:
    Ledger(database).append(varied(500, seed=11))
    pricer = Pricer(BOOK)
    with database.read() as connection:
        few = [pricer.group(one) for one in sums(connection, BOOK, as_served=True)]
        many = [pricer.group(one) for one in sums(connection, BOOK)]
    assert len(few) < len(many)
    for figure in ("least", "most", "unpriced", "unpriced_worst"):
        assert sum(getattr(one.money, figure) for one in few) == sum(
            getattr(one.money, figure) for one in many
        )


def test_a_new_threshold_is_taken_up_by_rebuilding(database: Database) -> None:
    Ledger(database).append(varied(200))
    edges = rebuild(database, [77])
    assert 77 in edges and 272_000 in edges
    agree(database)
    assert bill(database, unaligned(), by=("model",)) == bill(database, BOOK, by=("model",))


def test_a_threshold_of_what_was_never_served_asks_no_rows(database: Database) -> None:
    Ledger(database).append(varied(60))
    odd = PriceRow("nobody", "nothing", "standard", 0, 77, Rates(input=1), "a test")
    book = PriceBook([*BOOK.rows, odd], BOOK.models)
    with database.write() as connection:
        connection.exec_driver_sql("DELETE FROM requests")
    assert bill(database, book, by=("model",)).total.requests > 0, "it is read from the sums"
    assert bill(database, unaligned(), by=("model",)).total.requests == 0


def test_a_small_ledger_takes_up_a_new_threshold_by_itself(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    Ledger(database).append(varied(60))
    assert adopt(database, BOOK.thresholds)
    monkeypatch.setattr("hundredfold.usage.rollups.FEW", 10)
    assert not adopt(database, [77]), "a big one is left for `spend rebuild`"
    monkeypatch.undo()
    assert adopt(database, [77])
    agree(database)


def test_a_window_must_begin_on_a_quarter_hour(database: Database) -> None:
    with pytest.raises(ValueError, match="quarter"):
        bill(database, BOOK, by=(), since_us=AT_US + 1)
    assert Window() == Window(None, None)


@given(st.integers(0, 4_000_000_000), st.sampled_from(ZONES))
def test_a_local_day_is_the_calendars(seconds: int, zone: tzinfo) -> None:
    wanted = datetime.fromtimestamp(seconds, zone).date().toordinal() - datetime(1970, 1, 1).toordinal()
    assert local_day(seconds * 1_000_000, zone) == wanted


def test_the_old_schema_becomes_the_new_one_with_its_rows(tmp_path: Path) -> None:
    from alembic import command
    from alembic.config import Config

    from hundredfold.store.database import MIGRATIONS

    old = open_database(sqlite_url(tmp_path / "old.db"), migrate=False)
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with old.write() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
    columns = (
        "provider, key, source, status, at_us, attempt, booking, route, input, cached, cache_write, output"
    )
    with old.write() as connection:
        connection.exec_driver_sql(
            "INSERT INTO bookings VALUES (7, 'p', 'security', 'codex', 'Ada', 'acme', '')"
        )
        connection.exec_driver_sql(
            "INSERT INTO routes VALUES (3, 'openai', 'responses', 'gpt-5.5', '', 'fast', 'priority', 0)"
        )
        for key, source, status in (("resp_0a", 3, 4), ("resp_0a", 2, 4), ("odd", 3, 3)):
            connection.exec_driver_sql(
                f"INSERT INTO requests ({columns}, reasoning) "
                "VALUES ('openai', ?, ?, ?, ?, 4, 7, 3, 1000, 400, 0, 100, 50)",
                (key, source, status, AT_US),
            )
    old.migrate()
    agree(old)
    assert bill(old, BOOK, by=("day", "person")).total.requests == 2
    assert Ledger(old).append([entry("resp_0a"), entry("new")]).new == 1
    agree(old)
    old.close()

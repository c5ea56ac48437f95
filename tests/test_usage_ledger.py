"""The ledger: every request once, the best row counts, and what limits need to know."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from hundredfold.prices.book import load_book
from hundredfold.store.database import Database, now_us
from hundredfold.store.tables.ledger import bookings, current_requests, requests, routes
from hundredfold.usage.ledger import BATCH, SOURCES, STATUSES, Ledger, consistent
from hundredfold.vocabulary import Limit, Usage
from tests.support.ledgers import AT_US, BOOKING, ROUTE, entry, keep_attempts
from tests.support.waiting import PATIENCE_S

BOOK = load_book()


def count(database: Database, table: sa.FromClause = requests) -> int:
    with database.read() as connection:
        return int(connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one())


def the_current(database: Database) -> list[Any]:
    with database.read() as connection:
        return list(
            connection.execute(sa.select(current_requests).order_by(current_requests.c.key)).mappings()
        )


def test_a_row_keeps_every_field(database: Database) -> None:
    Ledger(database).append(
        [
            entry(
                "resp_1", Usage(10, 4, 3, 7, 2), source="rollout", status="cut", attempt=9, floor_input=5,
                floor_output=6, http_status=200, error="cut", first_byte_ms=11, total_ms=22,
            )
        ]
    )  # fmt: skip
    [row] = the_current(database)
    wanted = {
        "key": "resp_1", "at_us": AT_US, "attempt": 9, "input": 10, "cached": 4,
        "cache_write": 3, "output": 7, "reasoning": 2, "floor_input": 5, "floor_output": 6,
        "http_status": 200, "error": "cut", "first_byte_ms": 11, "total_ms": 22,
    }  # fmt: skip
    assert {name: row[name] for name in wanted} == wanted
    assert SOURCES[row["source"] - 1] == "rollout" and STATUSES[row["status"]] == "cut"
    with database.read() as connection:
        booked = connection.execute(sa.select(bookings)).mappings().one()
        routed = connection.execute(sa.select(routes)).mappings().one()
    assert (booked["person"], booked["payer"], booked["cost_centre"]) == ("Ada", "acme", "")
    assert routed["provider"] == "openai"
    assert (routed["served_model"], routed["served_tier"], routed["simulated"]) == (
        "gpt-5.5-2026-04-23", "priority", False,
    )  # fmt: skip


def test_the_same_request_is_kept_once_however_often_it_is_appended(database: Database) -> None:
    ledger, batch = Ledger(database), [entry(f"r{n}") for n in range(BATCH + 7)]
    ledger.append(batch)
    ledger.append(batch[::-1])
    Ledger(database).append(batch)
    ledger.append([batch[0], batch[0]])
    ledger.append([])
    assert count(database) == len(batch)
    assert count(database, bookings) == count(database, routes) == 1


def test_the_first_row_stays_when_a_duplicate_differs(database: Database) -> None:
    ledger = Ledger(database)
    ledger.append([entry("r", Usage(10, 0, 0, 1, 0))])
    ledger.append([entry("r", Usage(99, 0, 0, 9, 0))])
    assert [row["input"] for row in the_current(database)] == [10]


@pytest.mark.parametrize("seed", range(6))
def test_the_best_source_and_status_counts_in_whatever_order_rows_come(database: Database, seed: int) -> None:
    rows = [
        entry("r", Usage(input=rank), source=source, status=status)
        for rank, (source, status) in enumerate((source, status) for source in SOURCES for status in STATUSES)
    ]
    best = rows[-1]
    assert (best.source, best.status) == ("wire", "settled")
    random.Random(seed).shuffle(rows)
    ledger = Ledger(database)
    for row in rows:
        ledger.append([row])
    assert [row["input"] for row in the_current(database)] == [best.usage.input]


def test_wire_beats_rollout_beats_usage_api(database: Database) -> None:
    ledger = Ledger(database)
    for n, source in enumerate(("rollout", "wire", "usage_api"), 1):
        ledger.append([entry("r", Usage(input=n), source=source)])
        assert len(the_current(database)) == 1
    assert the_current(database)[0]["input"] == 2


def test_a_settled_row_supersedes_an_unsettled_one_and_never_the_reverse(database: Database) -> None:
    ledger = Ledger(database)
    unsettled = entry("a", Usage(input=900), status="unsettled", floor_input=0, floor_output=0)
    settled = entry("a", Usage(input=5))
    ledger.append([unsettled])
    ledger.append([settled])
    ledger.append([replace(settled, key="b"), replace(unsettled, key="b")])
    assert [(row["input"], STATUSES[row["status"]]) for row in the_current(database)] == [(5, "settled")] * 2
    assert count(database) == 4


def test_equal_keys_of_two_providers_are_two_requests(database: Database) -> None:
    Ledger(database).append([entry("r"), entry("r", route=replace(ROUTE, provider="azure"))])
    assert len(the_current(database)) == 2


def test_text_from_outside_that_no_database_takes_does_not_stop_the_ledger(database: Database) -> None:
    nasty = "a\0b\udcff\ud800"
    Ledger(database).append(
        [
            entry(
                nasty,
                error=nasty,
                route=replace(ROUTE, served_model=nasty),
                booking=replace(BOOKING, person=nasty),
            )
        ]
    )
    assert count(database) == 1


def test_a_refused_batch_leaves_no_id_behind(database: Database) -> None:
    ledger = Ledger(database)
    with pytest.raises(Exception, match=r"(?i)out of range|too large"):
        ledger.append([entry("r", at_us=2**63)])
    assert count(database) == count(database, routes) == 0
    ledger.append([entry("r")])
    assert len(the_current(database)) == 1


def test_threads_appending_the_same_rows_in_other_orders_keep_each_once(database: Database) -> None:
    rows = [entry(f"r{n}", booking=replace(BOOKING, agent=f"a{n % 5}")) for n in range(300)]
    ledger, failures = Ledger(database), list[BaseException]()

    def work(seed: int) -> None:
        mine = rows[:]
        random.Random(seed).shuffle(mine)
        try:
            for start in range(0, len(mine), 50):
                ledger.append(mine[start : start + 50])
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert not failures
    assert count(database) == 300 and count(database, bookings) == 5


SCRIPT = """
import sys
from hundredfold.store.database import open_database
from hundredfold.usage.ledger import Ledger
from tests.support.ledgers import entry
ledger = Ledger(open_database(sys.argv[1], migrate=False))
for start in range(0, 400, 40):
    ledger.append([entry(f"r{n}") for n in range(start, start + 40)])
"""


def test_processes_appending_the_same_rows_keep_each_once(database: Database) -> None:
    processes = [
        subprocess.Popen([sys.executable, "-c", SCRIPT, database.url], stderr=subprocess.PIPE)
        for _ in range(2)
    ]
    for process in processes:
        assert process.wait(PATIENCE_S) == 0, process.communicate()[1]
    assert count(database) == 400


counts = st.integers(-(10**20), 10**20) | st.integers(0, 5)


@given(st.tuples(counts, counts, counts, counts, counts))
def test_contradicting_usage_becomes_one_that_has_a_price_and_the_rest_passes(
    numbers: tuple[int, int, int, int, int],
) -> None:
    usage = Usage(*numbers)
    found = consistent(usage)
    BOOK.cost(prices="openai", model="gpt-6-astra", tier="standard", usage=found, at_us=AT_US)
    assert consistent(found) == found
    fine = (
        min(numbers) >= 0
        and usage.cached + usage.cache_write <= usage.input <= 10**12
        and usage.reasoning <= usage.output <= 10**12
    )
    if fine:
        assert found == usage


# ------------------------------------------------------------------ what limits ask


def spent(database: Database, scope: str, window: str = "ever") -> int:
    return Ledger(database).spent(BOOK, Limit(scope, window, 1))  # type: ignore[arg-type]


#: gpt-5.5, fast: 600 uncached at $12.5, 400 cached at $1.25, 100 output at $75 per million
ONE = 600 * 12_500_000 + 400 * 1_250_000 + 100 * 75_000_000


def test_every_scope_adds_up_its_own_rows(database: Database) -> None:
    keep_attempts(database, "a-1", "a-2")
    other = replace(BOOKING, project="q", job="review", payer="else")
    Ledger(database).append(
        [
            entry("1", attempt=1),
            entry("2", attempt=2),
            entry("3", attempt=2, booking=replace(BOOKING, job="review")),
            entry("4", booking=other),
        ]
    )
    assert spent(database, "attempt:a-1") == ONE
    assert spent(database, "attempt:a-2") == 2 * ONE
    assert spent(database, "attempt:a-none") == 0
    assert spent(database, "project:p") == 3 * ONE
    assert spent(database, "job:p/security") == 2 * ONE
    assert spent(database, "job:q/review") == ONE
    assert spent(database, "payer:acme") == 3 * ONE
    with pytest.raises(ValueError, match="scope"):
        spent(database, "galaxy:x")


def test_a_day_and_a_month_begin_at_utc_midnight(database: Database) -> None:
    day = 86_400_000_000
    now = now_us()
    today = now - now % day
    Ledger(database).append([entry("now", at_us=today), entry("old", at_us=today - 40 * day)])
    assert spent(database, "project:p", "day") == spent(database, "project:p", "month") == ONE
    assert spent(database, "project:p", "ever") == 2 * ONE


def test_what_is_not_known_counts_by_its_worst_case(database: Database) -> None:
    usage, dark = Usage(input=1000, output=100), replace(ROUTE, model="unheard-of", served_model="")
    Ledger(database).append(
        [
            entry("cut", usage, status="cut", floor_input=0, floor_output=0),
            entry("open", usage, status="unsettled"),
            entry("dark", usage, route=dark),
            entry("bad", Usage(), status="error"),
            entry("no", Usage(), status="refused"),
        ]
    )
    known = BOOK.worst_case(prices="openai", model="gpt-5.5", tier="fast", usage=usage, at_us=AT_US)
    unknown = BOOK.worst_case(prices="openai", model="unheard-of", tier="fast", usage=usage, at_us=AT_US)
    assert unknown > known > 0
    assert spent(database, "project:p") == 2 * known + unknown

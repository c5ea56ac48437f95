"""Counters add up: nothing is lost, nothing counts twice, and a limit is never passed by what is reserved."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hundredfold.budgets.limits import Counters, Refusal, Reservation, counter_key
from hundredfold.vocabulary import Limit

DAY_US = 86_400_000_000
NOON = 1_795_435_200_000_000  # 2026-11-23 12:00 UTC


@given(
    st.integers(0, 10**15),
    st.lists(st.tuples(st.integers(0, 10**14), st.integers(0, 10**14), st.booleans()), max_size=30),
)
def test_what_is_spent_and_held_never_passes_the_limit_by_more_than_the_underestimates(
    stop: int, requests: list[tuple[int, int, bool]]
) -> None:
    counters, limit = Counters(), Limit("project:p", "day", stop)
    held: list[tuple[Reservation, int]] = []
    spent = beyond = 0
    for reserve, actual, settle_first in requests:
        if settle_first and held:
            reservation, cost = held.pop()
            counters.settle(reservation, cost)
            spent += cost
            beyond += max(0, cost - reservation.amount)
        got = counters.reserve((limit,), reserve, NOON)
        if isinstance(got, Refusal):
            assert got.spent + got.held + reserve > stop
            assert got.spent == spent
        else:
            held.append((got, actual))
    assert spent <= stop + beyond


def test_one_limit_passed_reserves_under_none() -> None:
    counters = Counters()
    wide, narrow = Limit("project:p", "ever", 100), Limit("job:p/j", "ever", 10)
    refused = counters.reserve((wide, narrow), 11, NOON)
    assert isinstance(refused, Refusal)
    assert refused.limit == narrow
    assert isinstance(counters.reserve((wide,), 100, NOON), Reservation)


def test_seeding_counts_what_settles_meanwhile_once() -> None:
    counters, limit = Counters(), Limit("project:p", "day", 100)
    key = counter_key(limit, NOON)
    before = counters.reserve((limit,), 10, NOON)
    assert isinstance(before, Reservation)
    counters.settle(before, 10)
    during = counters.reserve((limit,), 20, NOON)
    assert isinstance(during, Reservation)
    mark = counters.mark(key)  # the ledger is read as of here: 40 of earlier days' runs and the 10
    counters.settle(during, 25)
    counters.seed(key, mark, 50, 1.0)
    refused = counters.reserve((limit,), 26, NOON)
    assert isinstance(refused, Refusal)
    assert refused.spent == 75
    assert isinstance(counters.reserve((limit,), 25, NOON), Reservation)


def test_a_new_utc_day_begins_at_nothing_and_settles_to_the_day_of_the_request() -> None:
    counters, limit = Counters(), Limit("project:p", "day", 10)
    late = counters.reserve((limit,), 10, NOON)
    assert isinstance(late, Reservation)
    assert isinstance(counters.reserve((limit,), 10, NOON + DAY_US), Reservation)
    counters.settle(late, 9)
    assert isinstance(counters.reserve((limit,), 1, NOON), Reservation)


def test_periods_begin_at_utc_midnight_and_on_the_first() -> None:
    assert Limit("project:p", "day", 1).period_start_us(NOON) == NOON - DAY_US // 2
    assert Limit("project:p", "month", 1).period_start_us(NOON) == NOON - DAY_US // 2 - 22 * DAY_US
    assert Limit("project:p", "ever", 1).period_start_us(NOON) == 0

"""The comparison of ledger and provider's log finds every kind of disagreement, and nothing else."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from hundredfold.prices.book import PriceBook, load_book
from hundredfold.simulation.provider.log import LogLine
from hundredfold.simulation.truth import Comparison, LedgerRow, compare
from hundredfold.vocabulary import Usage

NOW = 1_790_000_000_000_000
USAGE = Usage(input=10_000, cached=8_960, output=500, reasoning=192)
#: gpt-5.5, fast: 12.5, 1.25 and 75 dollars per million tokens
COST = (1_040 * 12_500_000) + (8_960 * 1_250_000) + (500 * 75_000_000)

replace = msgspec.structs.replace


@pytest.fixture(scope="module")
def book() -> PriceBook:
    return load_book()


def line(seq: int = 1, **more: Any) -> LogLine:
    fields: dict[str, Any] = {
        "seq": seq,
        "at_us": NOW + seq,
        "end_us": NOW + seq,
        "path": "/v1/responses",
        "status": 200,
        "outcome": "served",
        "response_id": f"resp_{seq}",
        "model": "gpt-5.5",
        "served_model": "gpt-5.5",
        "tier_requested": "priority",
        "tier_served": "priority",
        "usage": USAGE,
    }
    return LogLine(**{**fields, **more})


def row(seq: int = 1, **more: Any) -> LedgerRow:
    fields: dict[str, Any] = {
        "provider": "openai",
        "key": f"resp_{seq}",
        "status": "settled",
        "at_us": NOW + seq,
        "model": "gpt-5.5",
        "served_model": "gpt-5.5",
        "tier": "fast",
        "served_tier": "priority",
        "usage": USAGE,
    }
    return LedgerRow(**{**fields, **more})


def kinds(comparison: Comparison) -> list[str]:
    return [difference.kind for difference in comparison.differences]


def test_equal_to_the_picodollar(book: PriceBook) -> None:
    found = compare([line(1), line(2)], [row(2), row(1)], book)
    assert found.equal
    assert (found.exact, found.exact_usage) == (2, USAGE + USAGE)
    assert found.log_cost == found.ledger_least == found.ledger_most == 2 * COST


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([], ["missing"]),
        ([row(1), row(1)], ["twice"]),
        ([row(1), row(2)], ["invented"]),
        ([row(usage=replace(USAGE, input=10_001))], ["tokens"]),
        ([row(usage=replace(USAGE, reasoning=193))], ["tokens"]),
        ([row(served_tier="default")], ["route"]),
        ([row(served_model="gpt-5.4")], ["route"]),
        ([row(model="gpt-5.4", served_model="")], ["money"]),
        ([row(status="error", usage=Usage())], ["status"]),
        ([row(status="cut", usage=replace(USAGE, output=499))], ["interval"]),
        ([row(status="cut", floor_input=10_001, usage=Usage(input=20_000, output=900))], ["interval"]),
    ],
)
def test_each_disagreement_is_named(book: PriceBook, rows: list[LedgerRow], expected: list[str]) -> None:
    found = compare([line()], rows, book)
    assert kinds(found) == expected
    assert not found.equal


@pytest.mark.parametrize("key", ["resp_1", "intent:77"])
@pytest.mark.parametrize("status", ["cut", "unsettled"])
def test_an_interval_that_contains_the_truth_is_no_disagreement(
    book: PriceBook, key: str, status: str
) -> None:
    worst = Usage(input=40_000, output=128_000)
    kept = row(key=key, status=status, served_tier="", usage=worst, floor_input=1, floor_output=1)
    found = compare([line(outcome="cut")], [kept], book)
    assert found.equal
    assert (found.exact, found.within) == (0, 1)
    assert found.ledger_least <= found.log_cost == COST <= found.ledger_most


def test_an_unnamed_interval_is_paired_with_the_request_sent_nearest_to_it(book: PriceBook) -> None:
    small = Usage(input=100, output=10)
    lines = [line(1, outcome="cut"), line(9, outcome="cut", usage=small)]
    rows = [
        row(key="intent:a", at_us=NOW + 1, status="cut", usage=Usage(input=40_000, output=1_000)),
        row(key="intent:b", at_us=NOW + 9, status="cut", usage=Usage(input=200, output=1_000)),
    ]
    assert compare(lines, rows, book).within == 2


@pytest.mark.parametrize(
    ("unbilled", "kept"),
    [
        ({"status": 429, "outcome": "throttled"}, {"status": "error", "http_status": 429}),
        ({"status": 503, "outcome": "server_error"}, {"status": "error", "http_status": 503}),
        ({"status": 0, "outcome": "hang"}, {"status": "error", "http_status": 504}),
        ({"status": 0, "outcome": "hang"}, {"status": "unsettled", "usage": USAGE}),
        ({"status": 200, "outcome": "overloaded"}, {"status": "error", "http_status": 200}),
    ],
)
def test_an_answer_that_billed_nothing_has_its_row_and_costs_nothing(
    book: PriceBook, unbilled: dict[str, Any], kept: dict[str, Any]
) -> None:
    fields = {"usage": Usage(), "key": "intent:1", "served_model": "", "served_tier": "", **kept}
    nothing: dict[str, Any] = {"usage": None, "response_id": "", "served_model": "", "tier_served": ""}
    found = compare([line(**nothing, **unbilled)], [row(**fields)], book)
    assert found.equal
    assert found.not_billed == 1
    assert found.log_cost == found.ledger_least == 0


def test_a_charge_for_an_answer_that_billed_nothing_is_found(book: PriceBook) -> None:
    assert kinds(compare([line(usage=None, status=429, outcome="throttled")], [row()], book)) == ["invented"]


def test_requests_that_we_refused_or_never_sent_are_counted_apart(book: PriceBook) -> None:
    rows = [
        row(key="intent:1", status="refused", usage=Usage()),
        row(key="intent:2", status="error", http_status=502, usage=Usage()),
        row(key="intent:3", status="unsettled", usage=USAGE),
    ]
    found = compare([], rows, book)
    assert found.equal
    assert found.unsent == 3


def test_a_model_without_a_price_is_counted_and_not_free(book: PriceBook) -> None:
    unknown: dict[str, Any] = {"model": "no-such-model", "served_model": "no-such-model"}
    found = compare([line(**unknown)], [row(**unknown)], book)
    assert found.unpriced == 1
    assert found.exact == 1

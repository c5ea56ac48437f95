"""Reconciling: every cause is found by name, and the parts always add up to the gap."""

from __future__ import annotations

import json
import re
from datetime import date
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from hundredfold.cli.reconcile import reconcile_command
from hundredfold.prices.book import load_book
from hundredfold.store.database import Database
from hundredfold.store.tables.imports import provider_costs, provider_usage
from hundredfold.usage.ledger import Ledger
from hundredfold.usage.reconcile import CAUSES, Here, Line, There, reconciled
from hundredfold.vocabulary import Usage
from tests.support.ledgers import AT_US, BOOKING, ROUTE, entry

BOOK = load_book()
DAY = AT_US // 86_400_000_000
USAGE = Usage(input=1000, cached=400, output=100)
#: gpt-5.5: the usage above at standard and at fast, in picodollars
STANDARD = 600 * 5_000_000 + 400 * 500_000 + 100 * 30_000_000
FAST = STANDARD * 5 // 2
HERE = Here(DAY, "gpt-5.5-2026-04-23", "standard", USAGE, STANDARD, 1)
THERE = There(DAY, "gpt-5.5-2026-04-23", "default", USAGE, 1)


def line(
    here: list[Here], there: list[There], costs: dict[tuple[int, str], int] | None, **changes: Any
) -> Line:
    zoned = changes.pop("by_zone", {(one.day, one.model): one.cost for one in here})
    told = {"today": DAY + 10, **changes}
    [found] = reconciled(BOOK, "openai", here=here, by_zone=zoned, there=there, costs=costs, **told)
    return found


def parts(found: Line) -> dict[str, int]:
    return {cause: amount for cause, amount in found.parts.items() if amount}


def cost(amount: int, item: str = "gpt-5.5-2026-04-23, input") -> dict[tuple[int, str], int]:
    return {(DAY, item): amount}


def test_sides_that_agree_have_no_gap() -> None:
    found = line([HERE], [THERE], cost(STANDARD))
    assert (found.gap, parts(found), found.here, found.usage) == (0, {}, STANDARD, STANDARD)


def test_another_tier_is_its_difference_in_price() -> None:
    fast = replace(THERE, tier="priority")
    assert parts(line([HERE], [fast], cost(FAST))) == {"tier": FAST - STANDARD}
    assert parts(line([replace(HERE, tier="fast", cost=FAST)], [THERE], None)) == {"tier": STANDARD - FAST}


def test_tokens_only_there_are_missing_sessions_or_other_machines() -> None:
    more = replace(THERE, requests=5)
    assert parts(line([HERE], [THERE, more], cost(2 * STANDARD))) == {"missing sessions": STANDARD}
    other = replace(more, ours=False)
    assert parts(line([HERE], [THERE, other], cost(2 * STANDARD))) == {"other machines": STANDARD}
    assert line([HERE], [THERE, other], None).requests_there == 6


def test_tokens_only_here_lag_or_are_on_another_bill() -> None:
    assert parts(line([HERE], [], None, today=DAY + 1)) == {"lag": -STANDARD}
    assert parts(line([HERE], [], {}, today=DAY + 9)) == {"not on this bill": -STANDARD}


def test_costs_behind_their_own_usage_lag_only_on_recent_days() -> None:
    half = cost(STANDARD // 2)
    assert parts(line([HERE], [THERE], half, today=DAY + 1)) == {"lag": STANDARD // 2 - STANDARD}
    assert parts(line([HERE], [THERE], half)) == {"other charges": STANDARD // 2 - STANDARD}
    none_yet = line([HERE], [THERE], {}, today=DAY)
    assert none_yet.costs is None and none_yet.gap == 0


def test_what_has_no_price_here_is_unpriced() -> None:
    dark = Here(DAY, "gpt-9", "standard", USAGE, 0, 3, unpriced=3)
    found = line([dark], [There(DAY, "gpt-9", "default", USAGE, 3)], cost(7, "gpt-9, output"))
    assert parts(found) == {"unpriced": 7} and found.gap == 7


def test_days_of_another_zone_are_a_cause_of_their_own() -> None:
    zoned = {(DAY, "gpt-5.5"): STANDARD // 4}
    found = line([HERE], [THERE], cost(STANDARD), by_zone=zoned)
    assert parts(found) == {"time zone": STANDARD - STANDARD // 4} and found.here == STANDARD // 4


def test_long_requests_cost_alike_on_both_sides() -> None:
    long = Usage(input=300_000)
    here = Here(DAY, "gpt-5.5", "standard", long, 300_000 * 10_000_000, 1)
    found = line([here], [There(DAY, "gpt-5.5", "default", long, 1)], cost(here.cost, "gpt-5.5, input"))
    assert parts(found) == {}


def test_charges_that_are_no_tokens_are_named_so() -> None:
    found = line([], [], cost(55, "web search tool calls"))
    assert (found.model, parts(found)) == ("web search tool calls", {"other charges": 55})


tokens = st.integers(0, 10**9)
usages = st.builds(
    lambda plain, cached, write, output: Usage(plain + cached + write, cached, write, output),
    *([tokens] * 4),
)
models = st.sampled_from(["gpt-5.5", "gpt-5.4-2026-03-05", "gpt-9"])
days = st.integers(DAY - 5, DAY)
heres = st.builds(
    Here, days, models, st.sampled_from(["fast", "standard", "flex"]), usages, tokens, st.just(2),
    st.integers(0, 1),
)  # fmt: skip
theres = st.builds(
    There,
    days,
    models,
    st.sampled_from(["default", "priority", "", "batch"]),
    usages,
    st.just(3),
    st.booleans(),
)
items = st.sampled_from(["gpt-5.5, input", "gpt-5.4-2026-03-05, output", "gpt-9, cached input", "storage"])
figures = st.dictionaries(st.tuples(days, items), st.integers(-(10**18), 10**18), max_size=6)


@given(
    st.lists(heres, max_size=6),
    st.lists(theres, max_size=6),
    st.none() | figures,
    st.dictionaries(st.tuples(days, models), tokens, max_size=4),
)
def test_the_parts_add_up_whatever_the_sides_say(
    here: list[Here], there: list[There], costs: Any, zoned: Any
) -> None:
    found = reconciled(BOOK, "openai", here=here, by_zone=zoned, there=there, costs=costs, today=DAY)
    for one in found:
        assert sum(one.parts.values()) == one.gap and set(one.parts) == set(CAUSES)
    assert sum(one.here for one in found) == sum(zoned.values())
    assert len({(one.day, one.model) for one in found}) == len(found)


def test_the_command_reads_the_ledger_and_the_providers_tables(
    database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    booking = replace(BOOKING, api_key="key_ours")
    route = replace(ROUTE, tier="standard", served_tier="default")
    Ledger(database).append(
        [entry("1", USAGE, booking=booking, route=route), entry("s", route=replace(ROUTE, simulated=True))]
    )
    start = DAY * 86_400_000_000
    with database.write() as connection:
        for key, tier in (("key_ours", "default"), ("key_else", "priority")):
            connection.execute(
                sa.insert(provider_usage).values(
                    provider="openai", start_us=start, end_us=start + 86_400_000_000,
                    model="gpt-5.5-2026-04-23", tier=tier, project="", api_key=key, requests=1, input=1000,
                    cached=400, cache_write=0, output=100, fetched_us=start,
                )
            )  # fmt: skip
        connection.execute(
            sa.insert(provider_costs).values(
                provider="openai", start_us=start, project="", line_item="gpt-5.5-2026-04-23, output",
                api_key="", currency="usd", picodollars=str(STANDARD + FAST), quantity="", quantity_unit="",
                fetched_us=start,
            )
        )  # fmt: skip
    day = date(2026, 11, 20).isoformat()
    for zone, shifted in (("UTC", 0), ("Pacific/Kiritimati", STANDARD)):  # noon UTC is the 21st there
        told = {"since": day, "until": day, "zone": zone}
        assert reconcile_command(database, BOOK, **told, as_json=True) == 0  # type: ignore[arg-type]
        [found] = json.loads(capsys.readouterr().out)
        assert found["parts"]["other_machines"] == "0.0155" and float(found["gap"]) > 0
        assert float(found["parts"]["time_zone"]) * 10**12 == shifted
    assert reconcile_command(database, BOOK, since=day, until=day, by_day=True) == 0
    heading, row, total = (text.split("\t") for text in capsys.readouterr().out.splitlines())
    assert heading[:3] == ["day", "model", "here"] and row[0] == day and total[0] == "total"
    assert dict(zip(heading, row, strict=True))["other machines"] == "$0.01550"


@pytest.mark.parametrize("width", [80, 100, 200])
def test_a_comparison_names_models_and_cuts_no_figure(
    width: int, database: Database, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    Ledger(database).append([entry("r")])
    start = AT_US // 86_400_000_000 * 86_400_000_000
    with database.write() as connection:
        for currency, line_item in (("usd", "gpt-5.5-2026-04-23, output"), ("eur", "web search")):
            connection.execute(
                sa.insert(provider_costs).values(
                    provider="openai", start_us=start, project="", line_item=line_item, api_key="",
                    currency=currency, picodollars=str(1234 * 10**12), quantity="", quantity_unit="",
                    fetched_us=start,
                )
            )  # fmt: skip
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("NO_COLOR", "1")
    assert reconcile_command(database, BOOK, since="2026-11-20", until="2026-11-20", by_day=True) == 0
    told = capsys.readouterr()
    text = re.sub(r"\x1b\[[0-9;]*m", "", told.out)
    assert max(map(len, text.splitlines())) <= width and "…" not in text
    for whole in ("2026-11-20", "gpt-5.5", "$0.01550", "$1,234.00", "$1,233.98", "other"):
        assert whole in text
    assert "1234 EUR" in told.err


def test_a_provider_that_was_never_asked_is_said(
    database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    assert reconcile_command(database, BOOK, since="1d") == 0
    assert "spend import --openai" in capsys.readouterr().err

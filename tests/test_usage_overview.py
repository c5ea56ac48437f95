"""The bill at a glance, on a terminal, as a picture and as data; allocation; pace."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, date, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from rich.console import Console

from hundredfold.budgets.pace import pace
from hundredfold.cli import bars
from hundredfold.cli.overview import print_overview
from hundredfold.cli.period import Period, period_of
from hundredfold.cli.spend import spend_command
from hundredfold.errors import ConfigError
from hundredfold.prices.book import load_book
from hundredfold.settings import AllocationRule, AllocationWhen
from hundredfold.store.database import Database, now_us
from hundredfold.usage.allocation import UNALLOCATED, Allocation
from hundredfold.usage.ledger import Ledger
from hundredfold.usage.overview import overview
from hundredfold.usage.spend import bill, bills
from hundredfold.usage.sums import Scope, Window
from hundredfold.vocabulary import Limit, Usage
from tests.support.ledgers import AT_US, BOOKING, ROUTE, entry, varied

BOOK = load_book()
DAY = 86_400_000_000
DOLLAR = 10**12
ONE = 600 * 12_500_000 + 400 * 1_250_000 + 100 * 75_000_000


def test_a_glance_has_every_day_today_and_the_burn_rate(database: Database) -> None:
    Ledger(database).append([entry(f"r{n}", at_us=AT_US - n * DAY) for n in (0, 1, 4)])
    found = overview(database, BOOK, scope=Scope(), window=Window(), today=date(2026, 11, 21))
    assert [(one.labels[0][-2:], one.requests) for one in found.days] == [
        ("16", 1), ("17", 0), ("18", 0), ("19", 1), ("20", 1), ("21", 0),
    ]  # fmt: skip
    assert found.today.labels == ("2026-11-21",) and found.today.requests == 0
    assert (found.burn, found.burn_days) == (3 * ONE // 5, 5)
    assert found.parts["model"][0].money.most == found.total.money.most == 3 * ONE


def test_the_terminal_shows_what_the_screenshot_shows(database: Database) -> None:
    usage = Usage(input=1_000_000, cached=900_000, output=10_000, reasoning=4_000)
    Ledger(database).append(
        [
            *(entry(f"r{n}", usage, at_us=AT_US - n * DAY) for n in range(30)),
            entry("dark\x1b", route=replace(ROUTE, model="un\x1bheard", served_model="")),
            entry("s", route=replace(ROUTE, simulated=True)),
        ]
    )
    window = Window(AT_US // DAY * DAY - 29 * DAY)
    found = overview(database, BOOK, scope=Scope(), window=window, today=date(2026, 11, 20))
    period = Period(window.since_us, AT_US + DAY, date(2026, 10, 22), date(2026, 11, 20), UTC)
    limits = [Limit("project:p", "month", 10 * DOLLAR), Limit("job:p/review", "day", 1000 * DOLLAR)]
    paces = [pace(one, 9 * DOLLAR, AT_US) for one in limits]
    for width in (60, 80, 118, 200):
        out = io.StringIO()
        print_overview(Console(file=out, width=width, color_system=None), found, period, "p", "list", paces)
        text = out.getvalue()
        assert max(map(len, text.splitlines())) <= width
        assert "\x1b" not in text
        for words in ("30 days to", "31 requests", "tokens", "models", "gpt-5.5-2026", "un�heard", "budgets"):
            assert words in text, (width, words)
        assert "$2.27 each" in " ".join(text.split()), "no figure is cut"
        assert "1 request is not in the price" in " ".join(text.split())
        assert "1 simulated request is" in " ".join(text.split())


def test_names_are_whole_where_there_is_room(database: Database) -> None:
    long = "claude-haiku-4-5-20251001"
    Ledger(database).append([entry("r"), entry("s", route=replace(ROUTE, model=long, served_model=""))])
    found = overview(database, BOOK, scope=Scope(), window=Window(), today=date(2026, 11, 20))
    period = Period(None, AT_US + DAY, None, date(2026, 11, 20), UTC)
    out = io.StringIO()
    console = Console(file=out, width=100, color_system=None)
    print_overview(console, found, period, "p", "list", (), ["and this"])
    text = out.getvalue()
    assert f" {long} " in text and " (unallocated) " in text and "and this" in text
    assert not [line for line in text.splitlines() if line.rstrip().endswith("■")]


@pytest.mark.parametrize("kind", ["png", "svg"])
def test_a_picture_is_written_and_is_the_same_each_time(
    database: Database, tmp_path: Path, kind: str
) -> None:
    Ledger(database).append([entry("r", route=replace(ROUTE, served_model="$\\frac{a}$")), entry("s")])
    made = []
    for n in range(2):
        file = tmp_path / f"{n}.{kind}"
        assert spend_command(database, BOOK, since="2026-11-18", until="2026-11-21", plot=file) == 0
        made.append(file.read_bytes())
    assert made[0] == made[1]
    assert made[0].startswith(b"\x89PNG") if kind == "png" else b"gpt-5.5-2026-04-23" in made[0]


def test_a_picture_of_no_known_kind_is_refused(database: Database, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="kind of picture"):
        spend_command(database, BOOK, since="ever", plot=tmp_path / "x.gif")


def test_csv_and_codexbar_agree_with_the_bill(database: Database, capsys: pytest.CaptureFixture[str]) -> None:
    now = now_us()
    other = replace(ROUTE, model="gpt-5.4", served_model="")
    hostile = replace(BOOKING, person='=cmd|"x"')
    Ledger(database).append(
        [entry("r", at_us=now), entry("s", at_us=now - 2 * DAY, route=other, booking=hostile)]
    )
    spend_command(database, BOOK, by=("day", "person"), as_csv=True)
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert sum(int(row["requests"]) for row in rows) == 2
    assert [row["person"] for row in rows] == ['\'=cmd|"x"', "Ada"]
    spend_command(database, BOOK, shape="codexbar")
    [provider] = json.loads(capsys.readouterr().out)
    assert provider["provider"] == "openai" and len(provider["daily"]) == 2
    assert provider["last30DaysTokens"] == 2 * 1100 and provider["sessionTokens"] == 1100
    assert provider["sessionCostUSD"] == pytest.approx(ONE / DOLLAR)
    assert provider["totals"]["cacheReadTokens"] == 800 and provider["totals"]["inputTokens"] == 1200
    spend_command(database, BOOK, as_json=True)
    found = json.loads(capsys.readouterr().out)
    assert found["overview"]["total"]["requests"] == 2 and len(found["overview"]["days"]) == 3


# ------------------------------------------------------------------ allocation


def rule(payer: str = "", cost_centre: str = "", person: str = "", **when: str) -> AllocationRule:
    patterns = AllocationWhen(**{name: (value,) for name, value in when.items()})
    return AllocationRule(when=patterns, payer=payer, cost_centre=cost_centre, person=person)


def test_the_first_rule_that_names_a_field_decides_it(database: Database) -> None:
    nobody = replace(BOOKING, person="", payer="", path="/home/ada/web", api_key="key_1", label="")
    Ledger(database).append(
        [
            entry("1", booking=nobody),
            entry("2", booking=replace(nobody, path="/srv/x", job="review")),
            entry("3", booking=replace(nobody, path="/tmp/y", job="review", api_key="key_9")),
        ]
    )
    shares = Allocation(
        (
            rule(payer="acme", person="Ada", path="/home/ada/*"),
            rule(payer="other", cost_centre="R&D", api_key="key_1"),
        )
    )

    def lines(name: str) -> dict[str, int]:
        found = bill(database, BOOK, by=(name,), allocation=shares)  # type: ignore[arg-type]
        assert sum(one.money.most for one in found.lines) == 3 * ONE
        return {one.labels[0]: one.requests for one in found.lines}

    assert lines("payer") == {"acme": 1, "other": 1, UNALLOCATED: 1}
    assert lines("cost_centre") == {"R&D": 2, UNALLOCATED: 1}
    assert lines("person") == {"Ada": 1, UNALLOCATED: 2}


def test_what_is_unallocated_is_a_line_even_if_it_is_nothing(database: Database) -> None:
    Ledger(database).append([entry("1")])
    found = bill(database, BOOK, by=("payer",))
    assert [(one.labels[0], one.requests) for one in found.lines] == [("acme", 1), (UNALLOCATED, 0)]


def test_what_an_employer_pays_has_a_list_price_and_is_not_billed(database: Database) -> None:
    Ledger(database).append([entry("1"), entry("2", booking=replace(BOOKING, payer="me"))])
    shares = Allocation(funding={"acme": "employer", "me": "own"})
    for by in ((), ("day",), ("payer",), ("model", "job")):
        total = bill(database, BOOK, by=by, allocation=shares).total
        assert (total.money.most, total.billed.most, total.billed.least) == (2 * ONE, ONE, ONE)
    by_payer = bill(database, BOOK, by=("payer",), allocation=shares)
    assert {one.labels[0]: one.billed.most for one in by_payer.lines} == {
        "acme": 0,
        "me": ONE,
        UNALLOCATED: 0,
    }


GROUPINGS = st.lists(
    st.sampled_from(
        ["day", "week", "month", "model", "tier", "job", "person", "payer", "cost_centre", "path"]
    ),
    max_size=4,
    unique=True,
)


@settings(max_examples=40, deadline=None)
@given(GROUPINGS, GROUPINGS)
def test_bills_of_one_reading_add_up_alike(
    tmp_path_factory: pytest.TempPathFactory, one: list[Any], other: list[Any]
) -> None:
    from hundredfold.store.database import open_database, sqlite_url

    folder = tmp_path_factory.getbasetemp() / "adding-up"
    known = folder.exists()
    database = open_database(sqlite_url(folder / "test.db"))
    if not known:
        Ledger(database).append(varied(300))
    shares = Allocation((rule(payer="x", job="a"), rule(cost_centre="y", person="B*")), {"x": "employer"})
    made = bills(database, BOOK, [one, other], allocation=shares)
    assert made[0].total == made[1].total
    for found in made:
        assert sum(line.money.most for line in found.lines) == found.total.money.most
        assert (
            sum(line.billed.most for line in found.lines) == found.total.billed.most < found.total.money.most
        )
        assert sum((line.usage for line in found.lines), Usage()) == found.total.usage
    database.close()


# ------------------------------------------------------------------ pace, periods, bars


def test_pace_says_where_it_leads() -> None:
    noon = int(datetime(2026, 11, 20, 12, tzinfo=UTC).timestamp()) * 1_000_000
    found = pace(Limit("project:p", "day", 10 * DOLLAR), 8 * DOLLAR, noon)
    assert (found.elapsed, found.projected, found.used) == (Fraction(1, 2), 16 * DOLLAR, Fraction(4, 5))
    assert found.runs_out_us == noon + 3 * 3600 * 1_000_000
    assert pace(Limit("x", "day", 10 * DOLLAR), 5 * DOLLAR, noon).runs_out_us is None
    month = pace(Limit("x", "month", 10 * DOLLAR), 0, noon)
    assert month.elapsed == Fraction(39, 60) and month.runs_out_us is None
    assert pace(Limit("x", "day", 0), 0, noon).used == 1
    with pytest.raises(ValueError, match="period"):
        pace(Limit("x", "ever", 1), 0, noon)


def test_a_period_ends_with_the_day_named() -> None:
    found = period_of("3d", "2026-11-20", "Europe/Vienna")
    assert found.since_us is not None
    assert found.until_us - found.since_us == 3 * DAY and found.first == date(2026, 11, 18)
    with pytest.raises(ConfigError, match="is before --since"):
        period_of("2026-11-21", "2026-11-20", "UTC")
    with pytest.raises(ConfigError, match="--until: 'tomorrow' is not a day"):
        period_of("3d", "tomorrow", "UTC")


@given(st.lists(st.integers(0, 10**18), min_size=1, max_size=40), st.integers(1, 10))
def test_columns_are_as_high_as_asked_and_show_what_is_there(values: list[int], height: int) -> None:
    rows = bars.columns(values, height)
    assert len(rows) == height and all(len(row) == len(values) for row in rows)
    for place, value in enumerate(values):
        assert (rows[-1][place] != " ") == (value > 0)


@given(st.lists(st.integers(0, 10**15), min_size=1, max_size=8), st.integers(0, 200))
def test_shares_of_a_bar_add_up(values: list[int], width: int) -> None:
    assert sum(bars.shares(values, width)) == (width if sum(values) else 0)

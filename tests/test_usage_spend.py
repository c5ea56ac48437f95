"""The bill: exact, real and simulated apart, unknown never free."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from msgspec.structs import replace

from hundredfold.cli.billforms import as_document, csv_text, plain
from hundredfold.cli.context import Where
from hundredfold.cli.export import export
from hundredfold.cli.period import since_start
from hundredfold.cli.spend import spend, spend_command
from hundredfold.cli.whatif import whatif
from hundredfold.errors import ConfigError, RepositoryError, StorageError
from hundredfold.prices.book import Cost, load_book
from hundredfold.store.database import Database, now_us, open_database, sqlite_url
from hundredfold.store.items import begin_run
from hundredfold.store.tables.work import attempts
from hundredfold.usage.ledger import Entry, Ledger
from hundredfold.usage.pricing import billed_tier
from hundredfold.usage.spend import GROUPINGS, bill, cost_of
from hundredfold.usage.wording import line_text
from hundredfold.vocabulary import Tier, Usage
from tests.support.ledgers import AT_US, BOOKING, ROUTE, entry, keep_attempts
from tests.support.repositories import RepositoryMaker

BOOK = load_book()
DAY = 86_400_000_000
ONE = 600 * 12_500_000 + 400 * 1_250_000 + 100 * 75_000_000


def some(seed: int, number: int) -> list[Entry]:
    """Requests of many models, tiers, sizes and days, on both sides of every threshold and price change."""
    dice = random.Random(seed)
    models = ["gpt-5.5", "gpt-5.4-2026-03-05", "gpt-5.6-sol", "gpt-5.3-codex", "gpt-6.2-sol", "unheard-of"]
    edges = [*BOOK.periods, AT_US]
    found = []
    for n in range(number):
        size = dice.choice([dice.randrange(3000), 100_000, 100_001, 272_000, 272_001, 900_000])
        cached = dice.choice([0, 0, size // 2])
        output = dice.randrange(3) * 100
        route = replace(
            ROUTE,
            model=dice.choice(models),
            served_model="",
            tier=dice.choice(get_args(Tier)),
            served_tier=dice.choice(["", "priority", "default", "flex"]),
        )
        at_us = dice.choice(edges) + dice.choice([-1, 0, 1]) + dice.randrange(3) * DAY
        usage = Usage(size, cached, 0, output, output // 2)
        found.append(entry(f"r{n}", usage, route=route, at_us=at_us))
    return found


@pytest.mark.parametrize("by", [(), ("day",), ("model", "tier"), ("tier", "day", "payer"), GROUPINGS])
def test_the_bill_is_the_sum_of_each_requests_price_however_it_is_grouped(
    database: Database, by: tuple[str, ...]
) -> None:
    rows = some(seed=len(by), number=400)
    ledger = Ledger(database)
    for start in range(0, len(rows), 37):  # how a batch is split changes nothing
        ledger.append(rows[start : start + 37])
    expected = unpriced = 0
    for row in rows:
        tier = billed_tier(row.route.tier, row.route.served_tier)
        cost = BOOK.cost(prices="openai", model=row.route.model, tier=tier, usage=row.usage, at_us=row.at_us)
        if isinstance(cost, Cost):
            expected += cost.picodollars
        else:
            unpriced += 1
    found = bill(database, BOOK, by=by)  # type: ignore[arg-type]
    assert found.total.money.least == found.total.money.most == expected
    assert found.total.money.unpriced == unpriced == sum(found.unpriced.values()) > 0
    assert found.total.usage == sum((row.usage for row in rows), Usage())
    assert sum(line.money.most for line in found.lines) == expected
    assert len({line.labels for line in found.lines}) == len(found.lines)


def test_sums_pass_what_sixty_four_bits_hold(database: Database) -> None:
    usage = Usage(input=10**12, output=10**12)
    Ledger(database).append([entry(f"r{n}", usage) for n in range(3)])
    total = bill(database, BOOK, by=()).total.money.most
    assert total == 3 * 10**12 * (10_000_000 + 45_000_000) > 2**63
    assert isinstance(total, int)


def test_simulated_and_real_money_are_never_in_one_figure(database: Database) -> None:
    simulated = replace(ROUTE, simulated=True)
    Ledger(database).append([entry("r"), entry("s1", route=simulated), entry("s2", route=simulated)])
    found = bill(database, BOOK, by=("model",))
    assert [(line.simulated, line.money.most) for line in found.lines] == [(False, ONE), (True, 2 * ONE)]
    assert found.total.money.most == ONE
    assert found.simulated_total is not None and found.simulated_total.money.most == 2 * ONE
    text = plain(found)
    assert all(line.startswith("SIMULATED") for line in text[3:]) and len(text) == 5


def test_only_requests_that_used_an_unpriced_kind_are_unpriced(database: Database) -> None:
    route = replace(ROUTE, model="gpt-6.2-sol", served_model="", tier="standard", served_tier="default")
    Ledger(database).append(
        [
            entry("plain", Usage(input=1000, output=10), route=route),
            entry("cached", Usage(input=1000, cached=1, output=10), route=route),
        ]
    )
    found = bill(database, BOOK, by=("model",))
    assert found.total.money.most == 1000 * 2_000_000 + 10 * 10_000_000
    assert found.total.money.unpriced == 1 and found.total.requests == 2
    assert list(found.unpriced.values()) == [1] and "cached" in next(iter(found.unpriced))
    assert "1 request is not in the price" in plain(found)[-1]


def test_the_served_tier_and_model_are_billed(database: Database) -> None:
    declined = replace(ROUTE, served_tier="default")
    Ledger(database).append([entry("fast"), entry("declined", route=declined)])
    found = {line.labels: line.money.most for line in bill(database, BOOK, by=("model", "tier")).lines}
    assert found == {
        ("gpt-5.5-2026-04-23", "fast"): ONE,
        ("gpt-5.5-2026-04-23", "standard"): 600 * 5_000_000 + 400 * 500_000 + 100 * 30_000_000,
    }


@pytest.mark.parametrize("status", ["cut", "unsettled"])
def test_an_uncertain_request_is_an_interval_that_holds_the_truth(database: Database, status: str) -> None:
    worst, floor = Usage(input=300_000, output=1000), Usage(input=1000, output=10)
    Ledger(database).append(
        [entry("r", worst, status=status, floor_input=floor.input, floor_output=floor.output)]
    )
    total = bill(database, BOOK, by=()).total
    assert (total.uncertain, total.requests, total.usage) == (1, 1, Usage())
    assert 0 < total.money.least < total.money.most
    for size in (1000, 271_999, 272_001, 300_000):
        for tier in ("fast", "standard"):
            usage = Usage(size, size // 2, 0, 500, 0)
            truth = BOOK.cost(prices="openai", model="gpt-5.5", tier=tier, usage=usage, at_us=AT_US)
            assert isinstance(truth, Cost)
            assert total.money.least <= truth.picodollars <= total.money.most


@pytest.mark.parametrize(("asked", "served"), [("fast", "default"), ("flex", "default"), ("batch", "")])
def test_a_cut_request_is_enclosed_at_the_tier_asked_for_and_at_the_one_its_beginning_named(
    database: Database, asked: Tier, served: str
) -> None:
    route = replace(ROUTE, tier=asked, served_tier=served)
    worst = Usage(input=20_000, output=1000)
    Ledger(database).append([entry("r", worst, status="cut", route=route, floor_input=0, floor_output=0)])
    money = bill(database, BOOK, by=()).total.money
    for tier in (asked, billed_tier(asked, served)):
        truth = BOOK.cost(prices="openai", model="gpt-5.5", tier=tier, usage=worst, at_us=AT_US)
        assert isinstance(truth, Cost)
        assert money.least <= truth.picodollars <= money.most


def test_an_uncertain_request_of_an_unknown_model_is_unpriced_not_an_interval(database: Database) -> None:
    dark = replace(ROUTE, model="unheard-of", served_model="")
    Ledger(database).append([entry("r", status="cut", route=dark)])
    money = bill(database, BOOK, by=()).total.money
    assert (money.least, money.most, money.unpriced) == (0, 0, 1) and money.unpriced_worst > 0


def test_errors_and_refusals_are_counted_and_cost_nothing(database: Database) -> None:
    Ledger(database).append([entry("e", Usage(), status="error"), entry("f", Usage(), status="refused")])
    total = bill(database, BOOK, by=()).total
    assert (total.requests, total.failed, total.money.most, total.money.unpriced) == (2, 2, 0, 0)


def test_days_are_those_of_the_zone(database: Database) -> None:
    evening = int(datetime(2026, 11, 20, 23, 30, tzinfo=UTC).timestamp()) * 1_000_000
    Ledger(database).append([entry("a", at_us=evening), entry("b", at_us=evening - DAY // 2)])
    for zone, days in (
        (UTC, ["2026-11-20"]),
        (ZoneInfo("Europe/Vienna"), ["2026-11-20", "2026-11-21"]),
        (ZoneInfo("Asia/Kathmandu"), ["2026-11-20", "2026-11-21"]),
        (ZoneInfo("America/Los_Angeles"), ["2026-11-20"]),
    ):
        found = bill(database, BOOK, by=("day",), zone=zone)
        assert [line.labels[0] for line in found.lines] == days
        assert found.total.money.most == 2 * ONE


def test_project_and_time_narrow_the_bill(database: Database) -> None:
    other = replace(BOOKING, project="q")
    Ledger(database).append([entry("1"), entry("2", booking=other), entry("3", at_us=AT_US - DAY)])
    assert bill(database, BOOK, by=(), project="p").total.requests == 2
    assert bill(database, BOOK, by=(), since_us=AT_US).total.requests == 2
    assert bill(database, BOOK, by=(), project="p", since_us=AT_US).total.requests == 1
    assert bill(database, BOOK, by=(), project="none").lines == ()


def test_attempts_and_items_carry_their_cost_and_imported_history_none(database: Database) -> None:
    keep_attempts(database, "a-1", "a-2", "a-3")
    Ledger(database).append([entry("1", attempt=1), entry("2", attempt=2), entry("3", attempt=2), entry("4")])
    costs = {line.labels[0]: line.money.most for line in cost_of(database, BOOK, ["a-1", "a-2", "a-3"])}
    assert costs == {"a-1": ONE, "a-2": 2 * ONE}
    assert cost_of(database, BOOK, []) == ()
    by_item = {line.labels[0]: line.requests for line in bill(database, BOOK, by=("item",)).lines}
    assert by_item == {"i-a-1": 1, "i-a-2": 2, "–": 1}


def test_json_keeps_real_and_simulated_apart_and_amounts_exact(
    database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    Ledger(database).append([entry("r"), entry("s", route=replace(ROUTE, simulated=True))])
    assert spend_command(database, BOOK, by=("model",), since="ever", as_json=True) == 0
    found = json.loads(capsys.readouterr().out)
    [line] = found["real"]["lines"]
    assert (line["model"], line["most"], line["requests"]) == ("gpt-5.5-2026-04-23", "0.0155", 1)
    assert found["simulated"]["total"]["requests"] == 1 and found["real"]["total"]["requests"] == 1


def test_names_from_outside_reach_the_terminal_without_control_characters(
    database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    Ledger(database).append([entry("r", route=replace(ROUTE, served_model="gpt\x1b[2J\t5"))])
    spend_command(database, BOOK, by=("model",), since="ever")
    out = capsys.readouterr().out
    assert "\x1b" not in out and all(
        line.count("\t") == out.splitlines()[0].count("\t") for line in out.splitlines() if line[0] != "#"
    )


def test_a_terminal_gets_tables_with_simulated_ones_marked(
    database: Database, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    Ledger(database).append([entry("r"), entry("s", status="cut", route=replace(ROUTE, simulated=True))])
    spend_command(database, BOOK, by=("day", "model"), since="ever")
    real, simulated = capsys.readouterr().out.split("SIMULATED: no money was spent")
    assert "$0.0155" in real and "List price by the tier served" in real
    assert "$0.00 … " in simulated and "1 simulated request ended" in simulated


def test_an_empty_ledger_is_a_bill_of_nothing(database: Database, capsys: pytest.CaptureFixture[str]) -> None:
    assert spend_command(database, BOOK) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("real\ttotal\t\t0\t")


def test_an_empty_bill_says_where_else_there_is_something(
    database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    def told(**options: str) -> str:
        assert spend_command(database, BOOK, **options) == 0  # type: ignore[arg-type]
        return capsys.readouterr().err

    assert "hundredfold spend import" in told()
    Ledger(database).append([entry("r"), entry("s")])
    day = datetime.fromtimestamp(AT_US / 1_000_000, UTC).date().isoformat()
    within = {"since": day, "until": day}
    assert not told(**within, project="p")
    assert "2 requests in other projects: --all-projects" in told(**within, project="q")
    assert "2 requests before or after these days" in told(
        since="2020-01-01", until="2020-01-01", project="p"
    )
    assert "on other days" in told(since="2020-01-01", until="2020-01-01", project="q")
    assert "Nothing was spent. " not in told(**within, run="r-none")


@pytest.mark.parametrize(
    "wrong",
    [
        {"days": 0},
        {"days": -3},
        {"json": True, "csv": True},
        {"csv": True, "shape": "codexbar"},
        {"run": "r-none"},
    ],
)
def test_options_that_ask_for_nothing_are_refused(
    make_repository: Callable[..., RepositoryMaker], wrong: dict[str, Any]
) -> None:
    repository = make_repository()
    repository.commit({"a.py": "x = 1\n"})
    with pytest.raises(ConfigError) as caught:
        spend(**wrong, where=Where(repo=repository.root))
    assert caught.value.mend


@pytest.mark.parametrize(
    ("text", "day"), [("1d", "2026-11-23"), ("30d", "2026-10-25"), ("2026-11-01", "2026-11-01")]
)
def test_since_names_the_first_day(text: str, day: str) -> None:
    now = datetime(2026, 11, 23, 15, 0, tzinfo=UTC)
    start = since_start(text, now)
    assert start == int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()) * 1_000_000
    assert since_start("ever", now) is None


@pytest.mark.parametrize(
    "wrong", [{"by": ("colour",)}, {"since": "yesterday"}, {"since": "d"}, {"zone": "Mars"}, {"zone": "../x"}]
)
def test_what_cannot_be_asked_is_refused(database: Database, wrong: dict[str, str]) -> None:
    with pytest.raises(ConfigError) as caught:
        spend_command(database, BOOK, **wrong)  # type: ignore[arg-type]
    assert caught.value.mend


def test_a_grouping_that_is_nearly_right_is_named(database: Database) -> None:
    with pytest.raises(ConfigError) as caught:
        spend_command(database, BOOK, by=("modell",))
    assert "'model'" in caught.value.mend


def test_one_run_is_billed_alone_and_in_words(database: Database) -> None:
    keep_attempts(database, "a-1", "a-2")
    begin_run(database, "n-1", "p", "Ada")
    with database.write() as connection:
        connection.execute(sa.update(attempts).where(attempts.c.id == "a-2").values(run="n-1"))
    Ledger(database).append([entry("1", attempt=1), entry("2", attempt=2)])
    assert line_text(bill(database, BOOK, by=(), run="n-1")) == "$0.01550, 1 request, 1.1 k tokens"
    assert line_text(bill(database, BOOK, by=(), run="n-2")) == ""


def test_the_command_bills_this_project_unless_all_are_asked_for(
    make_repository: Callable[..., RepositoryMaker], capsys: pytest.CaptureFixture[str]
) -> None:
    repository = make_repository()
    repository.commit({"a.py": "x = 1\n"})
    where = Where(repo=repository.root)
    context = where.open()
    mine = replace(BOOKING, project=context.place.slug)
    now = now_us()
    Ledger(context.database).append(
        [entry("1", booking=mine, at_us=now), entry("2", at_us=now), entry("3", booking=mine, at_us=10**15)]
    )
    context.database.close()
    counted = []
    for all_projects, days in ((False, 1), (True, 1), (False, 40_000)):
        assert spend(all_projects=all_projects, days=days, json=True, where=where) == 0
        counted.append(json.loads(capsys.readouterr().out)["real"]["total"]["requests"])
    assert counted == [1, 2, 2]


@pytest.mark.parametrize("zone", ["UTC", "Europe/Vienna"])
def test_what_is_dated_after_today_or_at_no_time_is_left_out_and_told(
    database: Database, zone: str, capsys: pytest.CaptureFixture[str]
) -> None:
    now, year = now_us(), 366 * 86_400_000_000
    first, last = -62_135_596_800_000_000, 253_402_300_799_000_000  # 0001-01-01 and 9999-12-31
    spoiled = [entry("early", at_us=first), entry("late", at_us=last)]
    Ledger(database).append([entry("1", at_us=now), entry("2", at_us=now + year), *spoiled])

    def told(**options: Any) -> tuple[int, list[str]]:
        assert spend_command(database, BOOK, zone=zone, as_json=True, **options) == 0
        out, err = capsys.readouterr()
        return json.loads(out)["real"]["total"]["requests"], err.splitlines()

    never = "# 2 requests dated before 2000 or after 2099, in no bill"
    ahead = datetime.fromtimestamp((now + year) / 1e6, UTC).year
    for since in ("30d", "ever"):
        requests, lines = told(since=since)
        assert requests == 1 and lines[1:] == [never]
        assert lines[0].startswith("# 1 request dated after today, ") and f"--until {ahead}-" in lines[0]
    assert told(since="ever", until=lines[0].split()[-3]) == (2, [never])
    for by in ((), ("week",), ("month",), ("item", "day")):
        for shape in ({"as_csv": True}, {"shape": "codexbar"}, {}):
            assert spend_command(database, BOOK, by=by, since="ever", zone=zone, **shape) == 0


def test_without_a_price_and_without_a_job_are_no_zero_and_no_dash_for_machines(
    sqlite_database: Database,
) -> None:
    outside = replace(BOOKING, job="")
    unknown = replace(ROUTE, model="unheard-of", served_model="")
    Ledger(sqlite_database).append([entry("1", booking=outside, route=unknown)])
    found = bill(sqlite_database, BOOK, by=("job",))
    assert [line.split("\t")[-2] for line in plain(found)[:3]] == ["list price", "unpriced", "unpriced"]
    assert as_document(found)["real"]["lines"][0]["job"] is None
    assert csv_text(found).splitlines()[1].startswith("real,,1,")


def test_the_bill_of_all_projects_needs_no_repository(
    tmp_path: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    opened = open_database(sqlite_url(home / "hundredfold.db"))
    Ledger(opened).append([entry("1", at_us=now_us())])
    opened.close()
    where = Where(repo=tmp_path)
    assert spend(all_projects=True, json=True, where=where) == 0
    assert json.loads(capsys.readouterr().out)["real"]["total"]["requests"] == 1
    assert whatif(all_projects=True, json=True, where=where) == 0
    assert export(tmp_path / "focus.csv", all_projects=True, where=where) == 0
    with pytest.raises(RepositoryError) as caught:
        spend(where=where)
    assert "--all-projects" in caught.value.mend
    with pytest.raises(RepositoryError):
        spend(all_projects=True, where=Where(repo=tmp_path / "typo"))


def test_a_file_that_is_no_database_is_said(tmp_path: Path, home: Path) -> None:
    home.mkdir(parents=True, exist_ok=True)
    (home / "hundredfold.db").write_bytes(b"this is no database at all " * 100)
    with pytest.raises(StorageError, match="not a database") as caught:
        spend(all_projects=True, where=Where(repo=tmp_path))
    assert "HUNDREDFOLD_DATABASE" in caught.value.mend

"""The FOCUS export: costs that add up to the bill, list cost without a billed one, nothing simulated."""

from __future__ import annotations

import csv
from decimal import Decimal
from pathlib import Path

import pytest
from msgspec.structs import replace

from hundredfold.cli.export import export_command
from hundredfold.errors import ConfigError
from hundredfold.prices.book import load_book
from hundredfold.store.database import Database
from hundredfold.usage.allocation import Allocation
from hundredfold.usage.focus import COLUMNS
from hundredfold.usage.ledger import Ledger
from hundredfold.usage.spend import bill
from hundredfold.vocabulary import Usage
from tests.support.ledgers import BOOKING, ROUTE, entry, keep_attempts, varied

BOOK = load_book()
DOLLAR = 10**12


def exported(
    database: Database, file: Path, allocation: Allocation | None = None, *, by_attempt: bool = True
) -> list[dict[str, str]]:
    export_command(database, BOOK, file, since="ever", allocation=allocation, by_attempt=by_attempt)
    with file.open(encoding="utf-8", newline="") as rows:
        reader = csv.DictReader(rows)
        assert tuple(reader.fieldnames or ()) == COLUMNS
        return list(reader)


@pytest.mark.parametrize("by_attempt", [True, False])
def test_costs_add_up_to_the_bill_to_the_picodollar(
    database: Database, tmp_path: Path, by_attempt: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    keep_attempts(database, "a-1", "a-2")
    settled = [one for one in varied(300) if one.status == "settled"]
    hour = Usage(5000, 100, 900, 70, 0, cache_write_1h=300)
    claude = replace(
        ROUTE, provider="anthropic", model="claude-opus-5", served_model="", served_tier="default"
    )
    Ledger(database).append([*settled, entry("msg_1", hour, route=claude, attempt=1)])
    rows = exported(database, tmp_path / "focus.csv", by_attempt=by_attempt)
    total = bill(database, BOOK, by=()).total
    assert sum(Decimal(row["ListCost"]) for row in rows) * DOLLAR == total.money.most
    assert sum(int(row["x_Requests"]) for row in rows) == total.requests - total.money.unpriced
    for row in rows:
        assert Decimal(row["ListUnitPrice"]) * Decimal(row["PricingQuantity"]) == Decimal(row["ListCost"])
        assert row["BilledCost"] == row["ListCost"]
    assert {row["x_Attempt"] for row in rows} == ({"", "a-1", "a-2"} if by_attempt else {""})
    kinds = {row["x_TokenKind"] for row in rows if row["ProviderName"] == "Anthropic"}
    assert kinds == {"input", "cached", "cache_write", "cache_write_1h", "output"}
    assert f"{total.money.unpriced} without a price" in capsys.readouterr().err


def test_what_an_employer_pays_is_listed_and_not_billed(database: Database, tmp_path: Path) -> None:
    Ledger(database).append([entry("1"), entry("2", booking=replace(BOOKING, payer="me"))])
    rows = exported(database, tmp_path / "focus.csv", Allocation(funding={"acme": "employer"}))
    funded = {row["x_Funding"]: row for row in rows if row["x_TokenKind"] == "output"}
    assert funded["employer"]["BilledCost"] == "0" and funded["employer"]["ListCost"] == "0.0075"
    assert funded["own"]["BilledCost"] == funded["own"]["ListCost"] == "0.0075"


def test_simulated_and_uncertain_requests_are_no_rows(
    database: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Ledger(database).append([entry("1", status="cut"), entry("2", route=replace(ROUTE, simulated=True))])
    assert exported(database, tmp_path / "focus.csv") == []
    said = capsys.readouterr().err
    assert "1 whose usage is not known" in said and "1 simulated" in said


def test_a_file_that_cannot_be_written_is_named(database: Database, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="can't be written"):
        export_command(database, BOOK, tmp_path / "none" / "focus.csv", since="ever")

"""The FOCUS export before the FinOps Foundation's own validator.

Writes an export of a ledger with every kind of request (tiers, long context, cache writes of both ages, an
employer's share, unallocated ones), has `focus-validator` check it against the rules of FOCUS 1.2 and counts
what passed and failed. The validator ends with 0 even where rules fail, so its report is read.

    ./dev exec python -m benchmarks.focus_export --validator VENV [--rows FILE]

VENV has `focus-validator==2.2.1` and `pyarrow<22`, and Python 3.12 or newer.
"""

from __future__ import annotations

import argparse
import csv
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from decimal import Decimal
from pathlib import Path

from msgspec.structs import replace

from hundredfold.cli.export import export_command
from hundredfold.prices.book import load_book
from hundredfold.settings import AllocationRule, AllocationWhen
from hundredfold.store.database import Database, open_database, sqlite_url
from hundredfold.usage.allocation import Allocation
from hundredfold.usage.ledger import Ledger
from hundredfold.usage.spend import bill
from hundredfold.vocabulary import Usage
from tests.support.ledgers import BOOKING, ROUTE, entry, keep_attempts, varied

#: what our provider of the data supports; the other criteria (regions, commitments, …) have nothing to say
CRITERIA = (
    *("ACCOUNT_NAMING_SUPPORTED", "MULTIPLE_BILLING_ACCOUNT_TYPES_SUPPORTED"),
    *("MULTIPLE_PRICING_CATEGORIES_SUPPORTED", "MULTIPLE_SUB_ACCOUNT_TYPES_SUPPORTED"),
    *("NEGOTIATED_PRICING_SUPPORTED", "PUBLIC_PRICE_LIST_SUPPORTED", "SUB_ACCOUNT_SUPPORTED"),
    *("TAGGING_SUPPORTED", "UNIT_PRICING_SUPPORTED", "USAGE_MEASUREMENT_SUPPORTED"),
)
#: null or not null, by whether there is an invoice: the validator checks both branches, and their OR
ALTERNATIVES = {"InvoiceId-C-005-C": "InvoiceId-C-003-C: OR passed"}
ALLOCATION = Allocation(
    (
        AllocationRule(when=AllocationWhen(job=("a",)), payer="employer", cost_centre="R&D"),
        AllocationRule(when=AllocationWhen(job=("b",)), payer="me"),
    ),
    {"employer": "employer", "me": "own"},
)


def filled(file: Path) -> Database:
    database = open_database(sqlite_url(file))
    keep_attempts(database, "a-1", "a-2")
    claude = replace(ROUTE, provider="anthropic", dialect="messages", model="claude-opus-5", served_model="")
    claude = replace(claude, tier="standard", served_tier="standard")
    wrote = Usage(40_000, 30_000, 6_000, 800, 0, cache_write_1h=2_000)
    nobody = replace(BOOKING, payer="", person="", job="other")
    Ledger(database).append(
        [
            *varied(2000, seed=5),
            *(entry(f"msg_{n}", wrote, route=claude, attempt=1) for n in range(40)),
            *(entry(f"nobody_{n}", booking=nobody) for n in range(5)),
        ]
    )
    return database


def check_sums(file: Path, database: Database) -> None:
    """The file's costs add up to the bill's, to the picodollar."""
    rows = list(csv.DictReader(file.open(encoding="utf-8")))
    total = bill(database, load_book(), by=(), since_us=0, allocation=ALLOCATION).total
    listed = sum((Decimal(row["ListCost"]) for row in rows), Decimal(0))
    uncertain = total.money.most - total.money.least
    assert total.uncertain and uncertain, "the fixture has intervals, which are no rows"
    settled = [row for row in rows if Decimal(row["ListCost"]) > 0]
    print(f"{len(rows):,} rows, list cost ${listed}, {len(settled):,} of them above 0")
    for row in rows:
        assert Decimal(row["ListUnitPrice"]) * Decimal(row["PricingQuantity"]) == Decimal(row["ListCost"])
        employer = row["x_Funding"] == "employer"
        assert Decimal(row["BilledCost"]) == (0 if employer else Decimal(row["ListCost"]))
    assert any(row["x_Funding"] == "employer" for row in rows)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--validator", type=Path, required=True)
    parser.add_argument("--rows", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        file = options.rows or Path(scratch) / "focus.csv"
        database = filled(Path(scratch) / "test.db")
        export_command(database, load_book(), file, since="ever", allocation=ALLOCATION)
        check_sums(file, database)
        database.close()
        # The validator looks for a file of its own below the folder it is started in.
        [site] = options.validator.resolve().glob("lib/python3*/site-packages")
        done = subprocess.run(
            [
                str(options.validator.resolve() / "bin" / "focus-validator"),
                "--data-file", str(file.resolve()),
                "--validate-version", "1.2", "--block-download", "--applicability-criteria",
                ",".join(CRITERIA), "--show-violations",
            ],
            cwd=site, capture_output=True, text=True, check=False, env={**os.environ, "COLUMNS": "250"},
        )  # fmt: skip
    output = done.stdout + done.stderr
    results = Counter(re.findall(r": (PASS|FAIL|SKIPPED)\b", output))
    failed = re.findall(r"(\S+): FAIL\b[^\n]*", output)
    unmet = [rule for rule in failed if not (rule in ALTERNATIVES and ALTERNATIVES[rule] in output)]
    print(f"| passed | {results['PASS']} |\n| not applicable | {results['SKIPPED']} |")
    print(f"| the other branch of a rule that passes | {', '.join(set(failed) - set(unmet)) or 'none'} |")
    print(f"| failed | {', '.join(unmet) or 'none'} |")
    if unmet or not results["PASS"]:
        print(output[-20_000:])
        sys.exit(1)


if __name__ == "__main__":
    main()

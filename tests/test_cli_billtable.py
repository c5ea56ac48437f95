"""The bill as a table: within the terminal's width, the sum and the price always there, nothing repeated."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from hundredfold.cli.billtable import bill_table
from hundredfold.usage.pricing import Money
from hundredfold.usage.spend import Line
from hundredfold.vocabulary import PICODOLLARS_PER_DOLLAR, Usage


def a_line(*labels: str, dollars: int = 3, above: int = 0, requests: int = 1234, unpriced: int = 0) -> Line:
    least = dollars * PICODOLLARS_PER_DOLLAR
    money = Money(least, least + above * PICODOLLARS_PER_DOLLAR, unpriced)
    usage = Usage(123_000_000, 117_000_000, 0, 400_000, 300_000)
    return Line(labels, False, requests, 7, 1 if above else 0, usage, money)


LINES = [
    a_line("2026-11-20", "gpt-5.5-2026-04-23", dollars=4000, above=1000),
    a_line("2026-11-20", "gpt-5.4", dollars=2500),
    a_line("2026-11-21", "gpt-5.4", dollars=10),
]
TOTAL = a_line(dollars=6510, above=1000)


def shown(lines: list[Line], width: int, by: tuple[str, ...] = ("day", "model")) -> list[str]:
    out = io.StringIO()
    console = Console(file=out, width=width, color_system=None)
    console.print(bill_table(by, lines, TOTAL, title="a bill", width=width, printable=str))
    return out.getvalue().splitlines()


@pytest.mark.parametrize("width", [60, 80, 100, 120, 200])
def test_the_table_fits_and_says_price_and_sum(width: int) -> None:
    rows = shown(LINES, width)
    assert max(map(len, rows)) <= width and len(rows) == 3 + len(LINES)
    assert "list price" in rows[1] and "$4,000.00 … $5,000.00" in rows[2]
    assert rows[-1].startswith("total") and "$6,510.00 … $7,510.00" in rows[-1]


def test_a_label_is_whole_before_further_figures_are_shown() -> None:
    rows = shown([a_line("(unallocated)", "(unallocated)")], 90, ("payer", "cost_centre"))
    assert rows[2].count("(unallocated)") == 2 and "requests" in rows[1]


def test_more_room_shows_more_columns_and_then_a_bar() -> None:
    narrow, wide = shown(LINES, 70), shown(LINES, 140)
    assert "input" not in narrow[1] and "95 %" in wide[2] and "failed" in wide[1]
    assert "█" not in "".join(narrow)
    bars = [row.count("█") for row in wide[2:5]]
    assert bars[0] > bars[1] > bars[2] == 0 and "░" in wide[2] and "░" not in wide[3]


def test_a_day_is_named_once_and_an_unpriced_column_only_where_there_is_one() -> None:
    rows = shown(LINES, 120)
    assert rows[3].startswith(" " * 10) and rows[4].startswith("2026-11-21")
    assert "unpriced" not in rows[1]
    assert "unpriced" in shown([*LINES, a_line("2026-11-21", "new", unpriced=5)], 120)[1]


def test_markup_in_a_name_is_text_and_a_long_name_is_cut() -> None:
    rows = shown([a_line("2026-11-20", "[red]x[/red]" + "y" * 300)], 80)
    assert "[red]x" in rows[2] and "…" in rows[2] and len(rows[2]) <= 80


@given(
    st.integers(60, 250),
    st.lists(st.tuples(st.text("abc", max_size=40), st.integers(0, 10**9)), min_size=1, max_size=5),
)
def test_no_bill_is_wider_than_the_terminal_or_loses_its_sum(
    width: int, named: list[tuple[str, int]]
) -> None:
    rows = shown([a_line(name, dollars=dollars) for name, dollars in named], width, by=("model",))
    assert all(len(row) <= width for row in rows) and "$6,510.00" in rows[-1]


def test_a_line_of_which_nothing_has_a_price_is_not_shown_as_free() -> None:
    rows = shown([a_line("new", dollars=0, requests=5, unpriced=5), a_line("gpt-5.4")], 100, ("model",))
    assert " unpriced " in rows[2] and "$3.00" in rows[3]

"""`--help` tells all of a command, in words that flow; tables keep their figures in a narrow terminal."""

from __future__ import annotations

from pathlib import Path

import pytest

from hundredfold.cli.helping import flowing, shown_default
from tests.support.program import hundredfold


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("publish",), "Exit codes: 0 all applied, 8 some could not be"),
        (("edit",), "Change an open proposal's title or body"),
        (("spend",), "project, job, item, attempt, agent, person, payer, cost-centre"),
        (("known", "find"), "A title, or a title and a body: the first line is the title"),
    ],
)
def test_help_tells_all_of_a_command_and_shows_no_empty_default(command: tuple[str, ...], said: str) -> None:
    shown = hundredfold(*command, "--help", COLUMNS="200")
    assert shown.code == 0, shown.err
    assert said in " ".join(shown.out.split())
    for empty in ("[default: ()]", '[default: ""]', "[default: False]", "ID_"):
        assert empty not in shown.out
    assert "--json" in shown.out


def test_a_docstrings_paragraphs_flow_and_its_parameters_stay() -> None:
    text = """Do it.

    One line
    and the next.

    Parameters
    ----------
    a
        What it is,
        in two lines.
    b
        Another.
    """
    assert flowing(text).split("\n") == [
        "Do it.", "", "One line and the next.", "", "Parameters", "----------",
        "a", "    What it is, in two lines.", "b", "    Another.",
    ]  # fmt: skip


def test_a_default_is_shown_where_it_says_something() -> None:
    given = (None, False, True, "", (), 10, "90d", ("job", "kind"), Path())
    assert [shown_default(one) for one in given] == [None] * 5 + ["10", "90d", "job, kind", "."]


def test_a_narrow_terminal_cuts_names_and_never_figures() -> None:
    from rich.console import Console
    from rich.table import Table

    from hundredfold.cli.output import counted, yielding

    table = Table(box=None)
    table.add_column("name")
    table.add_column("figure", no_wrap=True)
    table.add_row(yielding("a name that is much too long for this"), "1,234,567")
    out = Console(width=24, record=True, file=None, force_terminal=False)
    with out.capture() as got:
        out.print(table)
    line = got.get().splitlines()[1]
    assert "1,234,567" in line and "…" in line and len(got.get().splitlines()) == 2
    assert [counted(1, "item"), counted(1200, "item"), counted(2, "series", "series")] == [
        "1 item", "1,200 items", "2 series",
    ]  # fmt: skip

"""`hundredfold spend export`: the bill as a file for finance, in FOCUS 1.2."""

from __future__ import annotations

import csv
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

from cyclopts import Parameter

from hundredfold.cli.context import Where
from hundredfold.cli.output import counted, printable, say
from hundredfold.cli.period import beginning, period_of, told_misdated
from hundredfold.config import price_files
from hundredfold.errors import ConfigError

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from hundredfold.prices.book import PriceBook
    from hundredfold.store.database import Database
    from hundredfold.usage.allocation import Allocation
    from hundredfold.usage.focus import LeftOut


def export(
    file: Path = Path("-"),
    *,
    focus: bool = True,
    days: int = 30,
    since: str = "",
    until: str = "",
    daily: bool = False,
    all_projects: Annotated[bool, Parameter(negative=())] = False,
    where: Where = Where(),  # noqa: B008
) -> int:
    """Write the bill as CSV by the FinOps specification FOCUS 1.2.

    One row for each UTC day, model, tier, kind of token, booking and attempt; quantity times unit price is
    the cost. Columns of our own begin with x_. Real requests only.

    Parameters
    ----------
    file
        The file to write; - is standard output.
    focus
        The format; there is no other yet.
    days
        How many UTC days up to today.
    since
        The first day instead (2026-11-01), a number of days (30d), or "ever".
    until
        The last day (2026-11-20); default: today.
    daily
        No row for each attempt: fewer rows, x_Attempt is empty.
    all_projects
        All projects of the database, not only this one.
    """
    from hundredfold.prices.book import load_book
    from hundredfold.usage.allocation import allocation_of

    context = where.open_bill(all_projects=all_projects)
    return export_command(
        context.database,
        load_book(price_files(context.settings, context.place.root)),
        file,
        since=beginning(since, days),
        until=until,
        project=None if all_projects else context.place.slug,
        allocation=allocation_of(context.settings),
        by_attempt=not daily,
    )


def export_command(
    database: Database,
    book: PriceBook,
    file: Path,
    *,
    since: str = "30d",
    until: str = "",
    project: str | None = None,
    allocation: Allocation | None = None,
    by_attempt: bool = True,
) -> int:
    """Write the rows, and say on stderr what is not among them.

    Raises:
        ConfigError: no such day, or the file can't be written.
    """
    from hundredfold.usage.allocation import Allocation
    from hundredfold.usage.focus import COLUMNS, LeftOut, focus_rows
    from hundredfold.usage.sums import Scope, Window

    period = period_of(since, until, "UTC")
    told_misdated(database, project, period, until)
    left_out, count = LeftOut(), 0
    with _opened(file) as out, database.read() as connection:
        writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
        writer.writeheader()
        for row in focus_rows(
            connection,
            book,
            left_out,
            scope=Scope(project=project),
            window=Window(period.since_us, period.until_us),
            allocation=allocation or Allocation(),
            by_attempt=by_attempt,
        ):
            writer.writerow({name: printable(value) for name, value in row.items()})
            count += 1
    say(counted(count, "row") + ("" if str(file) == "-" else f" in {file}") + _said(left_out))
    return 0


def _opened(file: Path) -> AbstractContextManager[TextIO]:
    if str(file) == "-":
        return nullcontext(sys.stdout)
    try:
        return file.open("w", encoding="utf-8", newline="")
    except OSError as error:
        raise ConfigError(f"{file} can't be written: {error.strerror}", "Name another file.") from error


def _said(left_out: LeftOut) -> str:
    """What is not among the rows, in words."""
    parts = [
        f"{count:,} {why}"
        for count, why in (
            (left_out.unpriced, "without a price"),
            (left_out.uncertain, "whose usage is not known exactly"),
            (left_out.simulated, "simulated"),
        )
        if count
    ]
    return f"; not in it: requests {', '.join(parts)}" if parts else ""

"""`hundredfold spend`: the bill, from the ledger. Simulated requests are shown apart and marked."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, Parameter

from hundredfold.cli.billforms import (
    Basis,
    as_document,
    csv_text,
    notes,
    overview_document,
    plain,
)
from hundredfold.cli.context import Where
from hundredfold.cli.output import console, counted, print_json, printable, say
from hundredfold.cli.period import beginning, period_of, told_misdated
from hundredfold.config import price_files
from hundredfold.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hundredfold.budgets.pace import Pace
    from hundredfold.prices.book import PriceBook
    from hundredfold.store.database import Database
    from hundredfold.usage.allocation import Allocation
    from hundredfold.usage.overview import Overview
    from hundredfold.usage.spend import Bill, Grouping
    from hundredfold.usage.sums import Scope, Window
    from hundredfold.vocabulary import Limit

#: what machines get where nobody says what to group by
DEFAULT_BY: tuple[Grouping, ...] = ("day", "model")
Shape = Literal["own", "codexbar"]


def spend(
    *,
    by: Annotated[tuple[str, ...], Parameter(negative=())] = (),
    days: int = 30,
    since: str = "",
    until: str = "",
    run: str | None = None,
    zone: str = "UTC",
    basis: Basis = "list",
    all_projects: Annotated[bool, Parameter(negative=())] = False,
    json: bool = False,
    shape: Shape = "own",
    csv: bool = False,
    plot: Path | None = None,
    where: Where = Where(),  # noqa: B008
) -> int:
    """Print what was spent, at list price by the tier that was served.

    Without --by: the whole at a glance. With it: a table, one line for each combination.

    Parameters
    ----------
    by
        What to group by, in this order (repeat it, or with commas): day, week, month, provider, model, tier,
        project, job, item, attempt, agent, person, payer, cost-centre, path, api-key, label.
    days
        How many days up to today.
    since
        The first day instead (2026-11-01), a number of days (30d), or "ever".
    until
        The last day (2026-11-20); default: today.
    run
        Only what a run spent.
    zone
        The time zone of the days, like Europe/Vienna. Providers bill by UTC days.
    basis
        list: the list price. billed: what of it is billed here, nothing where an employer or a subscription
        pays ([payer.NAME] funding).
    all_projects
        All projects of the database, not only this one.
    json
        Print JSON; amounts are exact dollars, as text.
    shape
        The shape of the JSON: our own, or that of CodexBar's `cost --format json`.
    csv
        Print CSV; amounts are exact dollars.
    plot
        Draw the days and what they went to into this file instead: .png or .svg.
    """
    from hundredfold.fleet.routing import limits_by_period
    from hundredfold.prices.book import load_book
    from hundredfold.usage.allocation import allocation_of

    context = where.open_bill(all_projects=all_projects)
    if run:
        _known_run(context.database, run)
    return spend_command(
        context.database,
        load_book(price_files(context.settings, context.place.root)),
        by=by,
        since=beginning(since, days),
        until=until,
        project=None if all_projects else context.place.slug,
        run=run,
        zone=zone,
        basis=basis,
        allocation=allocation_of(context.settings),
        limits=() if all_projects or run else limits_by_period(context.settings, context.place.slug),
        title="all projects" if all_projects else context.settings.project.name or context.place.root.name,
        as_json=json,
        shape=shape,
        as_csv=csv,
        plot=plot,
    )


def spend_command(
    database: Database,
    book: PriceBook,
    *,
    by: Sequence[str] = (),
    since: str = "30d",
    until: str = "",
    project: str | None = None,
    run: str | None = None,
    zone: str = "UTC",
    basis: Basis = "list",
    allocation: Allocation | None = None,
    limits: Sequence[Limit] = (),
    title: str = "",
    as_json: bool = False,
    shape: Shape = "own",
    as_csv: bool = False,
    plot: Path | None = None,
) -> int:
    """Print the bill: at a glance or as a table on a terminal, tab-separated lines otherwise; or JSON, CSV or
    a picture.

    Raises:
        ConfigError: an unknown grouping, day or time zone; a picture of no known kind.
    """
    from hundredfold.usage.allocation import Allocation
    from hundredfold.usage.overview import overview
    from hundredfold.usage.spend import bill
    from hundredfold.usage.sums import Scope, Window

    if as_csv and (as_json or shape == "codexbar"):
        raise ConfigError("a bill is printed as JSON or as CSV, not as both", "Say --json or --csv.")
    period = period_of(since, until, zone)
    told_if_slow(database, book)
    if run is None:
        told_misdated(database, project, period, until)
    shares = allocation or Allocation()
    scope, window = Scope(project=project, run=run), Window(period.since_us, period.until_us)

    def billed(by: tuple[Grouping, ...]) -> Bill:
        return bill(
            database, book, by=by, project=project, run=run, since_us=period.since_us,
            until_us=period.until_us, zone=period.zone, allocation=shares,
        )  # fmt: skip

    def glance() -> Overview:
        return overview(
            database, book, scope=scope, window=window, today=period.last, zone=period.zone, allocation=shares
        )

    groupings = groupings_of(by)
    if plot is not None:
        return _draw(plot, glance(), billed(DEFAULT_BY), title, basis)
    if shape == "codexbar":
        from hundredfold.usage.codexbar import codexbar_document

        lines = [one for one in billed(("provider", "day", "model")).lines if not one.simulated]
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        print_json(codexbar_document(lines, period.last.isoformat(), now))
    elif as_json:
        found = as_document(billed(groupings or DEFAULT_BY))
        print_json(found if by else {**found, "overview": overview_document(glance())})
    elif as_csv:
        sys.stdout.write(csv_text(billed(groupings or DEFAULT_BY)))
    elif not sys.stdout.isatty():
        found_bill = billed(groupings or DEFAULT_BY)
        sys.stdout.write("".join(f"{line}\n" for line in plain(found_bill, basis)))
        if not found_bill.lines:
            say(f"# {_where_else(database, book, scope, window)}")
    elif by:
        found_bill = billed(groupings)
        _print_tables(found_bill, basis)
        if not found_bill.lines:
            say(f"# {_where_else(database, book, scope, window)}")
    else:
        from hundredfold.cli.overview import print_overview

        seen = glance()
        empty = [] if seen.total.requests else [_where_else(database, book, scope, window)]
        print_overview(console(), seen, period, title, basis, _paces(database, book, limits), empty)
    return 0


def _where_else(database: Database, book: PriceBook, scope: Scope, window: Window) -> str:
    """What to look at where a bill is empty: other days, other projects, or logs not yet read."""
    from hundredfold.usage.spend import bills
    from hundredfold.usage.sums import Scope, Window

    if scope.run:
        return "This run spent nothing in these days."
    for wider, days, there in (
        (scope, Window(), "before or after these days: --since ever"),
        (Scope(), window, "in other projects: --all-projects, --by project"),
        (Scope(), Window(), "in other projects, on other days: --all-projects --since ever"),
    ):
        [found] = bills(database, book, [()], scope=wider, window=days)
        if count := found.total.requests:
            return f"Nothing was spent here; the ledger has {counted(count, 'request')} {there}."
    return "Nothing was spent. `hundredfold spend import` reads the logs of Codex and Claude Code."


def _known_run(database: Database, run: str) -> None:
    """Refuse a run that there never was.

    Raises:
        ConfigError: so it is.
    """
    import sqlalchemy as sa

    from hundredfold.store.tables.work import runs

    with database.read() as connection:
        if connection.scalar(sa.select(runs.c.id).where(runs.c.id == run)) is None:
            raise ConfigError(
                f"there is no run {run!r}",
                "`hundredfold run` says the id of each; `hundredfold why ID` shows it.",
            )


def told_if_slow(database: Database, book: PriceBook, *, as_served: bool = True) -> None:
    """Have the ledger's sums know the book's thresholds (of the models served, or of all), or say how."""
    from hundredfold.usage.rollups import adopt
    from hundredfold.usage.sums import steps_of

    thresholds = book.thresholds
    if as_served:
        with database.read() as connection:
            thresholds = steps_of(connection, book).thresholds
    if not adopt(database, thresholds):
        say("The price book has new thresholds: `hundredfold spend rebuild` makes this fast again.")


def _paces(database: Database, book: PriceBook, limits: Sequence[Limit]) -> list[Pace]:
    from hundredfold.budgets.pace import pace
    from hundredfold.store.database import now_us
    from hundredfold.usage.ledger import Ledger

    ledger = Ledger(database)
    return [pace(one, ledger.spent(book, one), now_us()) for one in limits]


def _draw(file: Path, found: Overview, by_day: Bill, title: str, basis: Basis) -> int:
    from hundredfold.plots.bill import draw_bill
    from hundredfold.usage.figures import bill_figure

    first, last = found.days[0].labels[0], found.days[-1].labels[0]
    below = "list price by the tier served" if basis == "list" else "billed here"
    if lacking := sum(found.unpriced.values()):
        below += f" · no price for {counted(lacking, 'request')}, in no figure"
    real = [line for line in by_day.lines if not line.simulated]
    heading = f"What the fleet cost, {first} to {last}"
    draw_bill(
        file, bill_figure(found, real, heading, f"{printable(title or 'all projects')} · {below}", basis)
    )
    say(f"wrote {file}")
    return 0


def _print_tables(bill: Bill, basis: Basis) -> None:
    from hundredfold.cli.billtable import bill_table

    out = console()
    for simulated, total in ((False, bill.total), (True, bill.simulated_total)):
        if total is None or (not simulated and not total.requests and bill.simulated_total):
            continue
        title = "List price by the tier served" if basis == "list" else "Billed here, by the tier served"
        title = "SIMULATED: no money was spent" if simulated else title
        lines = [line for line in bill.lines if line.simulated == simulated]
        out.print(
            bill_table(bill.by, lines, total, title=title, width=out.width, printable=printable, basis=basis)
        )
    for note in notes(bill):
        out.print(note)


def groupings_of(by: Sequence[str]) -> tuple[Grouping, ...]:
    """The groupings that options name, each once.

    Raises:
        ConfigError: there is none of that name; the mend names a near one.
    """
    from difflib import get_close_matches

    from hundredfold.usage.spend import GROUPINGS

    known: dict[str, Grouping] = {one: one for one in GROUPINGS}
    wanted = [part.replace("-", "_") for one in by for part in one.split(",") if part]
    for name in wanted:
        if name not in known:
            near = get_close_matches(name, GROUPINGS, n=1, cutoff=0.5)
            mend = f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(GROUPINGS)}."
            raise ConfigError(f"the bill can't be grouped by {name!r}", mend)
    return tuple(known[name] for name in dict.fromkeys(wanted))


app = App(name="spend", default_parameter=Parameter(negative=()), help_format="plaintext")
app.default(spend)
app.command("hundredfold.cli.spend_import:import_command", name="import", help="Read logs into the ledger.")
app.command("hundredfold.cli.export:export", name="export", help="Write the bill for finance: FOCUS 1.2.")
app.command(
    "hundredfold.cli.rebuild:rebuild",
    name="rebuild",
    help="Compute the ledger's sums anew for new thresholds.",
)
app.command(
    "hundredfold.cli.reconcile:reconcile", name="reconcile", help="Why the provider's bill differs from this."
)

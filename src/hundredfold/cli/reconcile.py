"""`hundredfold spend reconcile`: the ledger beside the provider's own usage and costs, the gap explained."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from hundredfold.cli.context import Where
from hundredfold.cli.output import console, print_json, printable, say
from hundredfold.cli.period import beginning, period_of
from hundredfold.config import price_files

if TYPE_CHECKING:
    from rich.table import Table

    from hundredfold.prices.book import PriceBook
    from hundredfold.store.database import Database
    from hundredfold.usage.reconcile import Line

_EPOCH = date(1970, 1, 1).toordinal()


def reconcile(
    *,
    provider: str = "openai",
    days: int = 30,
    since: str = "",
    until: str = "",
    zone: str = "UTC",
    by_day: bool = False,
    json: bool = False,
    where: Where = Where(),  # noqa: B008
) -> int:
    """Compare the ledger with what the provider's usage and costs APIs say, per UTC day and model.

    The gap is split into causes that add up to it. `hundredfold spend import --openai` reads the other side.

    Parameters
    ----------
    provider
        Whose bill.
    days
        How many UTC days up to today.
    since
        The first day instead (2026-11-01), a number of days (30d), or "ever".
    until
        The last day (2026-11-20); default: today.
    zone
        The zone of the days that you compare with the provider's: what it shifts is a cause of its own.
    by_day
        A line for each day and model; otherwise one for each model.
    json
        Print JSON, by day and model; amounts are exact dollars, as text.
    """
    from hundredfold.prices.book import load_book

    context = where.open_bill(all_projects=True)
    return reconcile_command(
        context.database,
        load_book(price_files(context.settings, context.place.root)),
        provider=provider,
        since=beginning(since, days),
        until=until,
        zone=zone,
        by_day=by_day,
        as_json=json,
    )


def reconcile_command(
    database: Database,
    book: PriceBook,
    *,
    provider: str = "openai",
    since: str = "30d",
    until: str = "",
    zone: str = "UTC",
    by_day: bool = False,
    as_json: bool = False,
) -> int:
    """Print the comparison."""
    from hundredfold.cli.period import zone_of
    from hundredfold.prices.money import exact_text
    from hundredfold.usage.sides import other_currencies
    from hundredfold.usage.sides import reconcile as reconciled

    period = period_of(since, until, "UTC")
    today = datetime.now(UTC).date().toordinal() - _EPOCH
    first = 0 if period.first is None else period.first.toordinal() - _EPOCH
    lines = reconciled(
        database,
        book,
        provider,
        first=first,
        last=period.last.toordinal() - _EPOCH,
        today=today,
        zone=zone_of(zone),
    )
    for currency, amount in other_currencies(
        database, provider, first, period.last.toordinal() - _EPOCH
    ).items():
        say(
            f"not compared: {exact_text(amount)} {printable(currency.upper())} of costs; "
            "prices here are in dollars"
        )
    if as_json:
        print_json([_document(one) for one in lines])
        return 0
    if not any(one.requests_there or one.costs for one in lines):
        say(
            f"Nothing is known of {provider}'s own usage and costs in these days.\n"
            "  → `hundredfold spend import --openai` reads them; it takes an admin key of the organisation."
        )
        return 0
    rows = _rows(lines, by_day=by_day)
    if sys.stdout.isatty():
        _print_table(rows)
    else:
        sys.stdout.write("".join("\t".join(row) + "\n" for row in rows))
    return 0


def _document(one: Line) -> dict[str, Any]:
    from hundredfold.prices.money import exact_text

    return {
        "day": _day(one),
        "model": one.model,
        "here": exact_text(one.here),
        "usage": exact_text(one.usage),
        "costs": None if one.costs is None else exact_text(one.costs),
        "gap": exact_text(one.gap),
        "requests_here": one.requests_here,
        "requests_there": one.requests_there,
        "parts": {cause.replace(" ", "_"): exact_text(amount) for cause, amount in one.parts.items()},
    }


def _rows(lines: Sequence[Line], *, by_day: bool) -> list[tuple[str, ...]]:
    """A heading, a row for each day and model (or for each model), and the sum, as text."""
    from hundredfold.usage.reconcile import CAUSES

    groups: dict[tuple[str, ...], list[Line]] = {}
    for one in lines:
        groups.setdefault((_day(one), one.model) if by_day else (one.model,), []).append(one)
    labels = ("day", "model") if by_day else ("model",)
    rows = [(*labels, "here", "provider's usage", "provider's costs", "gap", *CAUSES)]
    rows += [
        (*(printable(one) or "(no model)" for one in key), *_figures(some)) for key, some in groups.items()
    ]
    total = ("total", "") if by_day else ("total",)
    rows.append((*total, *_figures(lines)))
    return rows


def _figures(lines: Sequence[Line]) -> tuple[str, ...]:
    from hundredfold.prices.money import dollars_text
    from hundredfold.usage.reconcile import CAUSES

    known = [one.costs for one in lines if one.costs is not None]
    sums = [sum(one.here for one in lines), sum(one.usage for one in lines)]
    gap = sum(one.gap for one in lines)
    parts = (sum(one.parts[cause] for one in lines) for cause in CAUSES)
    return (
        *map(dollars_text, sums),
        dollars_text(sum(known)) if known else "–",
        dollars_text(gap),
        *(dollars_text(part) if part else "" for part in parts),
    )


def _print_table(rows: Sequence[tuple[str, ...]]) -> None:
    from rich.measure import Measurement

    out = console()
    heading, *body = rows
    figures = heading.index("here")
    causes = [place for place in range(figures + 4, len(heading)) if any(row[place] for row in body)]
    wide = _table(heading, body, [*range(figures + 4), *causes], figures)
    if Measurement.get(out, out.options.update(width=10_000), wide).maximum <= out.width:
        out.print(wide)
    else:  # a cause a line, below what it explains
        out.print(_table(heading, _with_causes_below(heading, body, figures), range(figures + 4), figures))
    out.print(
        "The gap is the provider's costs (its usage where costs are not known) minus ours; its causes "
        "add up to it.",
        style="dim",
    )


def _with_causes_below(
    heading: tuple[str, ...], body: Sequence[tuple[str, ...]], figures: int
) -> list[tuple[str, ...]]:
    """The rows with a further one for each cause, its name among the labels, its amount below the gap."""
    end = figures + 4
    narrow = []
    for row in body:
        narrow.append(row[:end])
        for name, amount in zip(heading[end:], row[end:], strict=True):
            if amount:
                narrow.append((*[""] * (figures - 1), f"· {name}", "", "", "", amount))
    return narrow


def _table(
    heading: tuple[str, ...], body: Sequence[tuple[str, ...]], shown: Sequence[int], figures: int
) -> Table:
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0), title="The ledger beside the provider's own figures")
    table.pad_edge, table.title_justify, table.title_style = False, "left", "bold"
    for place in shown:
        table.add_column(
            heading[place].replace(" ", "\n") if place >= figures else heading[place],
            justify="right" if place >= figures else "left",
            no_wrap=True,
            vertical="bottom",
            style="bold" if heading[place] == "gap" else None,
        )
    for row in body:
        table.add_row(*(row[place] for place in shown))
    return table


def _day(one: Line) -> str:
    return date.fromordinal(_EPOCH + one.day).isoformat()

"""`hundredfold spend`: the bill, from the ledger. Simulated requests are shown apart and marked."""

from __future__ import annotations

import re
import sys
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from hundredfold.cli.context import Where
from hundredfold.cli.output import console, print_json
from hundredfold.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hundredfold.prices.book import PriceBook
    from hundredfold.store.database import Database
    from hundredfold.usage.spend import Bill, Grouping, Line

MOST_DAYS = 36_500


def spend(
    *,
    by: Annotated[tuple[str, ...], Parameter(negative=())] = ("day", "model"),
    days: int = 30,
    since: str = "",
    run: str | None = None,
    zone: str = "UTC",
    all_projects: Annotated[bool, Parameter(negative=())] = False,
    json: bool = False,
    where: Where = Where(),  # noqa: B008
) -> int:
    """Print what was spent, at list price by the tier that was served.

    Parameters
    ----------
    by
        What to group by, in this order (repeat it): day, model, tier, project, job, item, attempt, agent,
        person, payer.
    days
        How many days up to today.
    since
        The first day instead (2026-11-01), a number of days (30d), or "ever".
    run
        Only what a run spent.
    zone
        The time zone of the days, like Europe/Vienna. Providers bill by UTC days.
    all_projects
        All projects of the database, not only this one.
    json
        Print JSON; amounts are exact dollars, as text.
    """
    from hundredfold.prices.book import load_book

    context = where.open()
    return spend_command(
        context.database,
        load_book([context.place.root / file for file in context.settings.prices]),
        by=by,
        since=since or f"{days}d",
        project=None if all_projects else context.place.slug,
        run=run,
        zone=zone,
        as_json=json,
    )


def spend_command(
    database: Database,
    book: PriceBook,
    *,
    by: Sequence[str] = ("day", "model"),
    since: str = "30d",
    project: str | None = None,
    run: str | None = None,
    zone: str = "UTC",
    as_json: bool = False,
) -> int:
    """Print the bill: a table on a terminal, tab-separated lines otherwise, JSON if asked.

    Raises:
        ConfigError: an unknown grouping, day or time zone.
    """
    from hundredfold.usage.spend import bill

    days = _zone(zone)
    since_us = since_start(since, datetime.now(days))
    found = bill(database, book, by=_groupings(by), project=project, run=run, since_us=since_us, zone=days)
    if as_json:
        print_json(as_document(found))
    elif sys.stdout.isatty():
        _print_tables(found)
    else:
        sys.stdout.write("".join(f"{line}\n" for line in plain(found)))
    return 0


def since_start(text: str, now: datetime) -> int | None:
    """When the first day of the bill began, in UTC microseconds; None for "ever".

    Raises:
        ConfigError: neither a day, a number of days nor "ever".
    """
    if text == "ever":
        return None
    number = re.fullmatch(r"(\d{1,5})d", text)
    try:
        if number:
            first = now.date() - timedelta(days=min(int(number.group(1)) or 1, MOST_DAYS) - 1)
        else:
            first = date.fromisoformat(text)
        start = datetime(first.year, first.month, first.day, tzinfo=now.tzinfo)
        return int(start.timestamp()) * 1_000_000
    except (ValueError, OverflowError) as error:
        raise ConfigError(
            f"{text!r} is no first day of a bill", 'Write it like 2026-11-01, 30d or "ever".'
        ) from error


def as_document(bill: Bill) -> dict[str, Any]:
    """The bill for machines; real and simulated lines are apart."""
    return {
        "by": list(bill.by),
        "currency": "USD",
        "real": {
            "lines": [_line_document(bill, line) for line in bill.lines if not line.simulated],
            "total": _line_document(bill, bill.total),
        },
        "simulated": None
        if bill.simulated_total is None
        else {
            "lines": [_line_document(bill, line) for line in bill.lines if line.simulated],
            "total": _line_document(bill, bill.simulated_total),
        },
        "unpriced": bill.unpriced,
    }


def _line_document(bill: Bill, line: Line) -> dict[str, Any]:
    from hundredfold.prices.money import exact_text

    return {
        **dict(zip(bill.by, line.labels, strict=bool(line.labels))),
        "requests": line.requests,
        "failed": line.failed,
        "uncertain": line.uncertain,
        "input": line.usage.input,
        "cached": line.usage.cached,
        "cache_write": line.usage.cache_write,
        "output": line.usage.output,
        "reasoning": line.usage.reasoning,
        "least": exact_text(line.money.least),
        "most": exact_text(line.money.most),
        "unpriced": line.money.unpriced,
    }


FIGURES = ("requests", "input", "cached", "output", "reasoning", "list price", "unpriced")


def figures_of(line: Line) -> tuple[str, ...]:
    """A line's figures as text, in the order of `FIGURES`."""
    from hundredfold.prices.money import interval_text

    tokens = (line.usage.input, line.usage.cached, line.usage.output, line.usage.reasoning)
    counts = (f"{line.requests:,}", *(f"{one:,}" for one in tokens))
    return (*counts, interval_text(line.money.least, line.money.most), f"{line.money.unpriced:,}")


def plain(bill: Bill) -> list[str]:
    """The bill as tab-separated lines, with a heading and a sum for real and for simulated requests."""
    texts = ["\t".join(("kind", *bill.by, *FIGURES))]
    for simulated, total in ((False, bill.total), (True, bill.simulated_total)):
        if total is None:
            continue
        kind = "SIMULATED" if simulated else "real"
        texts += [
            "\t".join((kind, *map(_printable, line.labels), *figures_of(line)))
            for line in bill.lines
            if line.simulated == simulated
        ]
        texts.append(
            "\t".join((kind, *(["total"] + [""] * len(bill.by))[: len(bill.by)], *figures_of(total)))
        )
    return [*texts, *notes(bill)]


def notes(bill: Bill) -> list[str]:
    """What the figures leave out or do not know, in words."""
    found = []
    for line in (bill.total, bill.simulated_total):
        if line is not None and line.uncertain:
            found.append(
                f"# {line.uncertain:,} {'simulated ' if line.simulated else ''}requests ended without saying "
                "what they used: their tokens are not in the columns, their price is the interval."
            )
    found += [
        f"# {count:,} requests are not in the price: {_printable(why)}"
        for why, count in bill.unpriced.items()
    ]
    return found


def _print_tables(bill: Bill) -> None:
    from hundredfold.cli.billtable import bill_table

    out = console()
    for simulated, total in ((False, bill.total), (True, bill.simulated_total)):
        if total is None or (not simulated and not total.requests and bill.simulated_total):
            continue
        title = "SIMULATED: no money was spent" if simulated else "List price by the tier served"
        lines = [line for line in bill.lines if line.simulated == simulated]
        out.print(bill_table(bill.by, lines, total, title=title, width=out.width, printable=_printable))
    for note in notes(bill):
        out.print(note)


def _printable(text: str) -> str:
    """Names come from outside: no control character of theirs reaches the terminal."""
    return "".join(c if c.isprintable() else "\ufffd" for c in text)


def _groupings(by: Sequence[str]) -> tuple[Grouping, ...]:
    from difflib import get_close_matches

    from hundredfold.usage.spend import GROUPINGS

    known: dict[str, Grouping] = {one: one for one in GROUPINGS}
    wanted = [part for one in by for part in one.split(",") if part]
    for name in wanted:
        if name not in known:
            near = get_close_matches(name, GROUPINGS, n=1, cutoff=0.5)
            mend = f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(GROUPINGS)}."
            raise ConfigError(f"the bill can't be grouped by {name!r}", mend)
    return tuple(known[name] for name in dict.fromkeys(wanted))


def _zone(name: str) -> tzinfo:
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    if name.upper() == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ConfigError(
            f"there is no time zone {name!r}", "Write it like Europe/Vienna, or UTC."
        ) from error

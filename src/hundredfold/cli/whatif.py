"""`hundredfold whatif`: what the recorded traffic would cost another way."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from fractions import Fraction
from typing import TYPE_CHECKING, Annotated, Any, get_args

from cyclopts import Parameter

from hundredfold.cli.context import Where
from hundredfold.cli.output import console, print_json, printable
from hundredfold.cli.period import Period, beginning, period_of, told_misdated
from hundredfold.config import price_files
from hundredfold.errors import ConfigError
from hundredfold.vocabulary import Tier

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

    from hundredfold.prices.book import PriceBook
    from hundredfold.prices.scenario import Scenario
    from hundredfold.store.database import Database
    from hundredfold.usage.allocation import Allocation
    from hundredfold.usage.whatif import Compared, WhatIf

ASSUMED = (
    "The same requests and tokens, priced another way. A slower tier also lets the same agents do less in a "
    "month; what that is worth: `hundredfold worth`."
)


def whatif(
    *,
    tier: str = "",
    model: str = "",
    provider: str = "",
    multiple: str = "",
    prices_of: str = "",
    rule: Annotated[tuple[str, ...], Parameter(negative=())] = (),
    scenario: Annotated[tuple[str, ...], Parameter(negative=())] = (),
    fill: bool = False,
    by: Annotated[tuple[str, ...], Parameter(negative=())] = (),
    days: int = 30,
    since: str = "",
    until: str = "",
    zone: str = "UTC",
    all_projects: Annotated[bool, Parameter(negative=())] = False,
    json: bool = False,
    where: Where = Where(),  # noqa: B008
) -> int:
    """What the recorded traffic would cost at another tier, model or price.

    Without options: at every tier. Thresholds hold per request: long context pays the other model's long
    prices, and fast is not billed where it is not served.

    Parameters
    ----------
    tier
        Everything at this tier: fast, standard, flex or batch.
    model
        Everything on this model or snapshot.
    provider
        Whose prices, where several providers have the model.
    multiple
        Every price times this, like 0.5 or 2.22; rounded once per token price.
    prices_of
        The prices of that day, like 2026-08-01.
    rule
        Only what matches changes (repeat it): "job=security|dedupe: tier=flex", "tier=fast: multiple=2".
    scenario
        A scenario by name ("all" for every one): those shipped, each with its source.
    fill
        Charge kinds of input that the other model has no price for as plain input; else they are left out.
    by
        What to group by, as in `hundredfold spend`.
    days
        How many days up to today.
    since
        The first day instead (2026-11-01), a number of days (30d), or "ever".
    until
        The last day (2026-11-20); default: today.
    zone
        The time zone of the days.
    all_projects
        All projects of the database, not only this one.
    json
        Print JSON; amounts are exact dollars, as text.
    """
    from hundredfold.prices.book import load_book
    from hundredfold.usage.allocation import allocation_of

    context = where.open_bill(all_projects=all_projects)
    book = load_book(price_files(context.settings, context.place.root))
    change = {
        "tier": tier,
        "model": model,
        "provider": provider,
        "multiple": multiple,
        "prices_of": prices_of,
    }
    return whatif_command(
        context.database,
        book,
        scenarios_of(book, change, rule, scenario, fill=fill),
        by=by,
        since=beginning(since, days),
        until=until,
        zone=zone,
        project=None if all_projects else context.place.slug,
        allocation=allocation_of(context.settings),
        as_json=json,
    )


def scenarios_of(
    book: PriceBook, change: dict[str, str], rules: Sequence[str], names: Sequence[str], *, fill: bool
) -> list[Scenario]:
    """The scenarios that options name; every tier if they name none.

    Raises:
        ConfigError: an unknown tier, model, scenario, or a rule that can't be read.
    """
    from hundredfold.prices.scenario import Change, Rule, Scenario, change_of, rule_of

    found = _named(names, fill=fill)
    words = {name: value for name, value in change.items() if value}
    if words or rules:
        made = [Rule(change_of(book, **words))] if words else []
        made += [rule_of(book, text) for text in rules]
        title = ", ".join([*(f"{name.replace('_', ' ')} {value}" for name, value in words.items()), *rules])
        found.append(Scenario(title, tuple(made), fill=fill))
    if found:
        return found
    tiers: tuple[Tier, ...] = get_args(Tier)
    return [Scenario(f"all at {tier}", (Rule(Change(tier=tier)),), fill=fill) for tier in tiers]


def _named(names: Sequence[str], *, fill: bool) -> list[Scenario]:
    import difflib

    import msgspec

    if not names:
        return []
    from hundredfold.economics.scenarios import load_scenarios

    known = {one.name: one.transform for one in load_scenarios()}
    wanted = list(known) if "all" in names else list(names)
    for name in wanted:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
            mend = f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(known)}."
            raise ConfigError(f"there is no scenario {name!r}", mend)
    return [msgspec.structs.replace(known[name], fill=fill) for name in wanted]


def whatif_command(
    database: Database,
    book: PriceBook,
    scenarios: Sequence[Scenario],
    *,
    by: Sequence[str] = (),
    since: str = "30d",
    until: str = "",
    zone: str = "UTC",
    project: str | None = None,
    allocation: Allocation | None = None,
    as_json: bool = False,
) -> int:
    """Price the traffic in every scenario and print both sides."""
    from hundredfold.cli.spend import groupings_of, told_if_slow
    from hundredfold.usage.allocation import Allocation
    from hundredfold.usage.sums import Scope, Window
    from hundredfold.usage.whatif import what_if

    period = period_of(since, until, zone)
    told_if_slow(database, book, as_served=False)
    told_misdated(database, project, period, until)
    groupings = groupings_of(by)
    found = what_if(
        database,
        book,
        scenarios,
        by=groupings,
        scope=Scope(project=project),
        window=Window(period.since_us, period.until_us),
        zone=period.zone,
        allocation=allocation or Allocation(),
    )
    days = _length(period, database, project)
    if as_json:
        print_json([_document(one, groupings, days) for one in found])
    elif sys.stdout.isatty():
        _print_tables(found, groupings, days)
    else:
        sys.stdout.write("".join(f"{line}\n" for line in _plain(found, groupings, days)))
    return 0


def _length(period: Period, database: Database, project: str | None) -> Fraction:
    """How many days of traffic there are so far; without a beginning, since the first request."""
    from hundredfold.usage.dating import began_us

    now_us = int(datetime.now(UTC).timestamp() * 1_000_000)
    end = min(now_us, period.until_us)
    start = period.since_us
    if start is None:
        with database.read() as connection:
            start = began_us(connection, project)
    return Fraction(max(1, end - (end if start is None else start)), 86_400_000_000)


def _document(one: WhatIf, by: Sequence[str], days: Fraction) -> dict[str, Any]:
    from hundredfold.prices.money import exact_text

    def line(compared: Compared) -> dict[str, Any]:
        least, most = compared.saving
        paid = compared.requests - compared.failed
        return {
            **dict(zip(by, compared.labels, strict=bool(compared.labels))),
            "requests": compared.requests,
            "excluded": compared.excluded,
            "as_billed_least": exact_text(compared.before.least),
            "as_billed_most": exact_text(compared.before.most),
            "then_least": exact_text(compared.after.least),
            "then_most": exact_text(compared.after.most),
            "saving_least": exact_text(least),
            "saving_most": exact_text(most),
            "saving_per_request": exact_text(round(Fraction(least, paid))) if paid else None,
        }

    least, most = one.monthly(days)
    return {
        "scenario": one.scenario.name,
        "source": one.scenario.source,
        "date": one.scenario.date,
        "simulated": one.simulated,
        "lines": [line(compared) for compared in one.lines] if by else [],
        "total": line(one.total),
        "days": float(round(days, 3)),
        "saving_per_30_days_least": exact_text(least),
        "saving_per_30_days_most": exact_text(most),
        "excluded": one.excluded,
        "idle_rules": list(one.idle),
        "assumption": ASSUMED,
    }


_WIDEST_NAME = 34
_HEADINGS = ("requests", "as billed", "then", "saving", "%", "per request", "per 30 days", "left out")


def _row(compared: Compared, days: Fraction) -> tuple[str, ...]:
    """A line's figures as text, in the order of `_HEADINGS`."""
    from hundredfold.prices.money import dollars_text, interval_text

    least, most = compared.saving
    paid, factor = compared.requests - compared.failed, Fraction(30) / days
    if not compared.requests:  # none has a price on both sides: no figure is better than a nothing
        return ("0", *[""] * 6, f"{compared.excluded:,}" if compared.excluded else "")
    share = f"{round(Fraction(1000 * least, compared.before.least)) / 10}" if compared.before.least else ""
    return (
        f"{compared.requests:,}",
        interval_text(compared.before.least, compared.before.most),
        interval_text(compared.after.least, compared.after.most),
        interval_text(least, most),
        share,
        dollars_text(round(Fraction(least, paid))) if paid else "",
        dollars_text(round(least * factor)),
        f"{compared.excluded:,}" if compared.excluded else "",
    )


def _rows(found: Sequence[WhatIf], by: Sequence[str], days: Fraction) -> list[tuple[str, ...]]:
    rows = []
    for one in found:
        name = printable(one.scenario.name)
        for compared in one.lines if by else ():
            rows.append((name, *map(printable, compared.labels), *_row(compared, days)))
        rest = ["total", *[""] * len(by)][: len(by)]
        rows.append((name, *rest, *_row(one.total, days)))
    return rows


def _plain(found: Sequence[WhatIf], by: Sequence[str], days: Fraction) -> list[str]:
    """Tab-separated lines, simulated ones marked."""
    lines = ["\t".join(("kind", "scenario", *by, *_HEADINGS))]
    for simulated in (False, True):
        chosen = [one for one in found if one.simulated == simulated]
        kind = "SIMULATED" if simulated else "real"
        lines += ["\t".join((kind, *row)) for row in _rows(chosen, by, days)]
    return [*lines, *(f"# {note}" for note in _notes(found))]


def _print_tables(found: Sequence[WhatIf], by: Sequence[str], days: Fraction) -> None:
    out = console()
    for simulated in (False, True):
        chosen = [one for one in found if one.simulated == simulated]
        if any(one.total.requests or one.total.excluded for one in chosen) or (chosen and not simulated):
            title = "SIMULATED: no money was spent" if simulated else "What it would cost, at list prices"
            if not by:
                out.print(_table(title, ("scenario",), _rows(chosen, by, days), out.width))
                continue
            out.print(title, style="bold")
            out.print()
            for one in chosen:  # the names beside the figures need the room
                rows = [row[1:] for row in _rows([one], by, days)]
                out.print(_table(printable(one.scenario.name), by, rows, out.width))
                out.print()
    for note in _notes(found):
        out.print(note, style="dim")


def _table(title: str, names: Sequence[str], rows: Sequence[tuple[str, ...]], width: int) -> Table:
    """A table of rows that begin with values of `names`; a value like the one above it is not said again.
    Where there is no room for the names, figures go, the least telling first."""
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, title_justify="left", title_style="bold", box=None, padding=(0, 2, 0, 0))
    table.pad_edge = False
    empty = {place for place in range(len(rows[0])) if not any(row[place] for row in rows)}
    saving = len(names) + _HEADINGS.index("saving")
    headings = [*([name] for name in names), *(name.rsplit(" ", 1) for name in _HEADINGS)]
    wide = [
        max(*map(len, heading), *(len(row[place]) for row in rows)) for place, heading in enumerate(headings)
    ]
    wide[: len(names)] = [min(one, _WIDEST_NAME) for one in wide[: len(names)]]
    for name in ("per request", "%", "per 30 days", "requests"):
        if sum(one + 2 for place, one in enumerate(wide) if place not in empty) - 2 > width:
            empty.add(len(names) + _HEADINGS.index(name))
    for place, name in enumerate((*names, *_HEADINGS)):
        if place not in empty:
            figure = place >= len(names)
            table.add_column(
                "\n".join(name.rsplit(" ", 1)) if figure else name,
                vertical="bottom",
                justify="right" if figure else "left",
                no_wrap=figure,
                overflow="fold",
                max_width=None if figure else _WIDEST_NAME,
            )
    before = ""
    for row in rows:
        shown = ["" if place == 0 and one == before else one for place, one in enumerate(row)]
        style = "red" if row[saving].startswith("-") else "green"
        table.add_row(
            *(
                Text(one, style=style if place == saving else "")
                for place, one in enumerate(shown)
                if place not in empty
            )
        )
        before = row[0]
    return table


def _notes(found: Sequence[WhatIf]) -> list[str]:
    notes = [ASSUMED]
    scenarios_left_out: dict[str, list[str]] = {}
    for one in found:
        for reason, count in one.excluded.items():
            text = (
                f"{count:,} {'simulated ' if one.simulated else ''}requests are left out: {printable(reason)}"
            )
            scenarios_left_out.setdefault(text, []).append(printable(one.scenario.name))
    every = len({one.scenario.name for one in found})
    for text, names in scenarios_left_out.items():
        notes.append(f"{'everywhere' if len(names) == every > 1 else ', '.join(names)}: {text}")
    notes += [
        f"{printable(one.scenario.name)}: no request is of the rule {printable(rule)}"
        for one in found
        for rule in one.idle
    ]
    notes += [
        f"{printable(one.scenario.name)}: {one.scenario.source} ({one.scenario.date})"
        for one in found
        if one.scenario.source
    ]
    return list(dict.fromkeys(notes))

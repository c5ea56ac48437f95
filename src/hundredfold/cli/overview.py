"""The bill at a glance on a terminal: the total, today, a bar a day, what it went to, and budgets."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from hundredfold.cli import bars
from hundredfold.cli.billforms import Basis, money_of
from hundredfold.cli.output import counted, printable
from hundredfold.prices.money import dollars_text, interval_text
from hundredfold.usage.wording import percent_text, tokens_text

if TYPE_CHECKING:
    from hundredfold.budgets.pace import Pace
    from hundredfold.cli.period import Period
    from hundredfold.usage.overview import Overview
    from hundredfold.usage.spend import Grouping, Line

HEIGHT = 8
MOST_LINES = 6
WIDEST = 118
SIDE_BY_SIDE = 96
#: the width of "100.0 %"
PERCENT = 7
_TITLES: dict[str, str] = {"person": "people"}
#: kinds of token, in the order of the bar, with their colours
_KINDS = (
    ("cached input", "cyan"),
    ("fresh input", "blue"),
    ("cache writes", "magenta"),
    ("reasoning", "bright_yellow"),
    ("other output", "yellow"),
)


def print_overview(
    out: Console,
    found: Overview,
    period: Period,
    title: str,
    basis: Basis,
    paces: Sequence[Pace],
    notes: Sequence[str] = (),
) -> None:
    """Print it, as wide as the console is, within bounds; `notes` are further lines at the end."""
    width = min(out.width, WIDEST)
    blocks: list[RenderableType] = [_heading(found, period, title, basis), _figures(found, period, basis)]
    if len(found.days) > 1:
        blocks.append(_days(found, width, basis))
    if found.total.usage.input:
        blocks.append(_tokens(found, width))
    blocks += _parts(found, width, basis)
    if paces:
        blocks.append(_budgets(paces, width))
    if texts := [*_notes(found, basis), *notes]:
        blocks.append(Text("\n".join(texts), style="dim"))
    out.print(Group(*(Padding(block, (0, 0, 1, 1)) for block in blocks)), width=width)


def _heading(found: Overview, period: Period, title: str, basis: Basis) -> Text:
    text = Text()
    text.append(f"{_span(found, period)}", style="bold")
    text.append(f" · {printable(title or 'all projects')}")
    text.append(" · list price by the tier served" if basis == "list" else " · billed here", style="dim")
    text.append(f" · {period.zone}", style="dim")
    return text


def _span(found: Overview, period: Period) -> str:
    if period.first is None:
        return f"Everything since {found.days[0].labels[0]}"
    length = (period.last - period.first).days + 1
    return f"{length} days to {_day(period.last)}" if length > 1 else f"{_day(period.last)}"


def _figures(found: Overview, period: Period, basis: Basis) -> RenderableType:
    """The whole in one row, today and the burn rate in the next."""
    total, today = found.total, found.today
    money = money_of(total, basis)
    tokens = total.usage.input + total.usage.output
    last = "today" if today.labels[0] == _today(period) else today.labels[0]
    spent = tokens_text(today.usage.input + today.usage.output)
    whole = [
        (interval_text(money.least, money.most), "total", "bold green"),
        (
            counted(total.requests, "request"),
            f"{_each(money.least, total.requests - total.failed)} each",
            "bold",
        ),
        (f"{tokens_text(tokens)} tokens", f"{_each(money.least * 10**6, tokens)} a million", "bold"),
    ]
    parts = [(_amount(today, basis), f"{last}: {counted(today.requests, 'request')}, {spent} tokens", "bold")]
    if found.burn_days:
        text = f"{dollars_text(found.burn)} a day"
        parts.append((text, f"burn rate of the {found.burn_days} days before", "bold"))
        month = dollars_text(found.burn * 30)
        parts.append((f"{month} a month", "at that rate", "bold"))
    grid = Table.grid(padding=(0, 4, 0, 0))
    for _ in range(3):
        grid.add_column()  # where there is no room a cell takes two lines: figures are never cut
    for place, row in enumerate((whole, parts)):
        if place:
            grid.add_row()
        grid.add_row(*(Text(text, style=style) for text, _, style in row))
        grid.add_row(*(Text(text, style="dim") for _, text, _ in row))
    return grid


def _days(found: Overview, width: int, basis: Basis) -> Text:
    """A column a day, as many of the newest as fit, with the scale at the left."""
    room = width - 14
    days = found.days[-room:]
    each = max(1, min(3, room // len(days)))
    gap = 1 if each > 1 else 0
    values = [money_of(line, basis).most for line in days]
    most = max((*values, 1))
    text = Text()
    for number, row in enumerate(bars.columns(values, HEIGHT)):
        label = {0: most, HEIGHT // 2: most // 2}.get(number)
        text.append(f"{_short(label) if label is not None else '':>9} ", style="dim")
        text.append("┤" if label is not None else "│", style="dim")
        for place, cell in enumerate(row):
            newest = place == len(row) - 1
            text.append(cell * (each - gap), style="bright_cyan" if newest else "cyan")
            text.append(" " * gap)
        text.append("\n")
    text.append(" " * 10 + "└" + "─" * (each * len(days)) + "\n", style="dim")
    text.append(" " * 11 + _dates([line.labels[0] for line in days], each), style="dim")
    return text


def _dates(days: Sequence[str], each: int) -> str:
    """Dates below the columns, a week apart, counted back from the newest."""
    line = [" "] * (each * len(days) + 8)
    step = 7 if len(days) > 10 else 1 if each * 1 >= 7 else 3
    for place in range(len(days) - 1, -1, -step):
        day = date.fromisoformat(days[place])
        name = f"{day:%b} {day.day}"
        start = place * each
        if all(one == " " for one in line[max(0, start - 1) : start + len(name) + 1]):
            line[start : start + len(name)] = name
    return "".join(line).rstrip()


def _tokens(found: Overview, width: int) -> Text:
    """What kinds of token there were: one bar, and the figures."""
    usage = found.total.usage
    counts = [
        usage.cached,
        usage.input - usage.cached - usage.cache_write,
        usage.cache_write,
        usage.reasoning,
        usage.output - usage.reasoning,
    ]
    total = sum(counts)
    text = Text()
    text.append("tokens     ", style="dim")
    for (_, colour), size in zip(_KINDS, bars.shares(counts, width - 12), strict=True):
        text.append("█" * size, style=colour)
    place = width
    for (name, colour), count in zip(_KINDS, counts, strict=True):
        if not count:
            continue
        name = "output" if name == "other output" and not usage.reasoning else name
        figure, share = f"{name} {tokens_text(count)}", f" {percent_text(count, total)}"
        length = 2 + len(figure) + len(share)
        if place + 3 + length > width - 2:
            text.append("\n" + " " * 11)
            place = 11
        else:
            text.append("   ")
            place += 3
        text.append("■ ", style=colour).append(figure).append(share, style="dim")
        place += length
    return text


def _parts(found: Overview, width: int, basis: Basis) -> list[RenderableType]:
    """Small tables of what it went to, two beside each other where there is room; those that tell nothing
    (one line, and that unnamed) are left out."""
    names: list[Grouping] = ["model", "tier", "project", "job", "person", "payer", "agent"]
    shown = [name for name in names if any(_telling(one) for one in found.parts[name])]
    two = width >= SIDE_BY_SIDE
    each = (width - 4) // 2 if two else width - 1
    columns = _columns([one for name in shown for one in found.parts[name][:MOST_LINES]], each, basis)
    tables = [_part(name, found.parts[name], found.total, columns, basis) for name in shown]
    if not two:
        return list(tables)
    rows: list[RenderableType] = []
    for start in range(0, len(tables), 2):
        grid = Table.grid(padding=(0, 3, 0, 0))
        grid.add_column(width=each)
        grid.add_column(width=each)
        grid.add_row(*tables[start : start + 2])
        rows.append(grid)
    return rows


def _telling(line: Line) -> bool:
    return line.requests > 0 and line.labels[0] != "–"


def _columns(lines: Sequence[Line], width: int, basis: Basis) -> tuple[int, int, int]:
    """How wide names, amounts and bars are, the same in all small tables: a name goes before a long bar."""
    amount = max((len(_amount(one, basis)) for one in lines), default=0)
    amount = max(amount, len("unpriced"))
    room = width - amount - PERCENT - 6
    bar = min(12, max(4, room - max((len(one.labels[0]) for one in lines), default=0)))
    return max(10, room - bar), amount, bar


def _part(
    name: Grouping, lines: Sequence[Line], total: Line, columns: tuple[int, int, int], basis: Basis
) -> Table:
    rest = lines[MOST_LINES:]
    label, money, bar = columns
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(width=label, no_wrap=True, overflow="ellipsis")
    table.add_column(justify="right", no_wrap=True, width=money)
    table.add_column(justify="right", no_wrap=True, width=PERCENT)
    table.add_column(no_wrap=True, width=bar)
    table.add_row(Text(_TITLES.get(name, f"{name}s"), style="bold"))
    most = max((money_of(one, basis).most for one in lines), default=0)
    whole = money_of(total, basis).most
    for one in lines[:MOST_LINES]:
        amount = money_of(one, basis).most
        colour = "red" if one.labels[0].startswith("(") and one.requests else "cyan"
        table.add_row(
            Text(printable(one.labels[0])),
            _amount(one, basis),
            Text(percent_text(amount, whole) if amount else "", style="dim"),
            Text(bars.line(amount, most, bar), style=colour),
        )
    if rest:
        amount = sum(money_of(one, basis).most for one in rest)
        table.add_row(
            Text(f"{len(rest)} more", style="dim"),
            Text(dollars_text(amount), style="dim"),
            Text(percent_text(amount, whole), style="dim"),
        )
    return table


def _amount(line: Line, basis: Basis) -> str:
    money = money_of(line, basis)
    if money.unpriced and not money.most:
        return "unpriced"
    if money.most and not money.least:
        return f"≤ {dollars_text(money.most)}"
    return dollars_text(money.least) + ("+" if money.most > money.least else "")


def _budgets(paces: Sequence[Pace], width: int) -> Table:
    """Each limit: how much of it is spent beside how much of its period has passed, and where that leads."""
    table = Table.grid(padding=(0, 2, 0, 0))
    size = 20
    table.add_row(Text("budgets", style="bold"))
    for one in paces:
        ahead = one.projected > one.limit.picodollars
        colour = "red" if one.used >= 1 else "yellow" if ahead else "green"
        filled = min(size, int(one.used * size))
        mark = min(size - 1, int(one.elapsed * size))
        bar = Text()
        for place in range(size):
            bar.append("█" if place < filled else "░", style=colour)
        bar.stylize("reverse", mark, mark + 1)
        table.add_row(
            Text(f"{printable(_scope(one.limit.scope))} {one.limit.window}"),
            bar,
            f"{dollars_text(one.spent)} of {dollars_text(one.limit.picodollars)}",
            Text(f"{int(one.used * 100)} % used, {int(one.elapsed * 100)} % gone"),
            Text(_leads(one), style=colour),
        )
    return table


def _leads(pace: Pace) -> str:
    if pace.used >= 1:
        return "used up: requests are refused"
    if pace.runs_out_us is None:
        return f"on pace for {dollars_text(pace.projected)}"
    moment = datetime.fromtimestamp(pace.runs_out_us // 1_000_000, UTC)
    when = f"{moment:%H:%M} UTC" if pace.limit.window == "day" else f"{moment:%b} {moment.day}"
    return f"on pace for {dollars_text(pace.projected)}: used up {when}"


def _scope(scope: str) -> str:
    kind, _, name = scope.partition(":")
    return name.rpartition("/")[2] if kind == "job" else kind


def _notes(found: Overview, basis: Basis) -> list[str]:
    texts = []
    total = found.total
    if total.billed != total.money and basis == "list":
        texts.append(
            f"{dollars_text(total.billed.least)} of it is billed here; the rest is paid by an employer or a "
            "subscription (--basis billed)."
        )
    if total.uncertain:
        texts.append(
            f"{counted(total.uncertain, 'request')} ended without saying what was used: "
            "the price is an interval."
        )
    texts += [
        f"{counted(count, 'request is', 'requests are')} not in the price: {printable(why)}"
        for why, count in found.unpriced.items()
    ]
    if found.simulated:
        texts.append(
            f"{counted(found.simulated.requests, 'simulated request is', 'simulated requests are')} "
            "not in any figure here (--by model)."
        )
    return texts


def _each(amount: int, number: int) -> str:
    return dollars_text(amount // number) if number > 0 else "–"


def _short(amount: int) -> str:
    """An amount in few characters, for a scale: `$1.3 M`, `$19.9 k`, `$0.41`."""
    dollars = amount // 10**12
    for size, letter in ((10**6, "M"), (10**3, "k")):
        if dollars >= size:
            tenths = dollars * 10 // size
            return f"${tenths // 10}.{tenths % 10} {letter}"
    return dollars_text(amount)


def _day(day: date) -> str:
    return f"{day:%a} {day.isoformat()}"


def _today(period: Period) -> str:
    return datetime.now(period.zone).date().isoformat()

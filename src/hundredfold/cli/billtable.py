"""A bill as a table that fits the terminal: what does not fit is left out, the least telling column first.

Tokens are shortened and amounts are intervals where they must be; exact figures are in `--json`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from hundredfold.cli.billforms import Basis, money_of
from hundredfold.usage.wording import percent_text, price_text, tokens_text

if TYPE_CHECKING:
    from hundredfold.usage.pricing import Money
    from hundredfold.usage.spend import Line

GAP = 2
WIDEST_LABEL = 32
NARROWEST_LABEL = 10
#: columns of figures are left out sooner than a label of this length is cut
WHOLE_LABEL = 13
NARROWEST_BAR, WIDEST_BAR = 6, 24
PRICE, BILLED = "list price", "billed"


#: in the order they are shown; `_WORTH` says in which order they are given room
_COLUMNS: dict[str, Callable[[Line], str]] = {
    "requests": lambda line: f"{line.requests:,}",
    "failed": lambda line: f"{line.failed:,}" if line.failed else "",
    "input": lambda line: tokens_text(line.usage.input),
    "cached": lambda line: percent_text(line.usage.cached, line.usage.input, places=0),
    "output": lambda line: tokens_text(line.usage.output),
    "reasoning": lambda line: tokens_text(line.usage.reasoning),
    "unpriced": lambda line: f"{line.money.unpriced:,}" if line.money.unpriced else "",
    PRICE: lambda line: price_text(line.money),
    BILLED: lambda line: price_text(line.billed),
}
_WORTH = ("requests", "unpriced", "output", "input", "cached", "failed", "reasoning")


def bill_table(
    by: Sequence[str],
    lines: Sequence[Line],
    total: Line,
    *,
    title: str,
    width: int,
    printable: Callable[[str], str],
    basis: Basis = "list",
) -> Table:
    """The lines with their sum below, `width` columns wide at most; the labels go through `printable`.

    What is billed here has a column of its own where it is asked for or differs from the list price.
    """
    labels = [[printable(one) for one in line.labels] for line in lines]
    wide = [
        min(WIDEST_LABEL, max(len(row[position]) for row in (by, *labels, ["total"] * len(by))))
        for position in range(len(by))
    ]
    least = sum(min(WHOLE_LABEL, one) + GAP for one in wide)
    wanted = [PRICE]
    if basis == "billed" or any(line.billed != line.money for line in (*lines, total)):
        wanted.append(BILLED)
    shown = _fitting([*lines, total], width - least, wanted)
    figures = sum(size + GAP for size in shown.values())
    spare = width - figures - sum(one + GAP for one in wide)
    bar = min(WIDEST_BAR, spare) if spare >= NARROWEST_BAR and len(lines) > 1 else 0

    table = Table(title=title, title_justify="left", title_style="bold", box=None, padding=(0, GAP, 0, 0))
    table.pad_edge, table.show_footer = False, bool(by)
    for position, (name, size) in enumerate(zip(by, _squeezed(wide, width - figures), strict=True)):
        footer = "total" if position == 0 else ""
        table.add_column(name, footer=footer, width=size, no_wrap=True, overflow="ellipsis")
    for name, size in shown.items():
        table.add_column(name, footer=_COLUMNS[name](total), justify="right", no_wrap=True, width=size)
    if bar:
        table.add_column("", no_wrap=True, width=bar)
    most = max((money_of(line, basis).most for line in lines), default=0)
    before: list[str] = []
    for line, texts in zip(lines, labels, strict=True):
        cells = [Text(text) for text in _unrepeated(texts, before)]
        cells += [Text(_COLUMNS[name](line)) for name in shown]
        table.add_row(*cells, *([_bar(money_of(line, basis), most, bar)] if bar else []))
        before = texts
    return table


def _fitting(lines: Sequence[Line], room: int, wanted: Sequence[str]) -> dict[str, int]:
    """The columns that fit and tell something, with their widths, in the order they are shown; those wanted
    are always there."""
    sizes = {}
    for name in (*wanted, *_WORTH):
        texts = [_COLUMNS[name](line) for line in lines]
        size = max(len(name), *map(len, texts))
        if (any(texts) and room >= size + GAP) or name in wanted:
            sizes[name] = size
            room -= size + GAP
    return {name: sizes[name] for name in _COLUMNS if name in sizes}


def _squeezed(wide: Sequence[int], room: int) -> list[int]:
    """Label widths cut, the widest first, until they fit the room (or can't be cut further)."""
    sizes = list(wide)
    while sizes and sum(size + GAP for size in sizes) > room and max(sizes) > NARROWEST_LABEL:
        sizes[sizes.index(max(sizes))] -= 1
    return sizes


def _unrepeated(texts: Sequence[str], before: Sequence[str]) -> list[str]:
    """The labels without the leading ones that the line above has too; the last is always shown."""
    same = 0
    while same < len(texts) - 1 and same < len(before) and texts[same] == before[same]:
        same += 1
    return [""] * same + list(texts[same:])


def _bar(money: Money, most: int, width: int) -> Text:
    """What is sure as full blocks, what is an interval as light ones, in integer arithmetic."""
    if not most:
        return Text("")
    sure, may_be = (width * amount // most for amount in (money.least, money.most))
    return Text("█" * sure + "░" * (may_be - sure), style="cyan")

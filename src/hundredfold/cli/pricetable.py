"""Price rows as text: a table that fits the terminal, tab-separated lines, documents, and differences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from hundredfold.cli.output import console, printable
from hundredfold.prices.writing import day_of, per_million_text

if TYPE_CHECKING:
    from hundredfold.prices.rows import PriceRow

#: kinds of token with their headings
KINDS = (
    ("input", "input"),
    ("cached", "cached"),
    ("cache_write", "write 5 min"),
    ("cache_write_1h", "write 1 h"),
    ("output", "output"),
)


#: characters below which a source tells nothing
LEAST_SOURCE = 12


def rate_text(row: PriceRow, kind: str) -> str:
    """A kind's price in dollars per million tokens; "" if it is not known."""
    rate = getattr(row.rates, kind)
    return "" if rate is None else f"${per_million_text(rate)}"


def row_document(row: PriceRow) -> dict[str, Any]:
    """The row for machines."""
    return {
        "provider": row.provider,
        "model": row.model,
        "tier": row.tier,
        "since": day_of(row.since_us) if row.since_us else None,
        "over": row.over,
        "picodollars_per_token": {kind: getattr(row.rates, kind) for kind, _ in KINDS},
        "source": row.source,
    }


def plain_rows(rows: Sequence[PriceRow]) -> list[str]:
    """Tab-separated lines under a heading."""
    lines = [
        "\t".join(("provider", "model", "tier", "over", *(name for _, name in KINDS), "since", "source"))
    ]
    for row in rows:
        since = day_of(row.since_us) if row.since_us else ""
        rates = (rate_text(row, kind) for kind, _ in KINDS)
        cells = (row.provider, row.model, row.tier, str(row.over or ""), *rates, since, row.source)
        lines.append("\t".join(map(printable, cells)))
    return lines


def print_rows(rows: Sequence[PriceRow]) -> None:
    """A table as wide as the terminal."""
    from rich.table import Table
    from rich.text import Text

    out = console()
    table = Table(box=None, padding=(0, 2, 0, 0), title="Dollars per million tokens", title_justify="left")
    table.pad_edge, table.title_style = False, "bold"
    names = ("model", "tier", "above", *(name for _, name in KINDS), "since", "source")
    cells, before = list[tuple[str, ...]](), ("", "")
    for row in rows:
        own = (row.provider, row.model)
        if row.provider != before[0]:
            cells.append((printable(row.provider),))
        cells.append(
            (
                printable(row.model) if own != before else "",
                row.tier,
                f"{row.over:,}" if row.over else "",
                *(rate_text(row, kind) or "–" for kind, _ in KINDS),
                day_of(row.since_us) if row.since_us else "",
                printable(row.source),
            )
        )
        before = own
    # Figures are never cut: what is left of the width is the source's, and where nothing is, names are.
    headings = [name.replace("write ", "write\n") for name in names]
    wide = [
        max(len(text) for one in (headings, *cells) if place < len(one) for text in one[place].split("\n"))
        for place in range(len(names))
    ]
    wide[-1] = out.width - sum(wide[:-1]) - 2 * len(wide) + 2
    if wide[-1] < LEAST_SOURCE:
        wide[0] = max(8, wide[0] + min(0, wide.pop() + 2))
    for place, (name, width) in enumerate(zip(headings, wide, strict=False)):
        figure = 2 <= place < len(names) - 2
        table.add_column(
            name,
            justify="right" if figure else "left",
            width=width,
            no_wrap=True,
            overflow="ellipsis",
            vertical="bottom",
            style="dim" if place >= len(names) - 2 else None,
        )
    for one in cells:
        table.add_row(*(Text(text, style="bold" if len(one) == 1 else "") for text in one[: len(wide)]))
    out.print(table)
    out.print(
        "– is not known: requests that used it are unpriced. `hundredfold prices show MODEL` tells more."
    )


def difference_text(before: PriceRow, after: PriceRow) -> str:
    """What becomes different, kind by kind."""
    name = f"{after.provider} {after.model} {after.tier}" + (f" above {after.over:,}" if after.over else "")
    parts = [
        f"{kind.replace('_', ' ')} {rate_text(before, kind) or 'not known'} → {rate_text(after, kind)}"
        for kind, _ in KINDS
        if getattr(before.rates, kind) != getattr(after.rates, kind)
    ]
    return f"{name}: {', '.join(parts)}"

"""A bill as a picture: a column a day in parts, the whole in words, and what it went to."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from hundredfold.plots.style import FAINT, INK, SERIES, SOFT, bare, canvas, checked_kind, save, titled

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class Part(Struct, frozen=True):
    """One part of the whole: its name, its dollars on each of the days, its amount in words."""

    name: str
    days: tuple[float, ...]
    text: str


class Share(Struct, frozen=True):
    """A line of a side table: a name, its share of the whole from 0 to 1, its amount in words."""

    name: str
    share: float
    text: str


class BillFigure(Struct, frozen=True):
    """What the picture shows. Dollars are floats here: they are only drawn; the texts are exact."""

    title: str
    below: str
    days: tuple[date, ...]
    parts: tuple[Part, ...]
    figures: tuple[tuple[str, str], ...]
    shares: tuple[tuple[str, tuple[Share, ...]], ...]


def draw_bill(file: Path, shown: BillFigure) -> None:
    """Draw it into a .png or .svg file.

    Raises:
        ConfigError: an unknown ending, or the file can't be written.
    """
    checked_kind(file)
    figure = canvas(11.5, 6.6)
    titled(figure, shown.title, shown.below)
    for place, (value, name) in enumerate(shown.figures):
        x = 0.03 + place * 0.94 / max(4, len(shown.figures))
        figure.text(x, 0.815, value, fontsize=15, fontweight="bold", color=INK, parse_math=False)
        figure.text(x, 0.778, name, fontsize=8.5, color=SOFT, parse_math=False)
    _columns(figure.add_axes((0.065, 0.35, 0.91, 0.34)), shown)
    width = 0.94 / max(1, len(shown.shares))
    for place, (heading, lines) in enumerate(shown.shares):
        _shares(figure.add_axes((0.03 + place * width, 0.02, width - 0.025, 0.25)), heading, lines)
    save(figure, file)


def _columns(axes: Axes, shown: BillFigure) -> None:
    from matplotlib.ticker import FuncFormatter

    places = range(len(shown.days))
    foot = [0.0] * len(shown.days)
    for colour, part in zip(_colours(len(shown.parts)), shown.parts, strict=True):
        axes.bar(places, part.days, bottom=foot, width=0.72, color=colour, label=f"{part.name}  {part.text}")
        foot = [a + b for a, b in zip(foot, part.days, strict=True)]
    step = max(1, -(-len(shown.days) // 10))
    marked = [place for place in places if (len(shown.days) - 1 - place) % step == 0]
    axes.set_xticks(marked, [f"{shown.days[place]:%b} {shown.days[place].day}" for place in marked])
    axes.set_xlim(-0.7, len(shown.days) - 0.3)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _dollars(value)))
    if len(shown.parts) > 1:
        legend = axes.legend(loc="lower left", ncols=min(4, len(shown.parts)), bbox_to_anchor=(-0.01, 1.0))
        for text in legend.get_texts():
            text.set_parse_math(False)
            text.set_fontsize(8.5)


def _shares(axes: Axes, heading: str, lines: Sequence[Share]) -> None:
    bare(axes)
    axes.set_xlim(0, 1)
    axes.set_ylim(-0.2, 6.4)
    axes.text(0, 5.75, heading, fontsize=9.5, fontweight="bold", color=INK)
    for place, line in enumerate(lines[:5]):
        y = 4.75 - place
        axes.barh(y - 0.32, 1.0, height=0.14, color=FAINT)
        axes.barh(y - 0.32, line.share, height=0.14, color=SERIES[0])
        axes.text(0, y, _shortened(line.name), fontsize=8.5, va="center", parse_math=False)
        axes.text(1, y, line.text, fontsize=8.5, va="center", ha="right", color=SOFT, parse_math=False)


def _colours(number: int) -> list[str]:
    return [SERIES[place % len(SERIES)] for place in range(number)]


def _shortened(name: str) -> str:
    return name if len(name) <= 22 else f"{name[:21]}…"


def _dollars(value: float) -> str:
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"${value / size:,.3g} {letter}"
    return f"${value:,.3g}"

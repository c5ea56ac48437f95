"""Whether it paid, as a picture: three unit costs, what became of the work, how long it stands, what moves
the figure most, what the last agent adds, and what other readings of price would make of it."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from hundredfold.plots.style import (
    ACCENT,
    BAD,
    FAINT,
    GOOD,
    INK,
    PAPER,
    SERIES,
    SOFT,
    bare,
    canvas,
    checked_kind,
    save,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WAITING = "#c9d1d9"
#: the colour of each state
STATES = {
    "accepted": SERIES[4],
    "survived": GOOD,
    "reverted": BAD,
    "rejected": SERIES[1],
    "pending": WAITING,
    "unknown": FAINT,
}


class Card(Struct, frozen=True):
    """One unit cost: the figure, what it is for, and what it was divided by."""

    figure: str
    what: str
    of: str


class Swing(Struct, frozen=True):
    """One bar of a tornado, in dollars, with its input's range in words."""

    name: str
    low: float
    high: float
    text: str


class WorthFigure(Struct, frozen=True, kw_only=True):
    """What the picture shows. Dollars are floats here: they are only drawn; the texts are exact.

    `fates` counts outcomes by state; `stands` is a step curve of (days, share) with `held`, an interval at
    the horizon (days, low, high); `throughput` is (agents, attempts an hour) and `caps` what binds it;
    `readings` are (name, multiple of what was billed, basis).
    """

    title: str
    below: str
    mark: str
    cards: tuple[Card, ...]
    fates: tuple[tuple[str, int], ...]
    stands: tuple[tuple[float, float], ...] = ()
    held: tuple[float, float, float] | None = None
    stands_text: str = ""
    swings: tuple[Swing, ...] = ()
    swings_title: str = ""
    swings_base: float = 0.0
    throughput: tuple[tuple[int, float], ...] = ()
    caps: tuple[tuple[str, float], ...] = ()
    agents: int = 0
    readings: tuple[tuple[str, float, str], ...] = ()


def draw_worth(file: Path, shown: WorthFigure) -> None:
    """Draw the page into a .png or .svg file.

    Raises:
        ConfigError: an unknown ending, or the file can't be written.
    """
    checked_kind(file)
    figure = canvas(11.5, 10.6)
    figure.text(0.03, 0.967, shown.title, fontsize=15, fontweight="bold", parse_math=False)
    figure.text(0.03, 0.944, shown.below, fontsize=9.5, color=SOFT, parse_math=False)
    if shown.mark:
        figure.text(0.97, 0.967, shown.mark, fontsize=11, color=BAD, fontweight="bold", ha="right")
    for place, card in enumerate(shown.cards):
        x = 0.03 + place * 0.32
        figure.text(x, 0.893, card.figure, fontsize=18, fontweight="bold", parse_math=False)
        figure.text(x, 0.871, card.what, fontsize=9.5, color=INK, parse_math=False)
        figure.text(x, 0.853, card.of, fontsize=8, color=SOFT, parse_math=False)
    draw_fates(figure.add_axes((0.03, 0.765, 0.94, 0.06)), shown)
    draw_stands(figure.add_axes((0.065, 0.485, 0.40, 0.215)), shown)
    draw_throughput(figure.add_axes((0.56, 0.485, 0.41, 0.215)), shown)
    draw_swings(figure.add_axes((0.145, 0.075, 0.32, 0.325)), shown)
    draw_readings(figure.add_axes((0.72, 0.075, 0.25, 0.325)), shown)
    save(figure, file)


def panels(shown: WorthFigure) -> dict[str, str]:
    """Each part of the picture as SVG text of its own, for a page: by name, those that show something."""
    made = {}
    for name, draw, width, height, place in _PANELS:
        if not getattr(shown, name):
            continue
        figure = canvas(width, height)
        figure.set_facecolor("none")
        axes = figure.add_axes(place)
        axes.set_facecolor("none")
        draw(axes, shown)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": "hundredfold"})
        text = buffer.getvalue()
        made[name] = text[text.index("<svg") :]
    return made


def draw_fates(axes: Axes, shown: WorthFigure) -> None:
    """What became of everything that was opened: one bar, in parts."""
    bare(axes)
    total = sum(count for _, count in shown.fates)
    axes.set_xlim(0, max(total, 1))
    axes.set_ylim(-1.1, 1)
    foot = 0
    for name, count in shown.fates:
        if not count:
            continue
        axes.barh(0.3, count, left=foot, height=0.9, color=STATES[name], edgecolor=PAPER, linewidth=1.5)
        foot += count
    for place, (name, count) in enumerate((name, count) for name, count in shown.fates if count):
        x = place / 6 * max(total, 1)
        axes.scatter([x + 0.006 * max(total, 1)], [-0.8], s=32, color=STATES[name], marker="s", clip_on=False)
        axes.text(
            x + 0.018 * max(total, 1), -0.8, f"{count:,} {name}", va="center", fontsize=9, parse_math=False
        )
    if not total:
        axes.text(0, 0.2, "Nothing was brought about yet.", color=SOFT)


def draw_stands(axes: Axes, shown: WorthFigure) -> None:
    """The share of accepted work that stands, over days."""
    axes.set_title("How long accepted work stands", loc="left", fontsize=10.5, fontweight="bold")
    if not shown.stands:
        _empty(axes, "Nothing accepted was followed yet.")
        return
    days, shares = zip(*shown.stands, strict=True)
    if max(days) < 1:
        _empty(axes, "Nothing accepted was followed for a whole day yet.")
        return
    axes.step(days, shares, where="post", color=ACCENT, linewidth=2)
    if shown.held:
        at, low, high = shown.held
        axes.plot([at, at], [low, high], color=INK, linewidth=1.4, solid_capstyle="round")
        for end in (low, high):
            axes.plot([at - max(days) * 0.012, at + max(days) * 0.012], [end, end], color=INK, linewidth=1.4)
    axes.set_ylim(0, 1.04)
    axes.set_xlim(0, max(max(days), shown.held[0] if shown.held else 0) * 1.04 or 1)
    axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f} %")
    axes.set_xlabel(f"days since accepted · {shown.stands_text}", fontsize=8, loc="left")


def draw_throughput(axes: Axes, shown: WorthFigure) -> None:
    """What more agents do, and what holds them back."""
    axes.set_title("What one more agent adds", loc="left", fontsize=10.5, fontweight="bold")
    if not shown.throughput:
        _empty(axes, "No attempt ended yet: nothing is measured.")
        return
    agents, rates = zip(*shown.throughput, strict=True)
    top = max(rates) * 1.45 or 1.0
    axes.plot(agents, rates, color=ACCENT, linewidth=2)
    for place, (name, rate) in enumerate(one for one in shown.caps if one[1] <= top):
        colour = (BAD, SERIES[1], SERIES[3])[place % 3]
        axes.axhline(rate, color=colour, linewidth=1.2, linestyle=(0, (4, 3)))
        axes.text(
            max(agents),
            rate + top * 0.02,
            f"{name}: {rate:,.1f} an hour",
            ha="right",
            fontsize=8.5,
            color=colour,
        )
    now = min(range(len(agents)), key=lambda place: abs(agents[place] - shown.agents))
    axes.scatter([agents[now]], [rates[now]], color=INK, zorder=5, s=30)
    axes.annotate(
        f"{shown.agents} agents", (agents[now], rates[now]), xytext=(0, -14), textcoords="offset points",
        fontsize=8.5, ha="center",
    )  # fmt: skip
    axes.set_ylim(0, top)
    axes.set_xlim(0, max(agents))
    axes.set_xlabel("agents · attempts an hour", fontsize=8, loc="left")


def draw_swings(axes: Axes, shown: WorthFigure) -> None:
    """The tornado: the figure at each input's low and high end."""
    axes.set_title(
        shown.swings_title or "What moves it most", loc="left", fontsize=10.5, fontweight="bold", x=-0.36
    )
    if not shown.swings:
        _empty(axes, "Nothing is decided yet: nothing to move.")
        return
    axes.grid(visible=True, axis="x")
    axes.grid(visible=False, axis="y")
    for place, one in enumerate(shown.swings):
        y = len(shown.swings) - place
        for end in (one.low, one.high):
            axes.barh(y, end - shown.swings_base, left=shown.swings_base, height=0.5, color=ACCENT)
        axes.text(
            -0.02, y, one.name, transform=axes.get_yaxis_transform(), ha="right", va="bottom", fontsize=8.5
        )
        axes.text(
            -0.02, y, one.text, transform=axes.get_yaxis_transform(), ha="right", va="top", fontsize=7.5,
            color=SOFT, parse_math=False,
        )  # fmt: skip
    axes.axvline(shown.swings_base, color=INK, linewidth=1.2)
    axes.set_yticks([])
    axes.locator_params(axis="x", nbins=4)  # amounts are long
    axes.set_ylim(min(0.4, len(shown.swings) - 4.6), len(shown.swings) + 0.7)
    axes.xaxis.set_major_formatter(lambda value, _: f"−${-value:,.0f}" if value < 0 else f"${value:,.0f}")


def draw_readings(axes: Axes, shown: WorthFigure) -> None:
    """The same requests under other readings of price, as multiples of what was billed."""
    axes.set_title(
        "The same requests, priced otherwise", loc="left", fontsize=10.5, fontweight="bold", x=-0.88
    )
    if not shown.readings:
        _empty(axes, "Nothing was billed yet.")
        return
    axes.grid(visible=True, axis="x")
    axes.grid(visible=False, axis="y")
    for place, (name, times, basis) in enumerate(shown.readings):
        y = len(shown.readings) - place
        sure = basis == "list"
        axes.plot([1, times], [y, y], color=FAINT if not sure else WAITING, linewidth=2.5, zorder=1)
        axes.scatter([times], [y], s=26, color=ACCENT if sure else PAPER, edgecolor=ACCENT, zorder=3)
        axes.text(-0.03, y, name, transform=axes.get_yaxis_transform(), ha="right", va="center", fontsize=7.8,
                  parse_math=False)  # fmt: skip
    axes.axvline(1, color=INK, linewidth=1.1)
    axes.set_xscale("log")
    axes.set_yticks([])
    axes.set_ylim(0.3, len(shown.readings) + 0.7)
    axes.xaxis.set_major_formatter(lambda value, _: f"×{value:g}")
    axes.xaxis.set_minor_formatter(lambda value, _: "")
    axes.set_xlabel("× of what was billed · filled: a published list price", fontsize=8, loc="right")


def _empty(axes: Axes, text: str) -> None:
    bare(axes)
    axes.text(0, 0.7, text, transform=axes.transAxes, color=SOFT, fontsize=9)


Place = tuple[float, float, float, float]
_PANELS: tuple[tuple[str, Callable[[Axes, WorthFigure], None], float, float, Place], ...] = (
    ("fates", draw_fates, 10.4, 0.75, (0.0, 0.0, 1.0, 1.0)),
    ("stands", draw_stands, 5.1, 3.0, (0.10, 0.17, 0.87, 0.70)),
    ("throughput", draw_throughput, 5.1, 3.0, (0.10, 0.17, 0.87, 0.70)),
    ("swings", draw_swings, 5.1, 4.0, (0.30, 0.08, 0.67, 0.82)),
    ("readings", draw_readings, 5.1, 4.6, (0.48, 0.10, 0.49, 0.82)),
)

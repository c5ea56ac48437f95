"""Benchmark series around a step: each measurement a dot, the levels on both sides as lines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from msgspec import Struct

from hundredfold.plots.style import ACCENT, BAD, INK, SOFT, canvas, png, titled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SIZES = {
    "ns": ((1e9, "s"), (1e6, "ms"), (1e3, "µs"), (1.0, "ns")),
    "B": ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1.0, "B")),
}
MAX_TITLE = 70


class Panel(Struct, frozen=True):
    """One series: its values in order of time, where it steps, and the medians on both sides."""

    name: str
    unit: str
    values: tuple[float, ...]
    at: int
    before: float
    after: float


def stepped_png(title: str, panels: Sequence[Panel]) -> bytes:
    """A picture of one to four series, as PNG."""
    return png(stepped(title, panels))


def stepped(title: str, panels: Sequence[Panel]) -> Figure:
    """A picture of one to four series, the first the largest step."""
    assert panels
    columns = 1 if len(panels) == 1 else 2
    rows = -(-len(panels) // columns)
    figure = canvas(10.0, 2.2 + 2.6 * rows)
    high = 2.2 + 2.6 * rows
    figure.subplots_adjust(top=1 - 1.15 / high, bottom=0.6 / high, hspace=0.55, wspace=0.2)
    shortened = title if len(title) <= MAX_TITLE else f"{title[: MAX_TITLE - 1]}…"
    titled(figure, shortened, "each dot a measurement, oldest at the left; lines are medians")
    for number, panel in enumerate(panels, 1):
        _draw(figure.add_subplot(rows, columns, number), panel)
    return figure


def _draw(axes: Axes, panel: Panel) -> None:
    size, unit = _scale(panel)
    values = [value / size for value in panel.values]
    end = len(values)
    axes.scatter(range(panel.at), values[: panel.at], s=9, color=ACCENT, alpha=0.55, linewidths=0)
    axes.scatter(range(panel.at, end), values[panel.at :], s=9, color=BAD, alpha=0.65, linewidths=0)
    axes.hlines(panel.before / size, -0.5, panel.at - 0.5, color=ACCENT, linewidth=2)
    axes.hlines(panel.after / size, panel.at - 0.5, end - 0.5, color=BAD, linewidth=2)
    axes.axvline(panel.at - 0.5, color=SOFT, linewidth=0.8, linestyle=(0, (3, 3)))
    shown = sorted([*values, panel.before / size, panel.after / size])
    inner = shown[len(shown) // 50 : len(shown) - len(shown) // 50]
    reach = (inner[-1] - inner[0]) or abs(inner[0]) or 1.0
    axes.set_ylim(inner[0] - 0.25 * reach, inner[-1] + 0.25 * reach)  # a spike may leave the picture
    axes.set_xlim(-1, end)
    axes.set_ylabel(unit, parse_math=False)
    change = panel.after / panel.before - 1
    label = panel.name if len(panel.name) <= 44 else f"…{panel.name[-43:]}"
    axes.set_title(f"{label}   {change:+.1%}", loc="left", fontsize=10, color=INK, parse_math=False)


def _scale(panel: Panel) -> tuple[float, str]:
    head, slash, tail = panel.unit.partition("/")
    for size, name in _SIZES.get(head, ()):
        if max(panel.before, panel.after) >= size:
            return size, f"{name}{slash}{tail}"
    return 1.0, panel.unit

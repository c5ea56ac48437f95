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
SHORT = 10  # characters of a commit's name
NEAR_EDGE = 0.15  # of the width: a name in the middle would leave the picture


class Panel(Struct, frozen=True):
    """One series: its values in order of time, where it steps, and the medians on both sides.

    `levels` are the values [begin, end) that the medians are of, `commits` the last measured before the step
    and the first after it ("" if unknown), `change` the step in words.
    """

    name: str
    unit: str
    values: tuple[float, ...]
    at: int
    before: float
    after: float
    levels: tuple[int, int]
    commits: tuple[str, str] = ("", "")
    change: str = ""


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
    titled(
        figure, shortened, "each dot a measurement, oldest at the left; lines are the medians beside the step"
    )
    for number, panel in enumerate(panels, 1):
        _draw(figure.add_subplot(rows, columns, number), panel)
    return figure


def _draw(axes: Axes, panel: Panel) -> None:
    size, unit = _scale(panel)
    values = [value / size for value in panel.values]
    end = len(values)
    axes.scatter(range(panel.at), values[: panel.at], s=9, color=ACCENT, alpha=0.55, linewidths=0)
    axes.scatter(range(panel.at, end), values[panel.at :], s=9, color=BAD, alpha=0.65, linewidths=0)
    begin, until = panel.levels
    axes.hlines(panel.before / size, begin - 0.5, panel.at - 0.5, color=ACCENT, linewidth=2)
    axes.hlines(panel.after / size, panel.at - 0.5, until - 0.5, color=BAD, linewidth=2)
    axes.axvline(panel.at - 0.5, color=SOFT, linewidth=0.8, linestyle=(0, (3, 3)))
    low, high = _in_view(values, panel.before / size, panel.after / size)
    axes.set_ylim(low, high)
    axes.set_xlim(-1, end)
    _name_commits(axes, panel)
    axes.set_ylabel(unit, parse_math=False)
    change = panel.change.replace("-", "−")
    label = panel.name if len(panel.name) <= 44 else f"…{panel.name[-43:]}"
    axes.set_title(f"{label}   {change}", loc="left", fontsize=10, color=INK, parse_math=False)


def _in_view(values: Sequence[float], before: float, after: float) -> tuple[float, float]:
    """The vertical axis as it is shown: with both medians, of however few points; a spike may leave it."""
    shown = sorted(values)
    inner = [*shown[len(shown) // 50 : len(shown) - len(shown) // 50], before, after]
    low, high = min(inner), max(inner)
    reach = (high - low) or abs(low) or 1.0
    return low - 0.25 * reach, high + 0.25 * reach


def _name_commits(axes: Axes, panel: Panel) -> None:
    """The two commits at the step, on both sides of its line; nothing where none is known."""
    axes.set_xticks([])
    if not any(panel.commits):
        return
    last, first = (one[:SHORT] or "?" for one in panel.commits)
    place = (panel.at + 0.5) / (len(panel.values) + 1)
    side = "left" if place < NEAR_EDGE else "right" if place > 1 - NEAR_EDGE else "center"
    said = f"within {last}" if panel.commits[0] == panel.commits[1] else f"{last} → {first}"
    axes.set_xticks([panel.at - 0.5], [said], ha=side, parse_math=False)


def _scale(panel: Panel) -> tuple[float, str]:
    head, slash, tail = panel.unit.partition("/")
    for size, name in _SIZES.get(head, ()):
        if max(panel.before, panel.after) >= size:
            return size, f"{name}{slash}{tail}"
    return 1.0, panel.unit

"""How all pictures look, and how they are written: PNG or SVG, without a display, the same bytes each time.

A picture is drawn on an `axes` of `canvas`, and `save` writes it. matplotlib is imported when the first
picture is drawn, since it costs more than most commands.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from hundredfold.errors import ConfigError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, SOFT, FAINT, PAPER = "#1f2933", "#6b7785", "#e4e8ed", "#ffffff"
#: colours of series, told apart also by those who see red and green alike (after Okabe and Ito)
SERIES = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#8c8c8c")
ACCENT, GOOD, BAD = SERIES[0], "#009e73", "#d55e00"
DOTS_PER_INCH = 160
KINDS = (".png", ".svg")

_STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 9.5,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": SOFT,
    "axes.titlecolor": INK,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "grid.color": FAINT,
    "grid.linewidth": 0.8,
    "text.color": INK,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "legend.frameon": False,
    "svg.hashsalt": "hundredfold",
    "svg.fonttype": "none",
}


def checked_kind(file: Path) -> Path:
    """The file, if it names a kind of picture.

    Raises:
        ConfigError: its ending is not one of `KINDS`.
    """
    if file.suffix.lower() not in KINDS:
        raise ConfigError(f"{file} names no kind of picture", f"End it in {' or '.join(KINDS)}.")
    return file


def canvas(width: float = 10.0, height: float = 5.0) -> Figure:
    """An empty picture, `width` × `height` inches, in our style."""
    import matplotlib
    from matplotlib.figure import Figure

    matplotlib.rcParams.update(_STYLE)
    figure = Figure(figsize=(width, height), facecolor=PAPER)
    figure.subplots_adjust(left=0.08, right=0.97, top=0.84, bottom=0.12)
    return figure


def titled(figure: Figure, title: str, below: str = "") -> None:
    """A title at the upper left, and a softer line below it. Text from outside is shown as it is."""
    figure.text(0.03, 0.945, title, fontsize=14, fontweight="bold", color=INK, parse_math=False)
    if below:
        figure.text(0.03, 0.895, below, fontsize=9.5, color=SOFT, parse_math=False)


def bare(axes: Axes) -> None:
    """An axes without frame, grid and ticks."""
    axes.grid(visible=False)
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)


def png(figure: Figure) -> bytes:
    """The picture as PNG: the same figures are the same bytes."""
    from io import BytesIO

    out = BytesIO()
    figure.savefig(out, format="png", dpi=DOTS_PER_INCH, metadata={"Software": "hundredfold"})
    return out.getvalue()


def save(figure: Figure, file: Path) -> None:
    """Write the picture; the ending says which kind.

    Raises:
        ConfigError: an unknown ending, or the file can't be written.
    """
    kind = checked_kind(file).suffix.lower()
    # No date and no version of the library: the same figures are the same bytes.
    metadata = {"Date": None, "Creator": "hundredfold"} if kind == ".svg" else {"Software": "hundredfold"}
    try:
        figure.savefig(file, format=kind[1:], dpi=DOTS_PER_INCH, metadata=metadata)
    except OSError as error:
        raise ConfigError(f"{file} can't be written: {error.strerror}", "Name another file.") from error

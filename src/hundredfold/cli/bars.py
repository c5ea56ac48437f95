"""Bars of block characters: columns for days, and lines for shares. Integer arithmetic only."""

from __future__ import annotations

from collections.abc import Sequence

_RISING = " ▁▂▃▄▅▆▇█"
_GROWING = " ▏▎▍▌▋▊▉█"


def columns(values: Sequence[int], height: int) -> list[str]:
    """The values as columns `height` rows high, from the top row down; the largest fills its column. What is
    more than nothing shows at least its foot."""
    most = max((*values, 1))
    eighths = [max(value * height * 8 // most, 1 if value else 0) for value in values]
    return [
        "".join(_RISING[min(8, max(0, one - 8 * row))] for one in eighths)
        for row in range(height - 1, -1, -1)
    ]


def line(value: int, most: int, width: int) -> str:
    """A value as a line of up to `width` characters; more than nothing shows at least its beginning."""
    if most <= 0 or value <= 0:
        return ""
    eighths = max(min(value, most) * width * 8 // most, 1)
    return "█" * (eighths // 8) + _GROWING[eighths % 8].strip()


def shares(values: Sequence[int], width: int) -> list[int]:
    """Widths of the parts of one bar of `width`, in proportion, adding up exactly (largest remainders)."""
    total = sum(values)
    if not total:
        return [0] * len(values)
    exact = [value * width for value in values]
    sizes = [one // total for one in exact]
    rest = sorted(range(len(values)), key=lambda n: -(exact[n] % total))
    for place in rest[: width - sum(sizes)]:
        sizes[place] += 1
    return sizes

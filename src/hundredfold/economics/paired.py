"""Comparing two routes over the same items: ratios with intervals, the item being what is drawn.

Pairs take out what makes items differ from each other, which is most of what varies. Intervals are percentile
bootstraps over pairs (Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13), seeded.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from msgspec import Struct

from hundredfold.economics.intervals import LEVEL, Interval

RESAMPLES = 2000
SEED = 20260516
#: with fewer pairs an interval would say nothing
FEWEST = 5


class Compared(Struct, frozen=True):
    """One measure of two arms over `pairs` pairs: the sums, and second over first with its interval.

    `ratio` is None if the first is nothing; `interval` None with fewer than `FEWEST` pairs.
    """

    name: str
    first: float
    second: float
    pairs: int
    ratio: float | None
    interval: Interval | None

    @property
    def differs(self) -> bool | None:
        """Whether the interval leaves 1 out; None if there is none."""
        return None if self.interval is None else not self.interval.low <= 1 <= self.interval.high


def compared(name: str, pairs: Sequence[tuple[float, float]]) -> Compared:
    """The ratio of sums, second over first, with a bootstrap interval over pairs."""
    first, second = (sum(pair[place] for pair in pairs) for place in (0, 1))
    return Compared(
        name=name,
        first=first,
        second=second,
        pairs=len(pairs),
        ratio=second / first if first else None,
        interval=_bootstrap(pairs) if first and len(pairs) >= FEWEST else None,
    )


def _bootstrap(pairs: Sequence[tuple[float, float]]) -> Interval | None:
    generator = random.Random(SEED)  # noqa: S311
    ratios = []
    for _ in range(RESAMPLES):
        drawn = generator.choices(pairs, k=len(pairs))
        below = sum(pair[0] for pair in drawn)
        if below:
            ratios.append(sum(pair[1] for pair in drawn) / below)
    if not ratios:
        return None
    ratios.sort()
    tail = (1 - LEVEL) / 2
    return Interval(ratios[round(tail * (len(ratios) - 1))], ratios[round((1 - tail) * (len(ratios) - 1))])

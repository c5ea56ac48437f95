"""Where the level of a noisy series steps: log scale → clipped outliers → optimal partition → tests.

1. Logarithms: a step is a ratio, whatever the unit.
2. Each point is clipped to a running median ± `CLIP` robust sigmas, so that a spike is no step.
3. The partition into pieces of constant level with the least squared error plus `PENALTY`·log n·σ² for each
   boundary (Killick, Fearnhead & Eckley 2012, "Optimal detection of changepoints with a linear computational
   cost"; the penalty is that of Yao 1988). Solved exactly, without pruning, for many series at once: on a few
   hundred points that is faster than pruning in a loop.
4. A boundary stays if a Mann-Whitney test of the raw points on both sides gives p < `P_MOST` and their
   medians differ by `LEAST` or more; the weakest is merged first, until all that are left hold.

A series longer than `WINDOW` is searched in overlapping windows, whose boundaries are weighed against each
other over the whole: time and memory grow with its length, not its square.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import erfc, log, log1p, sqrt

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

PENALTY = 6.0
CLIP = 3.0  # robust sigmas
MEDIAN_WIDTH = 9  # points
P_MOST = 1e-3
LEAST = 0.02  # of the level before
SHORTEST = 2  # points of a level
FEWEST = 8  # points below which nothing is said
WINDOW = 512
ROWS = 64  # of one batch: what a batch works on stays in the processor's cache
MOST_BOUNDARIES = 2_000  # of one series that are weighed against each other
SIGMA_LEAST = 1e-6  # of the logarithm: below it two measurements are the same

Array = NDArray[np.float64]


class Level(Struct, frozen=True):
    """A step: `index` is the first point of the new level; `before` and `after` are the medians of the levels
    on both sides, in the series' own unit; `p` is that of the Mann–Whitney test (two-sided, asymptotic)."""

    index: int
    before: float
    after: float
    p: float

    @property
    def ratio(self) -> float:
        """The new level over the old one: 1.05 is five per cent more."""
        return self.after / self.before


def steps(values: Sequence[float] | Array) -> list[Level]:
    """The steps of one series of positive, finite values in order of time.

    Raises:
        ValueError: a value is zero, negative or not finite: leave such points out first.
    """
    return steps_of_many([values])[0]


def steps_of_many(series: Sequence[Sequence[float] | Array]) -> list[list[Level]]:
    """`steps` of each series; faster than one by one."""
    logs = [_logs(one) for one in series]
    found: list[list[int]] = [[] for _ in logs]
    rows = sorted(_rows(logs), key=lambda row: len(row[2]))
    for at in range(0, len(rows), ROWS):
        batch = rows[at : at + ROWS]
        for (number, start, _, _), inside in zip(batch, _partition(batch), strict=True):
            found[number] += [start + one for one in inside]
    return [
        _held(np.asarray(raw, dtype=np.float64), logged, _weighed(logged, boundaries))
        for raw, logged, boundaries in zip(series, logs, found, strict=True)
    ]


def clipped(logged: Array) -> tuple[Array, float]:
    """(the series without its spikes, the robust sigma of its noise) of logarithms.

    Sigma is the median distance to the running median, scaled as for a normal distribution.
    """
    from scipy.ndimage import median_filter

    median: Array = median_filter(logged, size=min(MEDIAN_WIDTH, len(logged)), mode="mirror")
    away = np.abs(logged - median)
    reach = CLIP * max(SIGMA_LEAST, float(np.median(away)) / 0.6745)
    calm = np.clip(logged, median - reach, median + reach)
    between = np.abs(np.diff(calm))
    sigma = float(np.median(between)) / (0.6745 * sqrt(2)) if len(between) else 0.0
    return calm, max(SIGMA_LEAST, sigma)


def mann_whitney(left: Array, right: Array) -> float:
    """The two-sided p of the Mann–Whitney U test, by its normal approximation with ties and continuity
    (as `scipy.stats.mannwhitneyu(method="asymptotic")`, at a tenth of its time)."""
    first, second = len(left), len(right)
    both = first + second
    _, place, times = np.unique(np.concatenate([left, right]), return_inverse=True, return_counts=True)
    ranks = (np.cumsum(times) - (times - 1) / 2)[place]
    u = float(ranks[:first].sum()) - first * (first + 1) / 2
    ties = float((times.astype(np.float64) ** 3 - times).sum()) / (both * (both - 1))
    spread = sqrt(max(0.0, first * second / 12 * (both + 1 - ties)))
    if spread == 0:
        return 1.0
    z = max(0.0, abs(u - first * second / 2) - 0.5) / spread
    return erfc(z / sqrt(2))


_Row = tuple[int, int, Array, float]
"""(number of the series, where the row begins in it, clipped logarithms, penalty)"""


def _logs(values: Sequence[float] | Array) -> Array:
    raw = np.asarray(values, dtype=np.float64)
    if raw.ndim != 1 or not np.isfinite(raw).all() or (raw <= 0).any():
        raise ValueError("a series must be one-dimensional, of positive finite values")
    return np.log(raw)


def _rows(logs: Sequence[Array]) -> Iterator[_Row]:
    for number, logged in enumerate(logs):
        if len(logged) < FEWEST:
            continue
        calm, sigma = clipped(logged)
        penalty = PENALTY * log(len(logged)) * sigma * sigma
        last = max(0, len(logged) - WINDOW)
        for start in sorted({*range(0, last, WINDOW // 2), last}):
            part = calm[start : start + WINDOW]
            yield number, start, part - part.mean(), penalty


def _partition(batch: Sequence[_Row]) -> list[list[int]]:
    """The boundaries of each row's best partition.

    Rows are padded at their ends: the best partition of a prefix does not depend on what follows it.
    """
    lengths = [len(row[2]) for row in batch]
    longest, count = max(lengths), len(batch)
    padded = np.zeros((longest, count))
    for column, row in enumerate(batch):
        padded[: lengths[column], column] = row[2]
    penalties = np.array([row[3] for row in batch])
    sums = np.zeros((longest + 1, count))
    np.cumsum(padded, axis=0, out=sums[1:])
    squares = np.zeros((longest + 1, count))
    np.cumsum(padded * padded, axis=0, out=squares[1:])
    # The cost of the best partition of the first t points; what every candidate shares is added at the end.
    best = np.full((longest + 1, count), np.inf)
    best[0] = 0.0
    start = best - squares  # inf where no partition ends
    choice = np.zeros((longest + 1, count), dtype=np.int64)
    columns = np.arange(count)
    inverse = 1.0 / np.arange(longest, 0, -1, dtype=np.float64)[:, None]
    work = np.empty((longest, count))
    for end in range(SHORTEST, longest + 1):
        size = end - SHORTEST + 1
        cost = work[:size]
        np.subtract(sums[end], sums[:size], out=cost)
        np.multiply(cost, cost, out=cost)
        np.multiply(cost, inverse[longest - end : longest - end + size], out=cost)
        np.subtract(start[:size], cost, out=cost)
        chosen = cost.argmin(axis=0)
        choice[end] = chosen
        best[end] = cost[chosen, columns] + squares[end] + penalties
        start[end] = best[end] - squares[end]
    return [_traced(choice[:, column], lengths[column]) for column in range(count)]


def _traced(choice: NDArray[np.int64], end: int) -> list[int]:
    out = []
    while (end := int(choice[end])) > 0:
        out.append(end)
    return out[::-1]


def _weighed(logged: Array, boundaries: list[int]) -> list[int]:
    """The boundaries that the best partition of the whole series would keep, of those the windows named."""
    candidates = sorted(set(boundaries))
    if len(logged) <= WINDOW or not candidates:
        return candidates
    calm, sigma = clipped(logged)
    calm = calm - calm.mean()
    if len(candidates) > MOST_BOUNDARIES:
        height = [abs(_local(calm, one)) for one in candidates]
        kept = np.argsort(height)[-MOST_BOUNDARIES:]
        candidates = sorted(candidates[int(one)] for one in kept)
    penalty = PENALTY * log(len(logged)) * sigma * sigma
    ends = np.array([0, *candidates, len(logged)])
    sums = np.concatenate([[0.0], np.cumsum(calm)])[ends]
    best = np.zeros(len(ends))
    choice = np.zeros(len(ends), dtype=np.int64)
    for end in range(1, len(ends)):
        gone = sums[end] - sums[:end]
        cost = best[:end] - gone * gone / (ends[end] - ends[:end]) + penalty
        choice[end] = int(cost.argmin())
        best[end] = cost[choice[end]]
    return [int(ends[one]) for one in _traced(choice, len(ends) - 1)]


def _local(calm: Array, at: int) -> float:
    reach = MEDIAN_WIDTH
    return float(calm[at : at + reach].mean() - calm[max(0, at - reach) : at].mean())


def _held(raw: Array, logged: Array, boundaries: list[int]) -> list[Level]:
    """The boundaries that hold, the weakest merged first."""
    ends = [0, *boundaries, len(raw)]
    tested = [_tested(raw, logged, ends, at) for at in range(1, len(ends) - 1)]
    while tested:
        weakest = min(range(len(tested)), key=lambda at: tested[at][0])
        if tested[weakest][0] >= 1.0:
            break
        del ends[weakest + 1], tested[weakest]
        for at in (weakest - 1, weakest):
            if 0 <= at < len(tested):
                tested[at] = _tested(raw, logged, ends, at + 1)
    return [level for _, level in tested]


def _tested(raw: Array, logged: Array, ends: Sequence[int], at: int) -> tuple[float, Level]:
    """(how well the boundary holds: 1 or more if it does; the step it would be)."""
    before, here, after = ends[at - 1], ends[at], ends[at + 1]
    p = mann_whitney(logged[before:here], logged[here:after])
    left, right = float(np.median(raw[before:here])), float(np.median(raw[here:after]))
    height = abs(log(right / left)) / log1p(LEAST)
    certainty = log(max(p, 1e-300)) / log(P_MOST)
    held = min(height, certainty if p < P_MOST else min(certainty, 0.999))
    return held, Level(here, left, right, p)

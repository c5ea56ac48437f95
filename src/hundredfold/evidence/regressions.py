"""From steps in benchmark series to alerts, and from alerts to groups that one range of commits explains."""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, isfinite, log, sqrt
from statistics import median

import numpy as np
from msgspec import Struct

from hundredfold.evidence import changepoints
from hundredfold.evidence.changepoints import Level, clipped, steps_of_many
from hundredfold.evidence.series import Point, Series

SIDE = 20  # points on each side in `Noise.detectable`
GAPS_MOST = 0.1  # of a series: more of its values that can't be on a log scale, and nothing is said of it
REACH = 3  # points a boundary may be off, as it was measured on real series


class Noise(Struct, frozen=True):
    """How a series scatters. `sigma` is relative (0.02 = 2 %) and robust, `spikes` the share of points more
    than `changepoints.CLIP` sigmas off, `detectable` the relative step that `SIDE` points on each side show:
    σ·√(2·PENALTY·log n / SIDE), from what a boundary costs against what it saves."""

    sigma: float
    spikes: float
    detectable: float


class Alert(Struct, frozen=True):
    """A step of one series. `first` and `last_before` index its `Examined.points`; `worse` is None where the
    direction is unknown."""

    series: str
    level: Level
    worse: bool | None
    last_before: Point
    first: Point

    @property
    def change(self) -> float:
        """Relative change of the level: 0.05 is five per cent more."""
        return self.level.ratio - 1.0

    @property
    def within(self) -> bool:
        """Whether both sides are of one commit: no change of the code can be why."""
        return bool(self.first.commit) and self.first.commit == self.last_before.commit


class Examined(Struct, frozen=True):
    """What came of one series: the points that were used, its noise, its alerts; or why nothing is said."""

    series: Series
    points: tuple[Point, ...]
    alerts: tuple[Alert, ...] = ()
    noise: Noise | None = None
    left_out: int = 0
    why_not: str = ""


class Group(Struct, frozen=True):
    """Alerts that one range of commits may explain: after `before`, up to and including `after`."""

    before: Point
    after: Point
    alerts: tuple[Alert, ...]


def examine(series: Sequence[Series], newest: int = 5_000) -> list[Examined]:
    """Each series' alerts and noise, by its newest points. What can't be judged says why."""
    usable = [_usable(one, newest) for one in series]
    judged = [at for at, one in enumerate(usable) if not one.why_not]
    values = [[point.value for point in usable[at].points] for at in judged]
    out = list(usable)
    for at, raw, levels in zip(judged, values, steps_of_many(values), strict=True):
        one = usable[at]
        alerts = tuple(_alert(one, level) for level in levels)
        out[at] = Examined(one.series, one.points, alerts, noise_of(raw, levels), one.left_out)
    return out


def levels_around(one: Examined, index: int) -> tuple[int, int]:
    """(first point of the level before the step at `index`, one past the last point of the level after it):
    what the step's medians are of."""
    bounds = [0, *(alert.level.index for alert in one.alerts), len(one.points)]
    at = bounds.index(index, 1)
    return bounds[at - 1], bounds[at + 1]


def noise_of(values: Sequence[float], levels: Sequence[Level]) -> Noise:
    """The noise around the levels of a series of positive values."""
    logged = np.log(np.asarray(values, dtype=np.float64))
    for begin, end in zip(
        [0, *(one.index for one in levels)], [*(one.index for one in levels), len(logged)], strict=True
    ):
        logged[begin:end] -= np.median(logged[begin:end])
    _, sigma = clipped(logged)
    spread = max(sigma, float(np.median(np.abs(logged))) / 0.6745, changepoints.SIGMA_LEAST)
    spikes = float((np.abs(logged) > changepoints.CLIP * spread).mean())
    seen = spread * sqrt(2 * changepoints.PENALTY * log(max(2, len(logged))) / SIDE)
    return Noise(spread, spikes, max(changepoints.LEAST, exp(min(seen, 50.0)) - 1.0))


def grouped(examined: Sequence[Examined], *, worse: bool = True) -> list[Group]:
    """Alerts (only those for the worse, or for the better) by the range of commits, newest first.

    A group is gathered around its strongest alert: others whose step lies within `REACH` commits of that one
    join it, so a group never grows by chaining.
    """
    place = _places(examined)
    alerts = [alert for one in examined for alert in one.alerts]
    waiting = sorted(
        (one for one in alerts if one.worse is worse), key=lambda one: -abs(log(one.level.ratio))
    )
    groups = []
    while waiting:
        seed = _range(waiting[0], place)
        near = [one for one in waiting if _near(_range(one, place), seed)]
        waiting = [one for one in waiting if one not in near]
        groups.append(_group(near, place))
    return sorted(groups, key=lambda one: (-one.after.at_us, one.after.commit))


def _usable(series: Series, newest: int) -> Examined:
    kept = series.points[-newest:]
    points = tuple(one for one in kept if isfinite(one.value) and one.value > 0)
    gone = len(kept) - len(points)
    why = ""
    if len(kept) < changepoints.FEWEST:
        why = f"too few points: {len(kept)} of the {changepoints.FEWEST} needed"
    elif gone > GAPS_MOST * len(kept):
        why = f"{gone} of {len(kept)} values are zero, negative or no numbers: ratios mean nothing there"
    return Examined(series, points, left_out=gone, why_not=why)


def _alert(one: Examined, level: Level) -> Alert:
    smaller = one.series.direction == "smaller"
    worse = None if one.series.direction is None else (level.after > level.before) == smaller
    return Alert(one.series.id, level, worse, one.points[level.index - 1], one.points[level.index])


def _places(examined: Sequence[Examined]) -> dict[str, int]:
    """Every commit (or moment, where none is known) that was measured, numbered in order of time."""
    first: dict[str, int] = {}
    for one in examined:
        for point in one.points:
            key = _key(point)
            first[key] = min(first.get(key, point.at_us), point.at_us)
    return {key: at for at, key in enumerate(sorted(first, key=lambda key: (first[key], key)))}


def _key(point: Point) -> str:
    return point.commit or f"@{point.at_us}"


def _range(alert: Alert, place: dict[str, int]) -> tuple[int, int]:
    """Between which two of the measured commits the step lies."""
    return place[_key(alert.last_before)], place[_key(alert.first)]


def _near(one: tuple[int, int], seed: tuple[int, int]) -> bool:
    return abs(one[1] - seed[1]) <= REACH or (one[0] < seed[1] and seed[0] < one[1])


def _group(alerts: Sequence[Alert], place: dict[str, int]) -> Group:
    """The narrowest range that all of them allow; where they exclude each other, the strongest one's."""
    latest = max(alerts, key=lambda one: _range(one, place)[0])
    earliest = min(alerts, key=lambda one: _range(one, place)[1])
    if _range(latest, place)[0] < _range(earliest, place)[1]:
        return Group(latest.last_before, earliest.first, tuple(alerts))
    return Group(alerts[0].last_before, alerts[0].first, tuple(alerts))


def typical_change(group: Group) -> float:
    """The median relative change of a group's alerts."""
    return median(one.change for one in group.alerts)

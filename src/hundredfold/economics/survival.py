"""How long accepted work stands: Kaplan and Meier's estimate; what still stands counts as censored.

The interval is the beta product confidence procedure (Fay, Brittain, Proschan, "Pointwise confidence
intervals for a survival distribution with small samples or heavy censoring", Biostatistics 14 (2013)) in its
mid-p form, by the method of moments: it needs no large sample, and without censoring it is the mid-p
Clopper-Pearson interval of a binomial.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import groupby

from msgspec import Struct

from hundredfold.economics import beta
from hundredfold.economics.intervals import LEVEL, Interval


class Followed(Struct, frozen=True):
    """`count` pieces of accepted work, followed for `days`: then taken back (`ended`), or still standing."""

    days: float
    ended: bool
    count: int = 1


class Step(Struct, frozen=True):
    """From `days` on (to the next step) the estimate is `estimate`; `ended` went then, of `at_risk`."""

    days: float
    at_risk: int
    ended: int
    estimate: float


class Curve(Struct, frozen=True):
    """The estimate over time: `of` pieces of work were followed, `ended` of them were taken back, the rest
    still stood when last seen; `longest` is how long any was followed."""

    steps: tuple[Step, ...]
    of: int
    ended: int
    longest: float
    censored: tuple[tuple[float, int], ...]  # how many still stood when last seen, by how long that took

    def standing(self, days: float) -> int:
        """How many are known to have stood for `days`."""
        seen = sum(count for when, count in self.censored if when >= days)
        return seen + sum(step.ended for step in self.steps if step.days > days)

    def gone(self, days: float) -> int:
        """How many were taken back by then."""
        return sum(step.ended for step in self.steps if step.days <= days)

    def at(self, days: float) -> float | None:
        """The estimated share that stands for longer than `days`; None if nobody was followed so long."""
        if not self.of or (days > self.longest and (not self.steps or self.steps[-1].estimate > 0)):
            return None
        before = [step.estimate for step in self.steps if step.days <= days]
        return before[-1] if before else 1.0

    def interval(self, days: float, level: float = LEVEL) -> Interval:
        """Where the share that stands for longer than `days` lies; 0 … 1 if nothing is known."""
        if not self.of:
            return Interval(0.0, 1.0, level)
        upper_mean = upper_square = 1.0
        for step in self.steps:
            if step.days > days:
                break
            a, b = step.at_risk - step.ended + 1, step.ended
            upper_mean *= a / (a + b)
            upper_square *= a * (a + 1) / ((a + b) * (a + b + 1))
        left = self.standing(days)
        lower_mean, lower_square = upper_mean * left / (left + 1), upper_square * left / (left + 2)
        tail = (1 - level) / 2
        upper, lower = _beta(upper_mean, upper_square), _beta(lower_mean, lower_square)
        return Interval(_mixture(lower, upper, tail), _mixture(lower, upper, 1 - tail), level)

    def standard_error(self, days: float) -> float | None:
        """Greenwood's; None if nobody was followed so long."""
        estimate = self.at(days)
        if estimate is None:
            return None
        terms = [
            step.ended / (step.at_risk * (step.at_risk - step.ended))
            for step in self.steps
            if step.days <= days and step.at_risk > step.ended
        ]
        return estimate * math.sqrt(math.fsum(terms))


def kaplan_meier(followed: Iterable[Followed]) -> Curve:
    """The product-limit estimate. At equal times, what ended goes before what was last seen standing.

    Raises:
        ValueError: a negative time or count.
    """
    pieces = sorted(followed, key=lambda one: one.days)
    if any(one.days < 0 or one.count < 0 for one in pieces):
        raise ValueError("work is followed for no negative time")
    total = at_risk = sum(one.count for one in pieces)
    steps: list[Step] = []
    censored: list[tuple[float, int]] = []
    estimate = 1.0
    for days, same in groupby(pieces, key=lambda one: one.days):
        group: Sequence[Followed] = list(same)
        gone, here = sum(one.count for one in group if one.ended), sum(one.count for one in group)
        if gone:
            estimate *= (at_risk - gone) / at_risk
            steps.append(Step(days, at_risk, gone, estimate))
        if here > gone:
            censored.append((days, here - gone))
        at_risk -= here
    return Curve(
        steps=tuple(steps),
        of=total,
        ended=sum(step.ended for step in steps),
        longest=max((days for days, _ in (*censored, *((s.days, 0) for s in steps))), default=0.0),
        censored=tuple(censored),
    )


def _beta(mean: float, square: float) -> tuple[float, float] | float:
    """The beta distribution with these first two moments; a number where it has no spread."""
    variance = square - mean * mean
    if mean <= 0 or mean >= 1 or variance <= 1e-15:
        return mean
    size = mean * (1 - mean) / variance - 1
    return mean * size, (1 - mean) * size


def _mixture(
    one: tuple[float, float] | float, other: tuple[float, float] | float, probability: float
) -> float:
    """The quantile of an equal mixture of two distributions, by bisection."""

    def below(x: float) -> float:
        parts = [beta.cdf(*each, x) if isinstance(each, tuple) else float(x >= each) for each in (one, other)]
        return sum(parts) / 2

    low, high = 0.0, 1.0
    for _ in range(50):
        middle = (low + high) / 2
        if below(middle) < probability:
            low = middle
        else:
            high = middle
    return (low + high) / 2

"""What is not known, and what it does to net value: Monte Carlo, tornado, and Sobol's shares of the variance.

Figures here are statistics: dollars as floats. Inputs are independent of each other.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Literal

from msgspec import Struct

from hundredfold.economics.beta import Table
from hundredfold.economics.beta import quantile as beta_quantile
from hundredfold.economics.intervals import LEVEL, Interval

SAMPLES = 1024
SEED = 20260516

#: a model: its inputs by name → one figure
Model = Callable[[Mapping[str, float]], float]


class Uncertain(Struct, frozen=True):
    """One input. beta: a and b of a probability · triangular: low, likely, high · fixed: `a` alone."""

    kind: Literal["beta", "triangular", "fixed"]
    a: float
    b: float = 0.0
    c: float = 0.0

    @property
    def mean(self) -> float:
        """Its expectation."""
        if self.kind == "beta":
            return self.a / (self.a + self.b)
        return self.a if self.kind == "fixed" else (self.a + self.b + self.c) / 3

    @property
    def variance(self) -> float:
        """Its variance."""
        if self.kind == "beta":
            size = self.a + self.b
            return self.a * self.b / (size * size * (size + 1))
        if self.kind == "fixed":
            return 0.0
        a, b, c = self.a, self.b, self.c
        return (a * a + b * b + c * c - a * b - a * c - b * c) / 18

    def quantile(self, probability: float) -> float:
        """The value that it is below with this probability."""
        if self.kind == "beta":
            return beta_quantile(self.a, self.b, probability)
        return self.a if self.kind == "fixed" else _triangular(self.a, self.b, self.c, probability)

    def drawn(self, probabilities: Sequence[float]) -> list[float]:
        """Its values at these probabilities; a probability's to about four digits."""
        if self.kind == "beta":
            table = _table(self.a, self.b)
            return [table.quantile(one) for one in probabilities]
        return [self.quantile(one) for one in probabilities]


def rate(successes: int, trials: int) -> Uncertain:
    """A rate that was seen: its posterior under Jeffreys' prior."""
    return Uncertain("beta", successes + 0.5, trials - successes + 0.5)


def probability(estimate: float, effective: float) -> Uncertain:
    """A probability estimated as if `effective` independent trials had given it: `rate`, for estimates that
    come of something else than counting (Kaplan and Meier's)."""
    return Uncertain("beta", estimate * effective + 0.5, (1 - estimate) * effective + 0.5)


def between(low: float, likely: float, high: float) -> Uncertain:
    """Somewhere in a range, most likely at `likely`; fixed if the range is a point.

    Raises:
        ValueError: not in order.
    """
    if not low <= likely <= high:
        raise ValueError(f"{low} … {likely} … {high} is no range")
    return Uncertain("fixed", likely) if low == high else Uncertain("triangular", low, likely, high)


def net_value(x: Mapping[str, float]) -> float:
    """p·s·V − m·c − r·w/60 − p(1−s)L, in dollars; names as in `netvalue.Attempt`, `multiple` besides."""
    p, s = x["acceptance"], x["survival"]
    return (
        p * s * x["value"]
        - x["multiple"] * x["cost"]
        - x["review_minutes"] * x["reviewer_hour"] / 60
        - p * (1 - s) * x["revert_loss"]
    )


class Spread(Struct, frozen=True):
    """What Monte Carlo gives: mean, standard deviation, an interval, and how likely it is above zero."""

    mean: float
    deviation: float
    interval: Interval
    positive: float
    samples: int


def monte_carlo(
    inputs: Mapping[str, Uncertain], model: Model = net_value, *, samples: int = SAMPLES, seed: int = SEED
) -> Spread:
    """The figure's distribution, by seeded Latin hypercube draws (each input's range is covered evenly)."""
    figure = sorted(map(model, _draws(inputs, samples, random.Random(seed))))  # noqa: S311
    mean = math.fsum(figure) / samples
    tail = round((1 - LEVEL) / 2 * samples)
    return Spread(
        mean=mean,
        deviation=math.sqrt(math.fsum((one - mean) ** 2 for one in figure) / (samples - 1)),
        interval=Interval(figure[tail], figure[samples - 1 - tail]),
        positive=sum(one > 0 for one in figure) / samples,
        samples=samples,
    )


class Bar(Struct, frozen=True):
    """One bar of a tornado: the figure with this input at its low and high end, the others at their mean."""

    name: str
    low_input: float
    high_input: float
    at_low: float
    at_high: float


def tornado(inputs: Mapping[str, Uncertain], model: Model = net_value) -> tuple[Bar, ...]:
    """Each input from its 5 % to its 95 % point, the others at their mean; the widest bar first."""
    base = {name: one.mean for name, one in inputs.items()}
    bars = []
    for name, one in inputs.items():
        if one.variance:
            low, high = one.quantile((1 - LEVEL) / 2), one.quantile((1 + LEVEL) / 2)
            bars.append(Bar(name, low, high, model({**base, name: low}), model({**base, name: high})))
    return tuple(sorted(bars, key=lambda bar: -abs(bar.at_high - bar.at_low)))


class Share(Struct, frozen=True):
    """An input's part in the variance: alone (`first`), and with what it does with others (`total`)."""

    name: str
    first: float
    total: float


def sobol(
    inputs: Mapping[str, Uncertain], model: Model = net_value, *, samples: int = SAMPLES, seed: int = SEED
) -> tuple[Share, ...]:
    """Sobol's indices, the largest total first; none if nothing varies.

    Saltelli's estimator of the first and Jansen's of the total ones (Saltelli et al., Computer Physics
    Communications 181 (2010), table 2, rows b and f).
    """
    generator = random.Random(seed)  # noqa: S311
    one, other = (_draws(inputs, samples, generator) for _ in range(2))
    at_one, at_other = [model(x) for x in one], [model(x) for x in other]
    mean = math.fsum((*at_one, *at_other)) / (2 * samples)
    variance = math.fsum((y - mean) ** 2 for y in (*at_one, *at_other)) / (2 * samples)
    if not variance:
        return ()
    shares = []
    for name, input_ in inputs.items():
        if input_.variance:
            mixed = [model({**x, name: z[name]}) for x, z in zip(one, other, strict=True)]
            first = math.fsum((b - mean) * (m - a) for a, b, m in zip(at_one, at_other, mixed, strict=True))
            total = math.fsum((a - m) ** 2 for a, m in zip(at_one, mixed, strict=True)) / 2
            shares.append(Share(name, max(first / samples / variance, 0.0), total / samples / variance))
    return tuple(sorted(shares, key=lambda share: -share.total))


def _draws(inputs: Mapping[str, Uncertain], samples: int, generator: random.Random) -> list[dict[str, float]]:
    """Latin hypercube: for each input one draw in each of `samples` equal slices, in random order."""
    columns = []
    for one in inputs.values():
        slices = list(range(samples))
        generator.shuffle(slices)
        columns.append(one.drawn([(each + generator.random()) / samples for each in slices]))
    return [dict(zip(inputs, row, strict=True)) for row in zip(*columns, strict=True)]


@lru_cache(maxsize=64)
def _table(a: float, b: float) -> Table:
    return Table(a, b)


def _triangular(low: float, likely: float, high: float, at: float) -> float:
    if at * (high - low) < likely - low:
        return low + math.sqrt(at * (high - low) * (likely - low))
    return high - math.sqrt((1 - at) * (high - low) * (high - likely))

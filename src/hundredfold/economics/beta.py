"""The beta distribution, for pages that must be there within a second: importing a library for it takes
longer than all that such a page computes."""

from __future__ import annotations

import math
from bisect import bisect_right
from functools import lru_cache
from statistics import NormalDist

_TINY = 1e-300
_GRID = 240
#: from here on the distribution is a normal one to the digits that a table gives
_LARGE = 2000


def cdf(a: float, b: float, x: float) -> float:
    """The regularised incomplete beta function I_x(a, b), to about twelve digits.

    Continued fraction by Lentz's method (Press et al., "Numerical Recipes", 3rd edition, section 6.4).
    """
    if x <= 0 or x >= 1:
        return float(x >= 1)
    front = math.exp(
        math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    )
    if x < (a + 1) / (a + b + 2):
        return front * _fraction(a, b, x) / a
    return 1 - front * _fraction(b, a, 1 - x) / b


@lru_cache(maxsize=512)
def quantile(a: float, b: float, probability: float) -> float:
    """The x with I_x(a, b) = `probability`, to about twelve digits: Newton's method inside a bracket."""
    if probability <= 0 or probability >= 1:
        return float(probability >= 1)
    low, high, x = 0.0, 1.0, a / (a + b)
    scale = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    for _ in range(200):
        above = cdf(a, b, x) - probability
        low, high = (x, high) if above < 0 else (low, x)
        density = math.exp(min(scale + (a - 1) * math.log(x) + (b - 1) * math.log1p(-x), 700.0))
        new = x - above / density if density > _TINY else (low + high) / 2
        if not low < new < high:
            new = (low + high) / 2
        if abs(new - x) <= 1e-14 * max(new, 1e-3) or not 0 < new < 1:
            break
        x = new
    return x


class Table:
    """Quantiles of one beta distribution, many of them: by linear interpolation of its distribution function
    on a grid over all but a millionth of it at each end."""

    def __init__(self, a: float, b: float) -> None:
        if min(a, b) > _LARGE:
            normal = NormalDist(a / (a + b), math.sqrt(a * b / (a + b + 1)) / (a + b))
            self._p = [1e-6 + (1 - 2e-6) * step / _GRID for step in range(_GRID + 1)]
            self._x = [normal.inv_cdf(one) for one in self._p]
            return
        # By angle (x = sin²): the grid is finer where a distribution may pile up, at 0 and at 1.
        low, high = (math.asin(math.sqrt(quantile(a, b, end))) for end in (1e-6, 1 - 1e-6))
        self._x = [math.sin(low + (high - low) * step / _GRID) ** 2 for step in range(_GRID + 1)]
        self._p = [cdf(a, b, x) for x in self._x]

    def quantile(self, probability: float) -> float:
        """The x below which that much of the distribution lies."""
        after = min(max(bisect_right(self._p, probability), 1), _GRID)
        p0, p1, x0, x1 = self._p[after - 1], self._p[after], self._x[after - 1], self._x[after]
        share = 0.5 if p1 <= p0 else min(max((probability - p0) / (p1 - p0), 0.0), 1.0)
        return x0 + share * (x1 - x0)


def _fraction(a: float, b: float, x: float) -> float:
    c, d = 1.0, 1.0 / _kept(1 - (a + b) * x / (a + 1))
    result = d
    for m in range(1, 10_000):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for term in (even, odd):
            d = 1.0 / _kept(1 + term * d)
            c = _kept(1 + term / c)
            result *= d * c
        if abs(d * c - 1) < 1e-15:
            break
    return result


def _kept(value: float) -> float:
    return value if abs(value) > _TINY else _TINY

"""Intervals of rates: Jeffreys' for one repository, a beta-binomial posterior over several.

Pull requests of one repository are not independent trials of "an agent": they share maintainers, habits and
difficulty. So a rate over several repositories is estimated with the repository as the unit (the counts of
each are beta-binomial), and what a *new* repository may show is a wider interval of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from msgspec import Struct

from hundredfold.economics import beta

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LEVEL = 0.9
_MEANS, _SPREADS, _POINTS = 160, 48, 240


class Interval(Struct, frozen=True):
    """From `low` to `high`, holding the truth with probability `level`."""

    low: float
    high: float
    level: float = LEVEL


class Across(Struct, frozen=True):
    """A rate over several repositories: where its mean lies, where a new repository's own rate may lie, and
    how alike pull requests of one repository are (intraclass correlation, posterior mean)."""

    mean: Interval
    new_repository: Interval
    correlation: float
    repositories: int


def jeffreys(successes: int, trials: int, level: float = LEVEL) -> Interval:
    """The equal-tailed posterior interval under Jeffreys' prior Beta(½, ½); 0 … 1 without trials.

    Source: Brown, Cai, DasGupta, "Interval Estimation for a Binomial Proportion", Statistical Science 16
    (2001).

    Raises:
        ValueError: more successes than trials, or a negative count.
    """
    if not 0 <= successes <= trials:
        raise ValueError(f"{successes} of {trials} is no rate")
    if not trials:
        return Interval(0.0, 1.0, level)
    tail = (1 - level) / 2
    a, b = successes + 0.5, trials - successes + 0.5
    low = 0.0 if successes == 0 else beta.quantile(a, b, tail)
    high = 1.0 if successes == trials else beta.quantile(a, b, 1 - tail)
    return Interval(low, high, level)


def across_repositories(counts: Sequence[tuple[int, int]], level: float = LEVEL) -> Across:
    """The rate over repositories, each with (successes, trials), the repository being what is drawn.

    Posterior on a grid: mean ~ Beta(½, ½), correlation ρ = 1/(a+b+1) uniform; each repository's successes are
    beta-binomial(trials, a, b). Repositories without trials say nothing.

    Raises:
        ValueError: no repository has a trial, or a count is no rate.
    """
    import numpy as np
    from scipy.special import betainc, betaincinv, betaln

    used = [(k, n) for k, n in counts if n]
    if not used:
        raise ValueError("no repository has a trial")
    if any(not 0 <= k <= n for k, n in used):
        raise ValueError("more successes than trials")
    steps = (np.arange(_MEANS) + 0.5) / _MEANS
    mean = betaincinv(0.5, 0.5, steps)[:, None]  # equally probable under the prior
    spread = ((np.arange(_SPREADS) + 0.5) / _SPREADS)[None, :]
    size = 1 / spread - 1
    a, b = mean * size, (1 - mean) * size
    log_likelihood = np.zeros((_MEANS, _SPREADS))
    for k, n in used:
        log_likelihood += betaln(a + k, b + n - k) - betaln(a, b)
    weight = np.exp(log_likelihood - log_likelihood.max())
    weight /= weight.sum()

    kept = weight > weight.max() * 1e-5
    points = (np.arange(_POINTS) + 0.5) / _POINTS
    cdf = (weight[kept][:, None] * betainc(a[kept][:, None], b[kept][:, None], points[None, :])).sum(axis=0)
    tails = ((1 - level) / 2, (1 + level) / 2)
    of_mean = _quantiles(mean[:, 0], np.cumsum(weight.sum(axis=1)) - weight.sum(axis=1) / 2, tails)
    of_new = _quantiles(points, cdf / weight[kept].sum(), tails)
    return Across(
        mean=Interval(*of_mean, level),
        new_repository=Interval(*of_new, level),
        correlation=float((weight.sum(axis=0) * spread[0]).sum()),
        repositories=len(used),
    )


def _quantiles(
    values: NDArray[np.float64], cdf: NDArray[np.float64], tails: tuple[float, float]
) -> tuple[float, float]:
    import numpy as np

    low, high = np.interp(tails, cdf, values)
    return float(low), float(high)

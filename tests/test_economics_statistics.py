"""Intervals hold the truth as often as they say; survival agrees with a library, uncertainty with algebra."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.special
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from hundredfold.economics import beta
from hundredfold.economics.intervals import across_repositories, jeffreys
from hundredfold.economics.survival import Curve, Followed, kaplan_meier
from hundredfold.economics.uncertainty import (
    Uncertain,
    between,
    monte_carlo,
    net_value,
    probability,
    rate,
    sobol,
    tornado,
)

sizes = st.floats(0.5, 1e4)
WORKED = {
    "acceptance": rate(70, 100),
    "survival": rate(66, 70),
    "value": between(30, 60, 90),
    "multiple": between(0.4, 1, 2.2),
    "cost": between(15, 21.64, 30),
    "review_minutes": between(1, 2, 5),
    "reviewer_hour": between(100, 150, 200),
    "revert_loss": between(50, 100, 300),
}


@given(sizes, sizes, st.floats(1e-9, 1 - 1e-9))
def test_the_beta_distribution_is_the_librarys(a: float, b: float, x: float) -> None:
    assert beta.cdf(a, b, x) == pytest.approx(scipy.special.betainc(a, b, x), abs=1e-7)
    assert beta.quantile(a, b, x) == pytest.approx(scipy.special.betaincinv(a, b, x), abs=1e-7)


def test_a_table_of_quantiles_is_close() -> None:
    for a, b in ((0.5, 0.5), (70.5, 30.5), (5e5, 2e5)):
        table = beta.Table(a, b)
        for at in (0.01, 0.05, 0.3, 0.5, 0.9, 0.99):
            assert scipy.special.betainc(a, b, table.quantile(at)) == pytest.approx(at, abs=2e-3)


@given(st.integers(0, 300), st.integers(0, 300))
def test_an_interval_holds_the_share_and_says_nothing_of_nothing(hits: int, misses: int) -> None:
    found = jeffreys(hits, hits + misses)
    assert 0 <= found.low <= found.high <= 1
    if hits + misses:
        assert found.low <= hits / (hits + misses) <= found.high
    else:
        assert (found.low, found.high) == (0, 1)
    with pytest.raises(ValueError, match="no rate"):
        jeffreys(hits + misses + 1, hits + misses)


def test_ninety_percent_intervals_hold_an_acceptance_about_ninety_times_in_a_hundred() -> None:
    generator = np.random.default_rng(7)
    truth, sizes_ = generator.uniform(0.3, 0.97, 3000), generator.integers(8, 150, 3000)
    held = 0
    for p, n in zip(truth, sizes_, strict=True):
        found = jeffreys(int(generator.binomial(n, p)), int(n))
        held += found.low <= p <= found.high
    assert 0.88 <= held / len(truth) <= 0.92


def test_a_new_repository_may_be_far_from_the_mean() -> None:
    """Twelve repositories between 30 % and 97 %: the mean is known much better than the next one."""
    counts = [(round(40 * p), 40) for p in np.linspace(0.3, 0.97, 12)]
    found = across_repositories(counts)
    assert found.mean.low < 0.635 < found.mean.high and found.mean.high - found.mean.low < 0.3
    assert found.new_repository.low < 0.35 and found.new_repository.high > 0.9
    alike = across_repositories([(28, 40)] * 12)
    assert (
        alike.new_repository.high - alike.new_repository.low < 0.3 and alike.correlation < found.correlation
    )
    with pytest.raises(ValueError, match="no repository"):
        across_repositories([(0, 0)])


def censored(seed: int, n: int, half_life: float) -> tuple[Curve, np.ndarray, np.ndarray]:
    """Work that is taken back at a constant rate, followed for up to 90 days, in whole days (with ties)."""
    generator = np.random.default_rng(seed)
    life = np.ceil(generator.exponential(half_life / math.log(2), n))
    until = np.ceil(generator.uniform(0, 90, n))
    days, ended = np.minimum(life, until), life <= until
    curve = kaplan_meier(Followed(float(d), bool(e)) for d, e in zip(days, ended, strict=True))
    return curve, days, ended


@pytest.mark.parametrize("seed", range(5))
def test_survival_is_the_librarys_under_censoring(seed: int) -> None:
    curve, days, ended = censored(seed, 120, 100)
    data = scipy.stats.CensoredData(uncensored=days[ended], right=days[~ended])
    theirs = scipy.stats.ecdf(data).sf
    for when in range(int(days.max()) + 1):
        at = curve.at(when)
        if at is not None:
            assert at == pytest.approx(float(theirs.evaluate(when)), abs=1e-12)
    low = theirs.confidence_interval(0.9, method="linear").low
    half = float(theirs.evaluate(30) - low.evaluate(30))
    error = curve.standard_error(30)
    assert error is not None and 1.6448536 * error == pytest.approx(half, rel=1e-6)


def test_ninety_percent_intervals_hold_a_survival_about_ninety_times_in_a_hundred() -> None:
    generator = np.random.default_rng(3)
    held = 0
    for _ in range(600):
        truth = generator.uniform(0.6, 0.95)
        n = int(generator.integers(30, 200))
        life = generator.exponential(-30 / math.log(truth), n)
        until = generator.uniform(0, 90, n)
        found = kaplan_meier(
            Followed(float(min(a, b)), bool(a <= b)) for a, b in zip(life, until, strict=True)
        ).interval(30)
        held += found.low <= truth <= found.high
    assert 0.87 <= held / 600 <= 0.94  # the benchmark has more of them


def test_survival_without_censoring_is_a_binomial() -> None:
    curve = kaplan_meier([Followed(10, True, 3), Followed(30, False, 17)])
    assert curve.at(30) == pytest.approx(0.85) and curve.at(9) == 1.0 and curve.at(31) is None
    found = curve.interval(30)
    low = [scipy.stats.beta.cdf(found.low, *shape) for shape in ((17, 4), (18, 3))]
    assert sum(low) / 2 == pytest.approx(0.05, abs=1e-6), "mid-p Clopper-Pearson"


def test_survival_of_nothing_is_unknown() -> None:
    curve = kaplan_meier([])
    assert curve.at(0) is None and (curve.interval(30).low, curve.interval(30).high) == (0, 1)
    assert curve.standard_error(30) is None
    young = kaplan_meier([Followed(5, False, 40)])
    assert young.at(30) is None and young.interval(30).low < 0.01
    gone = kaplan_meier([Followed(5, True, 4)])
    assert gone.at(30) == 0.0


def moments(name: str) -> tuple[float, float]:
    """E[x] and E[x²]."""
    one = WORKED[name]
    return one.mean, one.variance + one.mean**2


def algebra() -> tuple[float, float, dict[str, tuple[float, float]]]:
    """Mean, variance and Sobol's shares of the net value, by hand: it is linear in each of its inputs."""
    names = list(WORKED)
    terms = [
        (1.0, ("acceptance", "survival", "value")),
        (-1.0, ("multiple", "cost")),
        (-1 / 60, ("review_minutes", "reviewer_hour")),
        (-1.0, ("acceptance", "revert_loss")),
        (1.0, ("acceptance", "survival", "revert_loss")),
    ]

    def expected(
        left: list[tuple[float, tuple[str, ...]]], right: list[tuple[float, tuple[str, ...]]]
    ) -> float:
        """E[left · right]."""
        total = 0.0
        for a, first in left:
            for b, second in right:
                factor = a * b
                for name in names:
                    power = (name in first) + (name in second)
                    factor *= (1.0, *moments(name))[power]
                total += factor
        return total

    one: list[tuple[float, tuple[str, ...]]] = [(1.0, ())]
    mean = expected(terms, one)
    variance = expected(terms, terms) - mean**2
    shares = {}
    for name in names:
        slope = [(a, tuple(x for x in of if x != name)) for a, of in terms if name in of]
        v = WORKED[name].variance
        shares[name] = (expected(slope, one) ** 2 * v / variance, expected(slope, slope) * v / variance)
    return mean, variance, shares


def test_monte_carlo_and_sobol_agree_with_the_algebra() -> None:
    mean, variance, shares = algebra()
    found = monte_carlo(WORKED, samples=2**14)
    assert found.mean == pytest.approx(mean, abs=0.05)
    assert found.deviation == pytest.approx(math.sqrt(variance), rel=0.02)
    estimated = {one.name: one for one in sobol(WORKED, samples=2**14)}
    assert set(estimated) == set(shares)
    for name, (first, total) in shares.items():
        assert estimated[name].first == pytest.approx(first, abs=0.025)
        assert estimated[name].total == pytest.approx(total, abs=0.02)
    assert sum(first for first, _ in shares.values()) < 1 < sum(total for _, total in shares.values())


def test_the_tornado_is_the_net_value_at_each_inputs_ends() -> None:
    bars = tornado(WORKED)
    assert [abs(b.at_high - b.at_low) for b in bars] == sorted(
        (abs(b.at_high - b.at_low) for b in bars), reverse=True
    )
    means = {name: one.mean for name, one in WORKED.items()}
    for bar in bars:
        slope = net_value({**means, bar.name: means[bar.name] + 1}) - net_value(means)
        assert bar.at_high - bar.at_low == pytest.approx(slope * (bar.high_input - bar.low_input), rel=1e-6)
        assert (
            WORKED[bar.name].quantile(0.05) == pytest.approx(bar.low_input) and bar.low_input < bar.high_input
        )


def test_what_does_not_vary_has_no_share() -> None:
    fixed = {name: Uncertain("fixed", one.mean) for name, one in WORKED.items()}
    assert sobol(fixed) == () and tornado(fixed) == ()
    assert monte_carlo(fixed).deviation < 1e-9
    with pytest.raises(ValueError, match="no range"):
        between(3, 2, 1)


@given(st.integers(0, 200), st.integers(0, 200))
def test_a_probability_of_so_many_effective_trials_is_the_rate_of_as_many(hits: int, misses: int) -> None:
    trials = hits + misses
    found = probability(hits / trials if trials else 0.5, trials)
    assert found.a == pytest.approx(rate(hits, trials).a) and found.b == pytest.approx(rate(hits, trials).b)
    assert 0 <= found.quantile(0.05) < found.quantile(0.95) <= 1


def test_the_same_seed_gives_the_same_figures() -> None:
    assert monte_carlo(WORKED) == monte_carlo(WORKED) and sobol(WORKED) == sobol(WORKED)

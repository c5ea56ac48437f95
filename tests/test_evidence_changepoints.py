"""Steps are found where they are and nowhere else, whatever the unit, the length and the spikes."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu

from hundredfold.evidence.changepoints import (
    FEWEST,
    LEAST,
    Array,
    _partition,
    _rows,
    mann_whitney,
    steps,
    steps_of_many,
)
from hundredfold.evidence.measures import direction, measure, shown
from hundredfold.evidence.regressions import Alert, examine, grouped, levels_around
from hundredfold.evidence.series import Point, Series


def noisy(seed: int, length: int, noise: float = 0.02) -> Array:
    made: Array = 100 * np.exp(np.random.default_rng(seed).normal(0, noise, length))
    return made


@pytest.mark.parametrize("factor", [0.9, 1.1])
@pytest.mark.parametrize("at", [10, 50, 93])
def test_a_step_is_found_where_it_is(at: int, factor: float) -> None:
    values = noisy(at, 100)
    values[at:] *= factor
    (found,) = steps(values)
    assert abs(found.index - at) <= 2
    assert found.ratio == pytest.approx(factor, abs=0.02)


def test_spikes_and_small_steps_are_none() -> None:
    values = noisy(1, 200, 0.001)
    values[[20, 90, 91, 150]] *= 3
    values[100:] *= 1 + LEAST / 2
    assert steps(values) == []


def test_quiet_series_raise_few_alerts() -> None:
    found = steps_of_many([noisy(seed, 100) for seed in range(300)])
    assert sum(map(len, found)) <= 6, "fewer than 0.02 per 100 points on pure noise"


def test_the_partition_is_the_best_one() -> None:
    """Against every partition of short rows, tried one by one."""
    for seed in range(12):
        values = noisy(seed, 9, 0.05)
        values[4:] *= 1.2
        rows = list(_rows([np.log(values)]))
        _, _, row, penalty = rows[0]

        def cost(ends: list[int], row: Array = row, penalty: float = penalty) -> float:
            pieces = zip([0, *ends], [*ends, len(row)], strict=True)
            return sum(float(((row[a:b] - row[a:b].mean()) ** 2).sum()) + penalty for a, b in pieces)

        def all_ends(start: int) -> list[list[int]]:
            tails = [[end, *rest] for end in range(start + 2, 8) for rest in all_ends(end)]
            return [[], *tails]

        (found,) = _partition(rows)
        assert cost(found) == pytest.approx(min(map(cost, all_ends(0))))


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.floats(1e-9, 1e12, allow_nan=False), max_size=60),
    st.sampled_from([1e-6, 1.0, 1e9]),
)
def test_the_unit_does_not_matter_and_any_series_is_survived(values: list[float], factor: float) -> None:
    plain, scaled = steps(values), steps([value * factor for value in values])
    assert [one.index for one in plain] == [one.index for one in scaled]
    assert all(abs(np.log(one.ratio)) >= np.log1p(LEAST) - 1e-9 and one.p < 1e-3 for one in plain)
    if len(values) < FEWEST:
        assert plain == []


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.integers(0, 9), min_size=2, max_size=40), st.lists(st.integers(3, 9), min_size=2, max_size=40)
)
def test_mann_whitney_is_scipys(left: list[int], right: list[int]) -> None:
    one, other = np.array(left, dtype=float), np.array(right, dtype=float)
    if len({*left, *right}) > 1:
        wanted = mannwhitneyu(one, other, method="asymptotic").pvalue
        assert mann_whitney(one, other) == pytest.approx(wanted, abs=1e-9)


@pytest.mark.parametrize("wrong", [0.0, -1.0, float("nan"), float("inf")])
def test_what_has_no_logarithm_is_refused(wrong: float) -> None:
    with pytest.raises(ValueError, match="positive finite"):
        steps([1.0] * 20 + [wrong])


def test_a_million_points_take_seconds() -> None:
    values = noisy(3, 10**6)
    values[400_000:] *= 1.05
    began = time.process_time()
    (found,) = steps(values)
    assert found.index == 400_000
    assert time.process_time() - began < 30


def series(name: str, values: Array, direction_: str | None = "smaller", first: int = 0) -> Series:
    points = tuple(
        Point((first + at + 1) * 10**6, f"{first + at:040x}", float(value)) for at, value in enumerate(values)
    )
    return Series(name, "suite", name, "ns", direction_, points)  # type: ignore[arg-type]


def stepped(seed: int, at: int, factor: float) -> Array:
    values = noisy(seed, 100)
    values[at:] *= factor
    return values


def test_alerts_of_one_range_of_commits_are_one_group_and_distant_ones_are_not() -> None:
    examined = examine(
        [
            series("a", stepped(1, 50, 1.3)),
            series("b", stepped(2, 51, 1.1)),
            series("c", stepped(3, 80, 1.2)),
            series("better", stepped(4, 50, 0.7)),
            series("throughput", stepped(5, 50, 0.7), "bigger"),
            series("unknown", stepped(6, 50, 1.5), None),
        ]
    )
    late, early = grouped(examined)
    assert [one.series for one in late.alerts] == ["c"]
    assert {one.series for one in early.alerts} == {"a", "b", "throughput"}
    assert int(early.before.commit, 16) < int(early.after.commit, 16) <= 52
    (better,) = grouped(examined, worse=False)
    assert [one.series for one in better.alerts] == ["better"]


def test_series_that_were_measured_on_other_commits_are_grouped_by_time() -> None:
    sparse = series("sparse", stepped(1, 50, 1.3))
    odd = Series("odd", "s", "odd", "ns", "smaller", tuple(sparse.points[::2]))
    (group,) = grouped(examine([sparse, odd]))
    assert len(group.alerts) == 2


def test_noise_is_measured_around_the_levels() -> None:
    (one,) = examine([series("a", stepped(1, 50, 2.0))])
    assert one.noise is not None
    assert one.noise.sigma == pytest.approx(0.02, rel=0.4)
    assert 0.02 <= one.noise.detectable < 0.1


def test_gaps_are_left_out_and_too_many_of_them_say_why() -> None:
    values = stepped(1, 50, 1.3)
    values[[3, 60]] = 0
    (few,) = examine([series("a", values)])
    assert few.left_out == 2 and len(few.alerts) == 1
    values[10:30] = float("nan")
    (many,) = examine([series("a", values)])
    assert many.alerts == () and "22 of 100 values" in many.why_not
    (short,) = examine([series("a", values[:4])])
    assert "too few" in short.why_not


def test_an_alert_names_the_points_on_both_sides() -> None:
    values = stepped(1, 50, 1.3)
    values[49] = 0  # a gap right before the step
    (one,) = examine([series("a", values)])
    alert: Alert = one.alerts[0]
    assert int(alert.last_before.commit, 16) == 48
    assert alert.worse and alert.change == pytest.approx(0.3, abs=0.05)


@pytest.mark.parametrize(
    ("tool", "unit", "wanted"),
    [
        ("customSmallerIsBetter", "ops/s", "smaller"),
        ("customBiggerIsBetter", "ns", "bigger"),
        ("cargo", "ns/iter", "smaller"),
        ("go", "MB/s", "bigger"),
        ("go", "ns/op\t  12 B/op", "smaller"),
        ("go", "allocs/op", "smaller"),
        ("pytest", "iter/sec", "bigger"),
        ("benchmarkjs", "ops/sec", "bigger"),
        ("jmh", "ops/ms", "bigger"),
        ("jmh", "us/op", "smaller"),
        ("custom", "fps", "bigger"),
        ("custom", "widgets", None),
        ("", "", None),
    ],
)
def test_the_direction_is_the_tools_or_the_units(tool: str, unit: str, wanted: str | None) -> None:
    assert direction(tool, unit) == wanted


@pytest.mark.parametrize(
    ("unit", "kept", "factor"),
    [
        ("microseconds", "ns", 1e3), ("µs", "ns", 1e3), ("s", "ns", 1e9), ("ms/iter", "ns/iter", 1e6),
        ("MB/s", "B/s", 1e6), ("KiB", "B", 1024.0), ("B/op", "B/op", 1.0), ("ops/ms", "ops/s", 1e3),
        ("iter/sec", "iter/s", 1.0), ("", "", 1.0), ("widgets", "widgets", 1.0),
    ],
)  # fmt: skip
def test_units_of_one_dimension_are_kept_in_one(unit: str, kept: str, factor: float) -> None:
    found = measure(unit)
    assert found.unit == kept and found.factor == pytest.approx(factor)


def test_values_are_shown_with_a_fitting_prefix() -> None:
    assert shown(1_234_567, "ns") == "1.23 ms"
    assert shown(2.5e9, "B/s") == "2.5 GB/s"
    assert shown(12, "widgets") == "12 widgets"


def test_the_medians_are_of_the_levels_beside_the_step() -> None:
    values = np.concatenate([stepped(1, 50, 1.3), stepped(2, 30, 1.5) * 3])
    (one,) = examine([series("a", values)])
    bounds = [0, *(alert.level.index for alert in one.alerts), len(values)]
    assert len(bounds) >= 4, "several steps"
    for at, alert in enumerate(one.alerts, 1):
        begin, end = levels_around(one, alert.level.index)
        assert (begin, end) == (bounds[at - 1], bounds[at + 1])
        assert alert.level.before == np.median(values[begin : alert.level.index])
        assert alert.level.after == np.median(values[alert.level.index : end])

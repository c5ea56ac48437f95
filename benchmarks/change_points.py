"""Change points in real benchmark series: recall of injected steps against alerts on the bare series.

    python -m benchmarks.change_points NAME=data.js … --otava /path/to/python [--windows 130] [--seed 11]

Windows of 100 points are drawn from each project's real series; a step of 5, 10 or 20 % is put at a random
point between 20 and 79 and counts as found if a change point lies within 3 points of it. "Alerts" are change
points per 100 points on the bare windows: real steps of the project are among them. Intervals are 95 % by
bootstrap over series. Beside it, on the same windows: apache-otava, and github-action-benchmark's rule (a
point that is more than so many per cent of the one before).

Then time: 10,000 series of 500 points, a tenth of them with a step; otava on a part of the same series.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hundredfold.evidence.changepoints import steps_of_many
from hundredfold.sources.benchmarks.reading import read
from hundredfold.sources.benchmarks.records import Run

LENGTH, TOLERANCE = 100, 3
SIZES = (0.05, 0.10, 0.20)
Windows = list[NDArray[np.float64]]
Detect = Callable[[Windows], list[list[int]]]


def series_of(file: Path) -> dict[str, NDArray[np.float64]]:
    """Each series of a file that is long enough and has no zeros, by suite, name and unit."""
    found: dict[str, list[tuple[int, float]]] = {}
    for one in read(file.read_bytes(), file.name, Run()).readings:
        found.setdefault(f"{one.suite}\0{one.name}\0{one.unit}", []).append((one.at_us, one.value))
    made = {key: np.array([value for _, value in sorted(points)]) for key, points in found.items()}
    return {key: one for key, one in made.items() if len(one) >= LENGTH and (one > 0).all() and one.std() > 0}


def ours(windows: Windows) -> list[list[int]]:
    return [[one.index for one in found] for found in steps_of_many(windows)]


def by_rule(percent: float) -> Detect:
    """github-action-benchmark: a point against the one before, in either direction (a tool has one)."""

    def detect(windows: Windows) -> list[list[int]]:
        return [[int(at) + 1 for at in np.flatnonzero(one[1:] / one[:-1] > percent / 100)] for one in windows]

    return detect


def by_otava(python: str, seconds: list[float]) -> Detect:
    def detect(windows: Windows) -> list[list[int]]:
        asked = json.dumps({"p": 0.001, "series": [list(one) for one in windows]})
        side = Path(__file__).with_name("otava_side.py")
        done = subprocess.run([python, str(side)], input=asked, capture_output=True, text=True, check=True)
        told = json.loads(done.stdout)
        seconds.append(told["cpu_s"])
        return [list(one) for one in told["found"]]

    return detect


def measured(windows: list[tuple[str, NDArray[np.float64]]], detect: Detect, seed: int) -> str:
    """Alerts per 100 points, and recall by size of step, each with its interval."""
    rng = np.random.default_rng(seed)
    keys = np.array([key for key, _ in windows])
    bare = [one for _, one in windows]
    columns = [np.array([len(found) for found in detect(bare)], dtype=float)]
    for size in SIZES:
        at = rng.integers(20, 80, len(bare))
        stepped = [
            np.where(np.arange(LENGTH) >= place, one * (1 + size), one)
            for one, place in zip(bare, at, strict=True)
        ]
        hits = [
            any(abs(one - place) <= TOLERANCE for one in found)
            for found, place in zip(detect(stepped), at, strict=True)
        ]
        columns.append(np.array(hits, dtype=float))
    names = np.unique(keys)
    groups = [np.flatnonzero(keys == name) for name in names]
    draws = []
    for _ in range(1000):
        picked = np.concatenate([groups[one] for one in rng.integers(0, len(groups), len(groups))])
        draws.append([column[picked].mean() for column in columns])
    low, high = np.quantile(np.array(draws), [0.025, 0.975], axis=0)
    cells = [
        f"{column.mean():.2f} ({a:.2f}–{b:.2f})" for column, a, b in zip(columns, low, high, strict=True)
    ]
    return " | ".join(cells)


def timing(count: int, part: int, otava: str) -> None:
    rng = np.random.default_rng(1)
    made = np.exp(rng.normal(0, 0.02, (count, 500)))
    for row in range(0, count, 10):
        made[row, rng.integers(50, 450) :] *= 1.1
    began = time.process_time()
    found = ours(list(made))
    took = time.process_time() - began
    print(
        f"\n{count:,} series × 500 points: {took:.2f} CPU s ({took / count * 1e6:.0f} µs a series), "
        f"{sum(map(len, found))} steps"
    )
    if otava:
        seconds: list[float] = []
        by_otava(otava, seconds)(list(made[:part]))
        whole = seconds[0] / part * count
        print(
            f"otava on {part:,} of them: {seconds[0]:.2f} CPU s; {whole:.1f} s for all: "
            f"{whole / took:.1f} times ours"
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("projects", nargs="+", metavar="NAME=FILE")
    parser.add_argument("--otava", default="", help="an interpreter that has apache-otava")
    parser.add_argument("--windows", type=int, default=130)
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--series", type=int, default=10_000)
    parser.add_argument("--part", type=int, default=500, help="series that otava is timed on")
    given = parser.parse_args()
    seconds: list[float] = []
    methods: list[tuple[str, Detect]] = [("hundredfold", ours)]
    if given.otava:
        methods.append(("otava 0.001", by_otava(given.otava, seconds)))
    methods += [("rule 200 %", by_rule(200)), ("rule 110 %", by_rule(110))]
    print("| project | series | method | alerts / 100 points | 5 % | 10 % | 20 % |")
    print("|---|---|---|---|---|---|---|")
    for pair in given.projects:
        name, _, file = pair.partition("=")
        series = series_of(Path(file))
        rng = np.random.default_rng(given.seed)
        keys = sorted(series)
        windows = []
        for _ in range(given.windows):
            key = keys[rng.integers(len(keys))]
            start = int(rng.integers(0, len(series[key]) - LENGTH + 1))
            windows.append((key, series[key][start : start + LENGTH]))
        for label, detect in methods:
            print(
                f"| {name} | {len(keys)} | {label} | {measured(windows, detect, given.seed + 1)} |",
                flush=True,
            )
    timing(given.series, given.part, given.otava)


if __name__ == "__main__":
    main()

"""How often 90 % intervals hold the truth, over simulated projects whose acceptance and survival are known;
and survival under censoring against lifelines, if its environment is named. To hold: 88 to 92 of a hundred.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
from pathlib import Path

import numpy as np

from hundredfold.economics.intervals import across_repositories, jeffreys
from hundredfold.economics.survival import Followed, kaplan_meier

HORIZON = 30


def acceptance(projects: int, generator: np.random.Generator) -> float:
    """One repository each: 8 to 200 decided, acceptance from 30 % to 97 %."""
    held = 0
    for _ in range(projects):
        p, n = generator.uniform(0.3, 0.97), int(generator.integers(8, 200))
        found = jeffreys(int(generator.binomial(n, p)), n)
        held += found.low <= p <= found.high
    return held / projects


def several(projects: int, generator: np.random.Generator) -> tuple[float, float]:
    """4 to 20 repositories each, 5 to 60 decided in one, alike to differing degrees: how often the mean's
    interval holds the mean, and the new repository's a new one's own rate."""
    mean_held = new_held = 0
    for _ in range(projects):
        mean, correlation = generator.uniform(0.4, 0.85), generator.uniform(0.03, 0.4)
        size, repositories = 1 / correlation - 1, int(generator.integers(4, 21))
        rates = generator.beta(mean * size, (1 - mean) * size, repositories)
        decided = generator.integers(5, 61, repositories)
        accepted = generator.binomial(decided, rates)
        found = across_repositories([(int(k), int(n)) for k, n in zip(accepted, decided, strict=True)])
        mean_held += found.mean.low <= mean <= found.mean.high
        new = generator.beta(mean * size, (1 - mean) * size)
        new_held += found.new_repository.low <= new <= found.new_repository.high
    return mean_held / projects, new_held / projects


def pooled(projects: int, generator: np.random.Generator) -> float:
    """The same repositories, their pull requests taken as independent: what is wrong with that."""
    held = 0
    for _ in range(projects):
        mean, correlation = generator.uniform(0.4, 0.85), generator.uniform(0.03, 0.4)
        size, repositories = 1 / correlation - 1, int(generator.integers(4, 21))
        rates = generator.beta(mean * size, (1 - mean) * size, repositories)
        decided = generator.integers(5, 61, repositories)
        found = jeffreys(int(generator.binomial(decided, rates).sum()), int(decided.sum()))
        held += found.low <= mean <= found.high
    return held / projects


def a_project(generator: np.random.Generator) -> tuple[float, list[float], list[bool]]:
    """Accepted work that is taken back at a constant rate, followed for up to 90 days: the share that stands
    the horizon, and how long each was followed and whether it was taken back."""
    truth, n = generator.uniform(0.6, 0.97), int(generator.integers(25, 250))
    life = generator.exponential(-HORIZON / math.log(truth), n)
    until = generator.uniform(0, 90, n)
    return truth, np.minimum(life, until).tolist(), (life <= until).tolist()


def survival(projects: int, generator: np.random.Generator) -> float:
    """How often the interval at the horizon holds the truth."""
    held = 0
    for _ in range(projects):
        truth, days, ended = a_project(generator)
        found = kaplan_meier(map(Followed, days, ended)).interval(HORIZON)
        held += found.low <= truth <= found.high
    return held / projects


THEIRS = """
import json, sys
from lifelines import KaplanMeierFitter
found = []
for days, ended in json.load(sys.stdin):
    fitted = KaplanMeierFitter(alpha=0.1).fit(days, ended)
    found.append([float(fitted.predict(at)) for at in (7, 30, 60)])
print(json.dumps(found))
"""


def against_lifelines(python: Path, projects: int, generator: np.random.Generator) -> float:
    """The largest difference of the estimates at 7, 30 and 60 days, whole days so that there are ties."""
    made = []
    for _ in range(projects):
        _, days, ended = a_project(generator)
        made.append(([float(math.ceil(one)) for one in days], ended))
    done = subprocess.run(
        [str(python), "-c", THEIRS], input=json.dumps(made), capture_output=True, text=True, check=True
    )
    worst = 0.0
    for (days, ended), theirs in zip(made, json.loads(done.stdout), strict=True):
        curve = kaplan_meier(map(Followed, days, ended))
        for at, their in zip((7, 30, 60), theirs, strict=True):
            ours = curve.at(at)
            if ours is not None:
                worst = max(worst, abs(ours - their))
    return worst


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--projects", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--lifelines", type=Path, help="the Python of an environment with lifelines")
    arguments = parser.parse_args()
    generator = np.random.default_rng(arguments.seed)
    n = arguments.projects
    print(f"acceptance, one repository:     {100 * acceptance(n, generator):.1f} % of {n:,}")
    mean, new = several(n // 20, generator)
    print(f"acceptance, mean of several:    {100 * mean:.1f} % of {n // 20:,}")
    print(f"acceptance of a new repository: {100 * new:.1f} % of {n // 20:,}")
    print(f"the same, pooled (wrong):       {100 * pooled(n // 20, generator):.1f} % of {n // 20:,}")
    print(f"survival of 30 days, censored:  {100 * survival(n // 2, generator):.1f} % of {n // 2:,}")
    if arguments.lifelines:
        worst = against_lifelines(arguments.lifelines, 100, generator)
        print(f"largest difference from lifelines' estimates: {worst:.1e} over 100 projects")


if __name__ == "__main__":
    main()

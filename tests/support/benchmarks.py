"""A repository whose benchmark became slower at one commit, with its results as github-action-benchmark's."""

from __future__ import annotations

import json
import random
from pathlib import Path

from tests.support.repositories import RepositoryMaker

BENCH = """import json
from work import cost
print("some words before")
print(json.dumps([{"name": "parse", "unit": "ms", "value": cost()}]))
"""
WORK = """import random


def cost():
    # revision {n}
    rows = {rows}
    return len(rows) * random.uniform(0.99, 1.01)
"""
FAST, SLOW = "range(100)", "[row for row in range(130)]"
SLOW_FROM = 30
UNMEASURED = range(28, 33)


def slower_project(maker: RepositoryMaker, commits: int = 48) -> list[str]:
    """Commits, of which the 31st made `parse` 30 % slower; those around it were not measured. The shas."""
    rng = random.Random(7)
    shas, entries = [], []
    for n in range(commits):
        slow = n >= SLOW_FROM
        code = WORK.format(n=n, rows=SLOW if slow else FAST)
        shas.append(maker.commit({"bench.py": BENCH, "work.py": code}, f"Change {n}"))
        if n in UNMEASURED:
            continue
        value = (130 if slow else 100) * rng.uniform(0.99, 1.01)
        benches = [
            {"name": "parse", "unit": "ms", "value": value},
            {"name": "parse more", "unit": "us", "value": value * 3 * rng.uniform(0.97, 1.03)},
            {"name": "steady", "unit": "ms", "value": 50 * rng.uniform(0.98, 1.02)},
        ]
        entries.append(
            {
                "commit": {"id": shas[-1]},
                "date": maker.clock * 1000,
                "tool": "customSmallerIsBetter",
                "benches": benches,
            }
        )
    write_results(maker.root, entries)
    return shas


def write_results(root: Path, entries: list[dict[str, object]], name: str = "data.js") -> None:
    """Results as github-action-benchmark keeps them."""
    (root / name).write_text("window.BENCHMARK_DATA = " + json.dumps({"entries": {"Python": entries}}))

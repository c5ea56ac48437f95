"""A million measurements from one file: read, kept, read again, given back, examined; time and memory.

    ./dev exec python -m benchmarks.million_points [--points 1000000]

Two files of github-action-benchmark's form: one series over as many commits, and 500 series over 2,000
commits. Each is a process of its own. The bare row decodes the same JSON and throws it away.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

SERIES = {"one series": 1, "500 series": 500}


def write(file: Path, points: int, series: int) -> None:
    """A file of so many points; the last 300 commits are 10 % slower."""
    rng, commits = random.Random(1), points // series
    with file.open("w") as out:
        out.write('window.BENCHMARK_DATA = {"entries": {"Suite": [')
        for at in range(commits):
            level = 1.1 if at >= commits - 300 else 1.0
            benches = [
                {
                    "name": f"bench {one}",
                    "unit": "ns/iter",
                    "value": round((100 + one) * level * rng.gauss(1, 0.01), 3),
                    "range": "± 3",
                }
                for one in range(series)
            ]
            date = 1_600_000_000_000 + at * 60_000
            entry = {"commit": {"id": f"{at:040x}"}, "date": date, "tool": "cargo", "benches": benches}
            out.write(("," if at else "") + json.dumps(entry))
        out.write("]}}")


def timed(name: str, what: Callable[[], Any]) -> Any:
    """What it gives; prints its row."""
    wall, cpu = time.monotonic(), time.process_time()
    found = what()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"| {name} | {time.process_time() - cpu:.1f} | {time.monotonic() - wall:.1f} | {peak:.0f} |",
        flush=True,
    )
    return found


def measure(file: Path, folder: Path) -> None:
    """All rows of one file."""
    from hundredfold.evidence.regressions import examine
    from hundredfold.jobs.benchmarks.collecting import measured
    from hundredfold.sources.benchmarks.reading import read
    from hundredfold.sources.benchmarks.records import Run
    from hundredfold.store.benchmarks import keep, of_project
    from hundredfold.store.database import open_database, sqlite_url
    from hundredfold.store.items import keep_project

    database = open_database(sqlite_url(folder / "store.db"))
    keep_project(database, "p", folder)
    for turn in ("", ", the second time"):
        found = timed(f"read{turn}", lambda: read(file.read_bytes(), file.name, Run()))
        count = len(found.readings)
        new = timed(f"keep{turn}", partial(keep, database, "p", measured(found, file.name, {})))
        assert new == (0 if turn else count)
        del found
    series = timed("give back the newest 5,000 of each series", lambda: of_project(database, "p"))
    examined = timed("examine", lambda: examine(series))
    print(f"{count:,} points, {len(series):,} series, {sum(len(one.alerts) for one in examined):,} steps")


def bare(file: Path) -> None:
    """The JSON alone, decoded by the same library."""
    import msgspec

    timed("bare: the JSON decoded", lambda: msgspec.json.decode(file.read_bytes().partition(b"=")[2]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=1_000_000)
    parser.add_argument("--file", type=Path)
    parser.add_argument("--bare", action="store_true")
    given = parser.parse_args()
    if given.file:
        if given.bare:
            bare(given.file)
        else:
            measure(given.file, given.file.parent)
        return
    for name, series in SERIES.items():
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "data.js"
            write(file, given.points, series)
            print(f"\n{name}, {file.stat().st_size / 1e6:.0f} MB\n")
            print("| step | CPU s | wall s | peak MB |\n|---|---|---|---|", flush=True)
            command = [sys.executable, "-m", "benchmarks.million_points", "--file", str(file)]
            for more in (["--bare"], []):
                subprocess.run([*command, *more], check=True)


if __name__ == "__main__":
    main()

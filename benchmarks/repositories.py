"""The main job without a model on real repositories: what it finds, how long it takes, how much memory.

    ./dev exec python -m benchmarks.repositories PATH [PATH …] [--commits 30]

Each PATH is a git repository on this machine (a clone of any public project).
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

COLUMNS = (
    "repository",
    "files",
    "commits",
    "items by state",
    "parts screened",
    "parts not looked at",
    "tasks an agent would get",
    "wall s",
    "CPU s",
    "peak MB",
)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("paths", nargs="+", type=Path)
    parser.add_argument("--commits", type=int, default=30)
    arguments = parser.parse_args()
    print("| " + " | ".join(COLUMNS) + " |")
    print("|" + "---|" * len(COLUMNS))
    for path in arguments.paths:
        print(measured(path, arguments.commits), flush=True)


def measured(path: Path, commits: int) -> str:
    files = subprocess.run(["git", "-C", str(path), "ls-files", "-z"], capture_output=True, check=True).stdout
    with tempfile.TemporaryDirectory() as home:
        began, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
        options = ["--no-model", "--json", "--commits", str(commits), "--repo", str(path)]
        done = subprocess.run(
            [sys.executable, "-m", "hundredfold", "run", *options],
            env={**os.environ, "HUNDREDFOLD_HOME": home},
            capture_output=True,
            check=False,
        )
        wall, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        return f"| {path.name} | exit {done.returncode}: {done.stderr.decode()[-300:]} |"
    report = json.loads(done.stdout)
    states = ", ".join(f"{count} {state}" for state, count in sorted(report["items"].items()))
    coverage = report["coverage"]
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    figures = (
        path.name,
        f"{files.count(0):,}",
        report["taken"]["found"],
        states,
        f"{coverage['screened']:,}",
        f"{coverage['not_looked_at']:,}",
        report["listed"]["tasks"],
        f"{wall:.1f}",
        f"{cpu:.1f}",
        f"{after.ru_maxrss / 1000:.0f}",
    )
    return "| " + " | ".join(map(str, figures)) + " |"


if __name__ == "__main__":
    main()

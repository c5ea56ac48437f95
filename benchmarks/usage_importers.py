"""`hundredfold spend import` beside other trackers, on the same generated logs, in one run.

    npm install --prefix PEERS ccusage@20.0.24 @tokscale/cli-linux-x64-gnu llm-usage-metrics vibestats
    python -m benchmarks.usage_importers --peers PEERS --folder SCRATCH --megabytes 200 2000

Each program reads a corpus (`usage_corpus`) for the first time, again with nothing changed, and again after
one per cent of it was added. Files are in the page cache before each run. Memory is the sum over a program's
processes, sampled. The tokens each reports are compared with the truth. Our database is made beforehand, as
`init` does; of the peers each keeps the cache it makes.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
from msgspec import Struct

from benchmarks.usage_corpus.corpus import GIANT, Corpus
from hundredfold.store.database import open_database, sqlite_url
from hundredfold.vocabulary import Usage

MB = 1_000_000


class Program(Struct):
    """One tracker: its command, and the sum of all tokens in what it prints."""

    name: str
    command: list[str]
    tokens: Callable[[Any], int]


class Ran(Struct):
    """One run: seconds, megabytes, and tokens it found."""

    wall: float
    cpu: float
    memory: float
    tokens: int


def _sum(rows: list[dict[str, Any]], *names: str) -> int:
    return sum(int(row[name]) for row in rows for name in names)


def programs(peers: Path, extra: Path | None) -> list[Program]:
    """Those that are installed."""
    modules = peers / "node_modules"
    node = shutil.which("node") or "node"
    ccusage = modules / "@ccusage/ccusage-linux-x64/bin/ccusage"
    tokscale = modules / "@tokscale/cli-linux-x64-gnu/bin/tokscale"
    known = [
        Program(
            "ccusage",
            [str(ccusage), "daily", "--json", "--offline"],
            lambda found: int(found["totals"]["totalTokens"]),
        ),
        Program(
            "tokscale",
            [str(tokscale), "models", "--json", "--no-spinner", "-c", "codex,claude"],
            lambda found: _sum(found["entries"], "input", "output", "cacheRead", "cacheWrite", "reasoning"),
        ),
        Program(
            "llm-usage-metrics",
            [node, str(modules / "llm-usage-metrics/dist/index.js"), "monthly", "--json"],
            lambda found: _llm_usage(found),
        ),
        Program(
            "vibestats",
            [node, str(modules / "vibestats/dist/index.js"), "--combined", "--total", "--json"],
            lambda found: int(found["totals"]["totalTokens"]),
        ),
    ]
    if extra is not None:
        known.append(
            Program(
                "aiburn (PyPI)",
                [str(extra), "monthly", "--json"],
                lambda found: _sum(found["groups"], "input", "output", "cache"),
            )
        )
    return [one for one in known if Path(one.command[1 if one.command[0] == node else 0]).exists()]


def _llm_usage(found: Any) -> int:
    """The last row is the sum of all."""
    rows = found if isinstance(found, list) else next(one for one in found.values() if isinstance(one, list))
    return _sum(rows[-1:], "totalTokens")


def run(command: list[str], home: Path, **more: str) -> tuple[float, float, float, bytes]:
    """Wall and CPU seconds, peak megabytes, and what it printed."""
    environment = {**os.environ, "HOME": str(home), "NO_COLOR": "1", **more}
    for name in ("CODEX_HOME", "CLAUDE_CONFIG_DIR", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME"):
        environment.pop(name, None)
    output = home / "printed"
    began = time.monotonic()
    with output.open("wb") as file:
        process = subprocess.Popen(command, env=environment, stdout=file, stderr=subprocess.DEVNULL, cwd=home)
        peak, watched = 0, psutil.Process(process.pid)
        while True:
            pid, status, usage = os.wait4(process.pid, os.WNOHANG)
            if pid:
                break
            try:
                alive = [watched, *watched.children(recursive=True)]
                peak = max(peak, sum(one.memory_info().rss for one in alive))
            except psutil.Error:
                pass
            time.sleep(0.01)
    process.returncode = os.waitstatus_to_exitcode(status)
    wall = time.monotonic() - began
    peak = max(peak, usage.ru_maxrss * 1024)
    return wall, usage.ru_utime + usage.ru_stime, peak / MB, output.read_bytes()


def warm(folder: Path) -> None:
    """Have the logs in the page cache."""
    for path in folder.rglob("*.jsonl"):
        with path.open("rb") as file:
            while file.read(1 << 20):
                pass


def ours(home: Path, base: Path) -> Ran:
    """Our import, and what the ledger holds after it."""
    hundredfold = Path(sys.executable).with_name("hundredfold")
    command = [str(hundredfold), "spend", "import", "--json", "--person", "x"]
    wall, cpu, memory, _ = run(command, home, HUNDREDFOLD_HOME=str(base))
    database = open_database(sqlite_url(base / "hundredfold.db"))
    with database.read() as connection:
        found = connection.exec_driver_sql("SELECT sum(input) + sum(output) FROM rollups WHERE grain = 1")
        tokens = int(found.scalar_one())
    database.close()
    return Ran(wall, cpu, memory, tokens)


def theirs(program: Program, home: Path) -> Ran | None:
    """A peer's run; None if it failed."""
    wall, cpu, memory, printed = run(program.command, home)
    try:
        return Ran(wall, cpu, memory, program.tokens(json.loads(printed)))
    except (ValueError, KeyError, TypeError, IndexError) as error:
        print(f"{program.name}: {type(error).__name__}: {error}: {printed[:200]!r}", file=sys.stderr)
        return None


def least(runs: list[Ran | None]) -> Ran | None:
    """The least seconds, the most memory, and the tokens of the last run; None if one failed."""
    done = [one for one in runs if one is not None]
    if len(done) < len(runs):
        return None
    wall, cpu = min(one.wall for one in done), min(one.cpu for one in done)
    return Ran(wall, cpu, max(one.memory for one in done), done[-1].tokens)


def anew(home: Path, base: Path) -> None:
    """No program has read anything yet: an empty database, no caches."""
    for folder in (base, home / ".cache", home / ".config", home / ".local"):
        shutil.rmtree(folder, ignore_errors=True)
    open_database(sqlite_url(base / "hundredfold.db")).close()


def measure(corpus: Corpus, home: Path, base: Path, known: list[Program], size: int, repeats: int) -> None:
    """Of each phase the least seconds of so many repeats; each repeat of the last adds one per cent."""
    rows: dict[str, list[Ran | None]] = {one: [] for one in (*(each.name for each in known), "hundredfold")}
    truths: list[int] = []
    for phase in ("first", "again", "1 % more"):
        tried: dict[str, list[Ran | None]] = {name: [] for name in rows}
        for _ in range(repeats):
            if phase == "first":
                anew(home, base)
            if phase == "1 % more":
                corpus.grow(size // 100)
                corpus.flush()
            warm(home)
            for program in known:
                tried[program.name].append(theirs(program, home))
            tried["hundredfold"].append(ours(home, base))
        total: Usage = corpus.truth.totals()
        truths.append(total.input + total.output)
        for name, runs in tried.items():
            rows[name].append(least(runs))
    requests = len(corpus.truth.requests)
    print(f"\n{corpus.bytes / MB:,.0f} MB, {requests:,} requests, {truths[-1]:,} tokens\n")
    names = ("first", "again", "1 % more")
    print(
        "| program | tokens against the truth | "
        + " | ".join(f"{n}: CPU s, wall s" for n in names)
        + " | MB |"
    )
    print("|---|---|---|---|---|---|")
    for name, runs in rows.items():
        cells = [f"{one.cpu:.2f}, {one.wall:.2f}" if one else "failed" for one in runs]
        errors = {
            "exact" if one.tokens == truth else f"{(one.tokens - truth) / truth:+.2%}"
            for one, truth in zip(runs, truths, strict=True)
            if one
        }
        memory = max((one.memory for one in runs if one), default=0)
        print(f"| {name} | {', '.join(sorted(errors))} | {' | '.join(cells)} | {memory:,.0f} |", flush=True)
    mine = [one for one in rows["hundredfold"] if one is not None]
    for number, phase in enumerate(names):
        for what in ("cpu", "wall"):
            best = min(
                (getattr(runs[number], what), name)
                for name, runs in rows.items()
                if name != "hundredfold" and runs[number] is not None
            )
            ratio = best[0] / getattr(mine[number], what)
            print(f"{phase}: {what} of the fastest ({best[1]}) / ours = {ratio:.2f}")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    arguments.add_argument("--peers", type=Path, required=True)
    arguments.add_argument("--aiburn", type=Path)
    arguments.add_argument("--folder", type=Path, required=True)
    arguments.add_argument("--megabytes", type=int, nargs="+", default=[200, 2000])
    arguments.add_argument("--repeats", type=int, default=3)
    arguments.add_argument("--seed", type=int, default=1)
    given = arguments.parse_args()
    known = programs(given.peers.resolve(), given.aiburn and given.aiburn.resolve())
    for megabytes in given.megabytes:
        home = (given.folder / f"corpus{megabytes}").resolve()
        shutil.rmtree(home, ignore_errors=True)
        base = home / "hundredfold-home"
        corpus = Corpus(home, given.seed, giant=GIANT)
        corpus.write(megabytes * MB)
        corpus.flush()
        measure(corpus, home, base, known, megabytes * MB, given.repeats)
        shutil.rmtree(home)


if __name__ == "__main__":
    main()

"""A month of the reference bill's size in the ledger: 7.6 million requests, 603 billion tokens.

Writes the ledger the way everything does (`Ledger.append`), then times `spend` and `whatif` by every
grouping: query and rendering inside the process, CPU seconds of the whole command as a process and on a
terminal, computing all sums anew, and the database's size.
The totals must equal what was generated, to the token.

    ./dev exec python -m benchmarks.month_ledger --keep FOLDER [--requests 7600000]
"""

from __future__ import annotations

import argparse
import json
import os
import pty
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import redirect_stdout, suppress
from io import StringIO
from pathlib import Path

import numpy as np

from hundredfold.prices.book import load_book
from hundredfold.store.database import Database, now_us, open_database, sqlite_url
from hundredfold.usage.ledger import Booking, Entry, Ledger, WireRoute
from hundredfold.usage.rollups import rebuild
from hundredfold.vocabulary import Usage

TOKENS = 603_000_000_000
DAYS = 30
DAY_US = 86_400_000_000
AGENTS = 100
CHUNK = 40_000
JOBS = ("review", "security", "dedupe", "bugs", "benchmarks", "direction", "meetings")
PEOPLE = ("Ada", "Grace", "Edsger")
#: model asked for, as served, tier asked for, as served, weight
ROUTES = (
    ("gpt-5.5", "gpt-5.5-2026-04-23", "fast", "priority", 0.62),
    ("gpt-5.5", "gpt-5.5-2026-04-23", "fast", "default", 0.05),
    ("gpt-5.5", "gpt-5.5-2026-04-23", "standard", "default", 0.12),
    ("gpt-5.5", "gpt-5.5-2026-04-23", "flex", "flex", 0.06),
    ("gpt-5.4", "gpt-5.4-2026-03-05", "standard", "default", 0.08),
    ("gpt-5.6", "gpt-5.6-sol", "standard", "default", 0.04),
    ("gpt-5.4-mini", "gpt-5.4-mini", "standard", "default", 0.03),
)


def entries(number: int, end_us: int, seed: int = 7) -> Iterator[list[Entry]]:
    """The month, in the order of time: a hundred agents, each on one attempt of about forty requests."""
    dice = np.random.default_rng(seed)
    start_us = end_us - DAYS * DAY_US
    routes = [WireRoute("openai", "responses", *one[:4]) for one in ROUTES]  # type: ignore[arg-type]
    weights = [one[4] for one in ROUTES]
    bookings = [
        Booking(f"project-{p}", job, agent, person, "acme" if p else "me", "R&D" if p % 2 else "")
        for p in range(5)
        for job in JOBS
        for agent, person in (("codex", PEOPLE[(p + len(job)) % 3]), ("native", PEOPLE[p % 3]))
    ]
    mean = TOKENS * number // 7_600_000 / number
    attempt = np.arange(AGENTS) + 1
    booked = dice.integers(len(bookings), size=AGENTS)
    routed = dice.choice(len(routes), size=AGENTS, p=weights)
    left, given = TOKENS * number // 7_600_000, AGENTS
    for first in range(0, number, CHUNK):
        count = min(CHUNK, number - first)
        at = start_us + (np.arange(first, first + count) * (DAYS * DAY_US // number))
        who = dice.integers(AGENTS, size=count)
        ends = dice.random(count) < 1 / 40
        large = dice.random(count) < 0.015
        size = np.where(
            large, dice.integers(272_001, 400_000, count), dice.gamma(2.2, mean * 0.94 / 2.2, count)
        )
        size = np.maximum(size.astype(np.int64), 200)
        output = dice.integers(20, 480, count)
        cached = (size * np.where(dice.random(count) < 0.03, 0, dice.uniform(0.93, 0.985, count))).astype(
            np.int64
        )
        keys = dice.bytes(25 * count).hex()
        batch = []
        for n in range(count):
            agent = who[n]
            if ends[n]:
                given += 1
                attempt[agent] = given
                booked[agent] = dice.integers(len(bookings))
                routed[agent] = dice.choice(len(routes), p=weights)
            last = first + n == number - 1
            input_ = int(left - output[n]) if last else int(size[n])  # the last one makes the sum exact
            left -= input_ + int(output[n])
            batch.append(
                Entry(
                    key="resp_" + keys[50 * n : 50 * n + 50],
                    source="wire",
                    status="settled",
                    at_us=int(at[n]),
                    attempt=int(attempt[agent]),
                    booking=bookings[booked[agent]],
                    route=routes[routed[agent]],
                    usage=Usage(input_, min(int(cached[n]), input_), 0, int(output[n]), int(output[n]) // 3),
                    http_status=200,
                    first_byte_ms=900,
                    total_ms=15_000,
                )
            )
        yield batch


def cpu() -> float:
    own = resource.getrusage(resource.RUSAGE_SELF)
    return own.ru_utime + own.ru_stime


def build(database: Database, number: int, end_us: int) -> None:
    ledger, spent, began, done = Ledger(database), 0.0, time.monotonic(), 0
    with database.read() as connection:
        there = int(connection.exec_driver_sql("SELECT count(*) FROM requests").scalar_one())
    for batch in entries(number, end_us):
        if done + len(batch) <= there:  # an interrupted run goes on
            done += len(batch)
            continue
        before = cpu()
        ledger.append(batch)
        spent += cpu() - before
        done += len(batch)
        if done % (CHUNK * 20) == 0:
            print(f"  {done:,} rows, {spent:.0f} CPU s in the ledger", file=sys.stderr, flush=True)
    wall = time.monotonic() - began
    print(
        f"| append | {number:,} rows | {spent:.1f} CPU s | {spent / number * 1e6:.1f} µs a row | {wall:.0f} s"
    )


def repository_of(folder: Path) -> Path:
    """A repository to call the program in."""
    repository = folder / "repository"
    if not repository.exists():
        subprocess.run(["git", "init", "-q", str(repository)], check=True)
        told = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org")
        subprocess.run(
            ["git", "-C", str(repository), *told, "commit", "-q", "--allow-empty", "-m", "first"], check=True
        )
    return repository


def as_process(folder: Path, *arguments: str) -> tuple[float, str]:
    """User and system time of one call of the program, the best of three, and what it printed."""
    repository = repository_of(folder)
    best, out = 1e9, ""
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(
            [sys.executable, "-m", "hundredfold", *arguments, "-C", str(repository)],
            capture_output=True, text=True, check=False, env={**os.environ, "HUNDREDFOLD_HOME": str(folder)},
        )  # fmt: skip
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert done.returncode == 0, done.stderr
        best = min(best, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        out = done.stdout
    return best, out


def on_terminal(folder: Path, *arguments: str) -> float:
    """User and system time of one call of the program on a terminal, the best of three."""
    command = [sys.executable, "-m", "hundredfold", *arguments, "-C", str(repository_of(folder))]
    best = 1e9
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        child, terminal = pty.fork()
        if not child:
            os.environ.update(HUNDREDFOLD_HOME=str(folder), COLUMNS="120", TERM="xterm-256color")
            os.execv(command[0], command)
        with suppress(OSError):  # Linux says so that the other end is closed
            while os.read(terminal, 65536):
                pass
        os.close(terminal)
        _, status = os.waitpid(child, 0)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert status == 0, arguments
        best = min(best, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return best


def rebuilding(database: Database) -> float:
    """CPU seconds of computing all sums anew."""
    before = cpu()
    rebuild(database, load_book().thresholds)
    return cpu() - before


def in_process(
    database: Database, by: tuple[str, ...], days: int, zone: str = "UTC", project: str | None = None
) -> float:
    """CPU seconds of query and rendering, best of three."""
    from hundredfold.cli.spend import spend_command

    book, best = load_book(), 1e9
    for _ in range(3):
        before = cpu()
        with redirect_stdout(StringIO()):
            spend_command(database, book, by=by, since=f"{days}d", zone=zone, project=project)
        best = min(best, cpu() - before)
    return best


GROUPINGS = ("day", "model", "tier", "project", "job", "agent", "person", "payer")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--requests", type=int, default=7_600_000)
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--build", action=argparse.BooleanOptionalAction, default=True)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.keep or Path(scratch)
        file = folder / "hundredfold.db"
        database = open_database(sqlite_url(file))
        if options.build:
            build(database, options.requests, now_us() // DAY_US * DAY_US + DAY_US)
        database.close()
        size = sum(one.stat().st_size for one in folder.glob("hundredfold.db*"))
        print(f"| database | {size / 1e9:.2f} GB |")
        database = open_database(sqlite_url(file))
        _, text = as_process(folder, "spend", "--all-projects", "--json", "--by", "model")
        total = json.loads(text)["real"]["total"]
        tokens = total["input"] + total["output"]
        wanted = TOKENS * options.requests // 7_600_000
        print(
            f"| total | {total['requests']:,} requests, {tokens:,} of {wanted:,} tokens, ${total['most']} |"
        )
        assert total["requests"] == options.requests and tokens == wanted
        for by in [(one,) for one in GROUPINGS] + [("day", "model"), ("day", "project"), GROUPINGS]:
            inside = in_process(database, by, 30)
            zoned = in_process(database, by, 30, "America/Los_Angeles")
            whole, _ = as_process(folder, "spend", "--all-projects", *(f"--by={one}" for one in by))
            print(f"| {'+'.join(by)} | {inside:.3f} | {zoned:.3f} | {whole:.2f} |", flush=True)
        for by in (("day",), ("day", "job")):
            inside = in_process(database, by, 30, project="project-1")
            zoned = in_process(database, by, 30, "America/Los_Angeles", "project-1")
            print(f"| {'+'.join(by)} of one project of five | {inside:.3f} | {zoned:.3f} | |", flush=True)
        for shown in ((), ("--zone", "America/Los_Angeles"), ("--by", "day"), ("--by", "project")):
            whole = on_terminal(folder, "spend", "--all-projects", *shown)
            print(f"| on a terminal: spend {' '.join(shown)} | | | {whole:.2f} |", flush=True)
        for options_ in ((), ("--by", "job", "--tier", "standard"), ("--model", "gpt-5.4", "--by", "day")):
            whole, _ = as_process(folder, "whatif", "--all-projects", *options_)
            print(f"| whatif {' '.join(options_)} | | | {whole:.2f} |", flush=True)
        print(f"| spend rebuild | | | {rebuilding(database):.1f} |", flush=True)
        database.close()


if __name__ == "__main__":
    main()

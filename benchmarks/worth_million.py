"""`worth` over a million attempts with outcomes: to hold, under one CPU second of the whole command.

A year of 100 agents' work is written straight into a store (SQLite, in a folder of its own): attempts, one
request each in the ledger, proposals, decisions, outcomes and observations. Then the sums are brought up once
(timed apart: a fleet that asks daily pays for a day of it), and the command is run as a user would.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import msgspec
import sqlalchemy as sa

from hundredfold.config import load_settings, place_of
from hundredfold.outcome import Origin
from hundredfold.store import outcomes as outcomes_store
from hundredfold.store.database import Database, open_database, sqlite_url
from hundredfold.store.items import keep_project
from hundredfold.store.outcomesums import Deltas
from hundredfold.store.tables.outcomes import observations, outcomes
from hundredfold.store.tables.record import decisions, proposals
from hundredfold.store.tables.work import attempts, items
from hundredfold.usage.ledger import Booking, Entry, Ledger, WireRoute
from hundredfold.vocabulary import Usage
from hundredfold.worth import tallies

DAY_US = 86_400_000_000
DAYS = 365
BATCH = 20_000
JOBS = (("security", "advisory", "finding"), ("review", "comment", "comment"), ("bugs", "issue", "issue"))
TIERS = (("fast", "priority"), ("standard", "default"), ("flex", "flex"))


def fill(database: Database, project: str, number: int, seed: int) -> None:
    """A year of attempts; six of ten brought something about."""
    chooser = random.Random(seed)
    first_day = time.time_ns() // 1000 // DAY_US - DAYS
    ledger = Ledger(database)
    origins = _origins(database, project)
    for start in range(0, number, BATCH):
        rows: dict[str, list[dict[str, Any]]] = {
            name: [] for name in ("items", "attempts", "proposals", "decisions", "outcomes", "observations")
        }
        entries: list[Entry] = []
        sums = Deltas()
        for n in range(start, min(start + BATCH, number)):
            _one(rows, entries, sums, chooser, project, n, first_day, number, origins)
        with database.write() as connection:
            for table in (items, attempts, proposals, decisions, outcomes, observations):
                connection.execute(sa.insert(table), rows[table.name])
            sums.write(connection, database)
        ledger.append(entries)


def _origins(database: Database, project: str) -> dict[tuple[str, str], tuple[int, Origin]]:
    made = {
        (job, tier): Origin(project, job, kind, "codex", "gpt-5.5", "medium", tier, "acme")
        for job, _, kind in JOBS
        for tier, _ in TIERS
    }
    with database.write() as connection:
        ids = outcomes_store.origin_ids(connection, database, set(made.values()))
    return {key: (ids[one], one) for key, one in made.items()}


def _one(
    rows: dict[str, list[dict[str, Any]]],
    entries: list[Entry],
    sums: Deltas,
    chooser: random.Random,
    project: str,
    n: int,
    first_day: int,
    number: int,
    origins: dict[tuple[str, str], tuple[int, Origin]],
) -> None:
    at = (first_day + n * DAYS // number) * DAY_US + chooser.randrange(DAY_US)
    job, type_, _ = JOBS[n % 3]
    tier, served = TIERS[chooser.randrange(3)]
    item = f"i-{n:012x}"
    rows["items"].append(
        {
            "id": item, "project": project, "job": job, "key": str(n), "digest": str(n), "title": "t",
            "revision": "r", "priority": 1, "payload": {}, "state": "done", "reason": "", "found_us": at,
            "queued_us": at, "changed_us": at,
        }
    )  # fmt: skip
    rows["attempts"].append(
        {
            "id": f"a-{n:012x}", "number": n + 1, "item": item, "label": "x", "round": 0, "task": 0,
            "pass": 0, "try": 0, "backend": "codex", "provider": "openai", "model": "gpt-5.5",
            "effort": "medium", "tier": tier, "state": "ok", "error": "",
            "started_us": at - 900_000_000, "ended_us": at,
        }
    )  # fmt: skip
    used = chooser.randrange(40_000, 260_000)
    entries.append(
        Entry(
            key=f"resp_{n:032x}", source="wire", status="settled", at_us=at, attempt=n + 1,
            booking=Booking(project, job, "codex", "Ada", "acme"),
            route=WireRoute("openai", "responses", "gpt-5.5", "gpt-5.5", tier, served),  # type: ignore[arg-type]
            usage=Usage(used, used * 93 // 100, 0, used // 250, 0),
        )
    )  # fmt: skip
    if chooser.random() >= 0.6:
        return
    proposal, outcome = f"p-{n:012x}", f"o-{n:012x}"
    state = chooser.choices(("applied", "rejected", "open"), (6, 2, 2))[0]
    rows["proposals"].append(
        {
            "id": proposal, "project": project, "job": job, "item": item, "type": type_, "title": "t",
            "private": False, "state": state, "record": {}, "review_minutes": 2.0, "opened_us": at,
            "changed_us": at,
        }
    )  # fmt: skip
    if state != "open":
        rows["decisions"].append(
            {
                "id": f"d-{n:012x}", "proposal": proposal, "verdict": "approve", "by": "Ada", "reason": "",
                "seconds": 60.0 + n % 90, "at_us": at,
            }
        )  # fmt: skip
    origin, _ = origins[job, tier]
    rows["outcomes"].append(
        {
            "id": outcome, "origin": origin, "project": project, "proposal": proposal, "reference": "",
            "author": "", "title": "t", "opened_us": at, "look_us": None,
        }
    )  # fmt: skip
    seen = _seen(chooser, outcome, state, at, (first_day + DAYS) * DAY_US)
    sums.add(origin, at, seen)
    if seen is not None:
        values = msgspec.structs.asdict(seen)
        rows["observations"].append({**values, "counts": True, "overrules": None})


def _seen(chooser: random.Random, outcome: str, state: str, at: int, now: int) -> Any:
    from hundredfold.outcome import Observation

    common: dict[str, Any] = {"outcome": outcome, "rule": "r", "strength": "high", "by": "git"}
    if state == "open":
        return None
    if state == "rejected":
        return Observation(state="rejected", ended_us=at, observed_us=at, confirmed=True, **common)
    gone = at + int(chooser.expovariate(1 / 400) * DAY_US)
    if gone < min(now, at + 90 * DAY_US):
        return Observation(state="reverted", accepted_us=at, ended_us=gone, observed_us=gone, **common)
    until = max(min(now, at + 90 * DAY_US), at)
    stood = until - at >= 30 * DAY_US
    return Observation(
        state="survived" if stood else "accepted", accepted_us=at, observed_us=until,
        confirmed=chooser.random() < 0.9, **common,
    )  # fmt: skip


def timed(arguments: list[str], folder: Path, home: Path) -> tuple[float, float]:
    """CPU and wall seconds of the program with these arguments, as a user runs it (its modules compiled)."""
    environment = {**os.environ, "HUNDREDFOLD_HOME": str(home)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    subprocess.run(
        [sys.executable, "-m", "hundredfold", *arguments],
        cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return spent, time.monotonic() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--attempts", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="worth-"))
    try:
        repository, home = folder / "repo", folder / "home"
        repository.mkdir()
        home.mkdir()
        git = ["git", "-C", str(repository), "-c", "user.name=a", "-c", "user.email=a@example.org"]
        subprocess.run([*git, "init", "-q"], check=True)
        subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "x"], check=True)
        place = place_of(repository, load_settings(repository))
        database = open_database(sqlite_url(home / "hundredfold.db"))
        keep_project(database, place.slug, repository)
        start = time.process_time()
        fill(database, place.slug, arguments.attempts, arguments.seed)
        print(f"written: {time.process_time() - start:.0f} CPU s")
        with database.write() as connection:  # as if `follow` had been called all along
            connection.execute(
                sa.text("INSERT INTO marks (name, value) VALUES (:name, :value)"),
                {"name": f"outcomes:{place.slug}", "value": b"%d" % (time.time_ns() // 1000)},
            )
            connection.exec_driver_sql("ANALYZE")
        start = time.process_time()
        tallies.refresh(database)
        print(f"sums of attempts and reviews made anew, once: {time.process_time() - start:.1f} CPU s")
        database.close()
        for words in (["--help"], ["spend"], ["worth"], ["worth", "--since", "ever"], ["worth", "advise"]):
            best = min(timed(words, repository, home) for _ in range(4))
            print(f"hundredfold {' '.join(words):<20} {best[0]:.2f} CPU s, {best[1]:.2f} s wall (best of 4)")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()

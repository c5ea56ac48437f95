"""Draws the picture of the README: what `worth` shows of a made-up project's last 80 days.

    ./dev exec python -m benchmarks.pictures docs/pictures

No provider answered any of its requests, so the picture bears the mark SIMULATED.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from hundredfold.outcome import Observation
from hundredfold.outcomes.ours import follow
from hundredfold.store import outcomes
from hundredfold.store.database import Database, open_database, sqlite_url
from hundredfold.vocabulary import Usage
from tests.support.ledgers import AT_US
from tests.support.outcomes import DAY_US, PROJECT, History
from tests.support.repositories import RepositoryMaker

DAYS, ATTEMPTS, SEED = 80, 900, 5
SERVED = {"fast": "priority", "standard": "default"}


def main(folder: Path) -> None:
    """Make the project up and draw it into `folder`."""
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        home, root = Path(scratch) / "home", Path(scratch) / "widget"
        home.mkdir(mode=0o700)
        RepositoryMaker(root).commit({"README.md": "A made-up project.\n"}, "Begin")
        live_through(open_database(sqlite_url(home / "hundredfold.db")), root, random.Random(SEED))
        environment = {**os.environ, "HUNDREDFOLD_HOME": str(home)}
        words = [sys.executable, "-m", "hundredfold", "worth", "--all-projects", "--repo", str(root)]
        subprocess.run([*words, "--plot", str(folder / "worth.png")], env=environment, check=True)


def live_through(database: Database, root: Path, chance: random.Random) -> None:
    """What a fleet of two jobs left: attempts, proposals, decisions, and the fate of what was applied."""
    history = History(database, root)
    today = (time.time_ns() // 1000 - AT_US) // DAY_US
    applied: dict[str, int] = {}
    for _ in range(ATTEMPTS):
        day = today - int(DAYS * chance.betavariate(1.0, 1.6))
        job, tier = (
            chance.choice(("security", "security", "review")),
            chance.choice(("fast", "fast", "standard")),
        )
        read = int(min(chance.lognormvariate(11.6, 0.5), 270_000))
        item = history.attempt(
            job=job, tier=tier, served=SERVED[tier], payer=chance.choice(("acme", "acme", "globex")), day=day,
            usage=Usage(read, int(read * 0.93), 0, int(read * 0.004), 0), simulated=True,
            seconds=chance.randrange(200, 2400),
        )  # fmt: skip
        if chance.random() < 0.55:
            state = chance.choices(("rejected", "open", "applied"), (2, 2, 6))[0]
            kind = "comment" if job == "review" else "advisory"
            seconds = chance.choice((60.0, 120.0, 200.0, None))
            proposal = history.proposal(item, job=job, type_=kind, state=state, day=day, seconds=seconds)
            if state == "applied" and chance.random() < 0.8:
                applied[proposal] = day
    follow(database, PROJECT)
    outcomes.observe(database, [_fate(one, day, today, chance) for one, day in applied.items()])


def _fate(proposal: str, day: int, today: int, chance: random.Random) -> Observation:
    age, accepted = today - day, AT_US + day * DAY_US
    reverted = age > 3 and chance.random() < 0.12
    seen = accepted + (chance.randrange(1, age) if reverted else age) * DAY_US
    return Observation(
        outcome=outcomes.outcome_id(PROJECT, proposal=proposal),
        state="reverted" if reverted else "survived" if age >= 30 else "accepted",
        rule="revert commit" if reverted else "fix commit",
        strength="high",
        confirmed=reverted or chance.random() < 0.9,
        accepted_us=accepted,
        ended_us=seen if reverted else None,
        observed_us=seen,
        by="git",
        lines=40,
        lines_kept=0 if reverted else chance.randrange(30, 41),
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))

"""kill -9 of the orchestrator, the gateway or both at seeded instants of one long run, restarted each time.

    ./dev exec python -m benchmarks.kill_storm --items 200 --kills 20 --seed 1 [--agent codex]

Shows: every item ends once, no attempt that was finished is done again, the ledger agrees with the simulated
provider's own log (a request in flight at a kill: an interval that contains the truth), no process is left.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import psutil
import sqlalchemy as sa

from benchmarks.planted import plant
from hundredfold.config import load_settings, place_of
from hundredfold.errors import EXIT_INCOMPLETE
from hundredfold.prices.book import load_book
from hundredfold.simulation.process import provider_process
from hundredfold.simulation.provider.log import read_log
from hundredfold.simulation.truth import compare, ledger_rows
from hundredfold.store.database import open_database, sqlite_url

CONFIG = """
[provider.simulated]
base-url = "{base_url}"
prices = "openai"
simulated = true

[route]
agent = "{agent}"
provider = "simulated"
model = "gpt-5.5"

[fleet]
agents = {agents}
"""


def main() -> None:
    arguments = parse()
    # Not below the system's temporary folder: Codex refuses its sandbox to a home there.
    cache = Path.home() / ".cache"
    cache.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="hf-", dir=cache, ignore_cleanup_errors=True) as folder:
        sys.exit(storm(Path(folder), arguments))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--items", type=int, default=200)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--agents", type=int, default=20)
    parser.add_argument("--agent", choices=["native", "codex"], default="native")
    parser.add_argument("--profile", default="slow")
    return parser.parse_args()


def storm(folder: Path, arguments: argparse.Namespace) -> int:
    chooser = random.Random(arguments.seed)
    repository, home = folder / "repository", folder / "home"
    plant(repository, arguments.items, arguments.seed)
    os.environ["HUNDREDFOLD_HOME"] = str(home)
    with provider_process(
        folder / "provider.log", profile=arguments.profile, seed=arguments.seed
    ) as provider:
        (repository / "hundredfold.toml").write_text(
            CONFIG.format(base_url=provider.base_url, agent=arguments.agent, agents=arguments.agents)
        )
        place = place_of(repository, load_settings(repository))
        killed: Counter[str] = Counter()
        run = start(repository, arguments.items)
        began = time.monotonic()
        targets = [("orchestrator", "gateway", "both")[number % 3] for number in range(arguments.kills)]
        chooser.shuffle(targets)
        while targets:
            time.sleep(chooser.uniform(0.5, 6.0))
            target = targets[-1]
            if run.poll() is not None:
                print(f"the run ended before all kills, with {run.returncode}", file=sys.stderr)
                break
            if target != "orchestrator" and not kill_gateway(place.state):
                continue
            if target != "gateway":
                run.kill()
                run.wait()
                run = start(repository, arguments.items)
            killed[targets.pop()] += 1
        code = run.wait(timeout=1800)
        wall = time.monotonic() - began
        return judge(folder, home, provider.log, arguments.items, dict(killed), code, wall)


def start(repository: Path, items: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "hundredfold", "run", "--repo", str(repository), "--commits", str(items)]
    return subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=(repository.parent / "run.log").open("ab"),
        start_new_session=True,
    )


def kill_gateway(state: Path) -> bool:
    try:
        pid = json.loads((state / "gateway" / "address.json").read_text())["pid"]
        os.kill(pid, signal.SIGKILL)
    except (OSError, ValueError, KeyError):
        return False
    return True


def judge(
    folder: Path, home: Path, log: Path, wanted: int, killed: dict[str, int], code: int, wall: float
) -> int:
    database = open_database(sqlite_url(home / "hundredfold.db"))
    with database.read() as connection:
        states: dict[str, int] = dict(
            connection.execute(sa.text("SELECT state, count(*) FROM items GROUP BY state")).all()
        )
        ends: dict[str, int] = dict(
            connection.execute(sa.text("SELECT state, count(*) FROM attempts GROUP BY state")).all()
        )
        twice = connection.execute(
            sa.text(
                "SELECT count(*) FROM (SELECT 1 FROM attempts WHERE state = 'ok'"
                " GROUP BY item, round, task, pass HAVING count(*) > 1) AS again"
            )
        ).scalar()
    comparison = compare(read_log(log), ledger_rows(database), load_book())
    left = leftovers(folder)
    for name, value in {
        "simulated": True,
        "killed": killed,
        "exit code of the last run": code,
        "wall seconds": round(wall, 1),
        "items by state": states,
        "attempts by state": ends,
        "tasks answered twice": twice,
        "requests logged": comparison.logged,
        "ledger rows": comparison.rows,
        "exact": comparison.exact,
        "within their interval": comparison.within,
        "not billed": comparison.not_billed,
        "never sent": comparison.unsent,
        "differences": [f"{one.kind}: {one.key}" for one in comparison.differences[:20]],
        "left-over processes": left,
    }.items():
        print(f"{name}: {value}")
    # An item is incomplete where the simulated agent itself answered "could not finish": that is an end, too.
    fine = (
        sum(states.values()) == wanted
        and set(states) <= {"done", "skipped", "incomplete"}
        and set(ends) <= {"ok", "interrupted", "throttled"}
        and not twice
        and comparison.equal
        and not left
        and code in (0, EXIT_INCOMPLETE)
    )
    print("PASS" if fine else "FAIL")
    if not fine:
        print((folder / "run.log").read_text(errors="replace")[-4000:], file=sys.stderr)
    return 0 if fine else 1


def leftovers(folder: Path) -> list[str]:
    found = []
    for process in psutil.process_iter(["pid", "cmdline"]):
        line = " ".join(process.info["cmdline"] or [])
        if str(folder) in line and "simulation.provider" not in line and process.pid != os.getpid():
            found.append(f"{process.pid} {line[:120]}")
    return found


if __name__ == "__main__":
    main()

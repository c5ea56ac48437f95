"""`python -m hundredfold.simulation.forge`: a simulated GitHub with one filled repository, in a process."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import signal
import sys
import tempfile
from pathlib import Path

from hundredfold.simulation.forge.filler import Filling, fill
from hundredfold.simulation.forge.hub import Hub
from hundredfold.simulation.forge.limits import GITHUB, UNLIMITED
from hundredfold.simulation.forge.running import serving

PARENT_CHECK_S = 1.0


async def serve(hub: Hub, port: int, repository: str, token: str, *, with_parent: bool) -> None:
    """Serve until SIGTERM or SIGINT, or until the parent is gone; says where in one JSON line on stdout."""
    parent = os.getppid()
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    async with serving(hub, port) as url:
        hello = {
            "simulated": True,
            "port": int(url.rpartition(":")[2]),
            "base_url": f"{url}/api/v3",
            "repository": repository,
            "token": token,
        }
        sys.stdout.write(json.dumps(hello) + "\n")
        sys.stdout.flush()
        while not stopped.is_set() and (not with_parent or os.getppid() == parent):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stopped.wait(), PARENT_CHECK_S)


def main() -> int:
    """Read the arguments, fill the forge and serve it."""
    parser = argparse.ArgumentParser(prog="python -m hundredfold.simulation.forge", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 = any free port")
    parser.add_argument("--repository", default="acme/widget", help="owner/name")
    parser.add_argument("--token", default="simulated", help="the token that may read and write")
    parser.add_argument("--issues", type=int, default=200)
    parser.add_argument("--pulls", type=int, default=50)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--days", type=float, default=1000.0, help="over which they are spread")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--limits", action="store_true", help="GitHub's own rate limits; otherwise none")
    parser.add_argument("--with-parent", action="store_true", help="end when the parent process ends")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="hundredfold-forge-") as folder:
        hub = Hub(Path(folder), limits=GITHUB if arguments.limits else UNLIMITED)
        hub.token("maintainer", arguments.token)
        filling = Filling(
            issues=arguments.issues,
            pulls=arguments.pulls,
            runs=arguments.runs,
            days=arguments.days,
            seed=arguments.seed,
        )
        fill(hub, hub.repo(arguments.repository), filling)
        asyncio.run(
            serve(
                hub, arguments.port, arguments.repository, arguments.token, with_parent=arguments.with_parent
            )
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())

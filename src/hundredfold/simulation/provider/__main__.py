"""`python -m hundredfold.simulation.provider`: one simulated provider, as a process of its own."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import resource
import signal
import sys
from pathlib import Path

from aiohttp import web

from hundredfold.errors import HundredfoldError
from hundredfold.simulation.provider.log import Log
from hundredfold.simulation.provider.profile import load_profile
from hundredfold.simulation.provider.server import Provider

PARENT_CHECK_S = 1.0


async def serve(port: int, log: Log, seed: int, profile: str, *, with_parent: bool) -> None:
    """Serve until SIGTERM or SIGINT, or until the parent is gone; says where in one JSON line on stdout."""
    parent = os.getppid()
    provider = Provider(load_profile(profile), log, seed)
    runner = web.AppRunner(provider.application(), access_log=None, keepalive_timeout=75)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port, backlog=4096, shutdown_timeout=0.2)
    await site.start()
    bound = runner.addresses[0][1]
    sys.stdout.write(json.dumps({"port": bound, "base_url": f"http://127.0.0.1:{bound}/v1"}) + "\n")
    sys.stdout.flush()
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    while not stopped.is_set() and (not with_parent or os.getppid() == parent):
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stopped.wait(), PARENT_CHECK_S)
    await runner.cleanup()


def main() -> int:
    """Read the arguments and serve."""
    parser = argparse.ArgumentParser(prog="python -m hundredfold.simulation.provider", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 = any free port")
    parser.add_argument("--log", type=Path, required=True, help="the exact log, appended to")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--profile", default="calm", help="a shipped profile's name or a TOML file")
    parser.add_argument("--with-parent", action="store_true", help="end when the parent process ends")
    arguments = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    log = Log(arguments.log)
    try:
        asyncio.run(
            serve(arguments.port, log, arguments.seed, arguments.profile, with_parent=arguments.with_parent)
        )
    except HundredfoldError as error:
        sys.stderr.write(f"{error}. {error.mend}\n")
        return error.exit_code
    finally:
        log.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())

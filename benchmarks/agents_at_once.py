"""What an attempt costs with each backend, side by side: `python -m benchmarks.agents_at_once [KIND …]`.

The real programs, each the way the fleet runs it, against a simulated provider in another process that takes
two seconds to its first byte. Each attempt makes three requests: two commands, then the answer. Memory is
proportional (PSS), at its peak, over the agents' processes and what this program's own process grew by; CPU
is what the kernel counted for the agents and what they started, and for this process (the native agent lives
in it, the relays of sandboxes too). One process per row; prints a table in Markdown.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import contextlib
import ctypes
import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil

from hundredfold.agents.claude.locate import OVERRIDE, find_claude
from tests.support.backends import KINDS
from tests.support.codex import make_order
from tests.support.npm import acp_program, claude_program
from tests.support.provider import simulated_provider

SAMPLE_EVERY_S = 0.5
_SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER of prctl(2)
HEAD = (
    "| backend | at once | ended well | peak MB | MB an attempt | agents' CPU s an attempt "
    "| own CPU s an attempt | wall s |\n|---|---|---|---|---|---|---|---|"
)


async def attempts(kind: str, at_once: int, url: str, folder: Path) -> dict[str, object]:
    """One row, in a process of its own."""
    backend = KINDS[kind].make(folder / "state")
    orders = [
        make_order(folder, url, f"n{number}", model=KINDS[kind].model, deadline_s=900.0, stall_s=600.0)
        for number in range(at_once)
    ]
    # What a sandbox leaves unwaited-for becomes our child, so that the kernel's count is whole.
    ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)
    print("ready", flush=True)
    began, own = time.monotonic(), time.process_time()
    outcomes = await asyncio.gather(*(backend.run(order, lambda event: None) for order in orders))
    wall, spent = time.monotonic() - began, time.process_time() - own
    running = _cpu_of_running()
    await backend.close()
    await asyncio.sleep(1)
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "ended": dict(collections.Counter(one.error_kind or one.status for one in outcomes)),
        "wall_s": wall,
        "own_cpu_s": spent,
        "agents_cpu_s": running + children.ru_utime + children.ru_stime,
    }


def _cpu_of_running() -> float:
    """CPU seconds of servers about to be killed: the kernel forgets those of a namespace that dies."""
    total = 0.0
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            times = process.cpu_times()
            total += times.user + times.system + times.children_user + times.children_system
    return total


class Peak(threading.Thread):
    """Samples the memory of a process and of all below it; `base` is what the process had before its work."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._process = psutil.Process(pid)
        self.base = _pss(self._process)
        self.most = 0
        self._cpu: dict[tuple[int, float], float] = {}
        self.done = threading.Event()

    @property
    def cpu_s(self) -> float:
        """CPU seconds of what ran, when each was last looked at: the least it can have been."""
        return sum(self._cpu.values())

    def run(self) -> None:
        while not self.done.is_set():
            with contextlib.suppress(psutil.Error):
                below = self._process.children(recursive=True)
                for one in below:
                    self._cpu[(one.pid, one.create_time())] = sum(one.cpu_times()[:2])
                total = _pss(self._process) - self.base + sum(_pss(one) for one in below)
                self.most = max(self.most, total)
            self.done.wait(SAMPLE_EVERY_S)


def _pss(process: psutil.Process) -> int:
    with contextlib.suppress(psutil.Error, OSError):
        return int(process.memory_full_info().pss)
    return 0


def row(kind: str, at_once: int, url: str) -> str:
    """Run one row's process and read it."""
    # Not below TMPDIR: Codex refuses to sandbox commands for a home there.
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    with tempfile.TemporaryDirectory(prefix="hf-", dir=cache) as folder:
        command = [
            sys.executable,
            "-m",
            "benchmarks.agents_at_once",
            "--row",
            kind,
            str(at_once),
            url,
            folder,
        ]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        process.stdout.readline()
        peak = Peak(process.pid)
        peak.start()
        found = json.loads(process.stdout.readline())
        peak.done.set()
        process.wait()
    megabytes = peak.most / 2**20
    # Of programs that are killed when their turn is over the kernel forgets the time: samples tell it.
    agents, own = max(found["agents_cpu_s"], peak.cpu_s) / at_once, found["own_cpu_s"] / at_once
    ended = found["ended"].get("completed", 0)
    return (
        f"| {kind} | {at_once} | {ended} of {at_once} | {megabytes:,.0f} | {megabytes / at_once:.1f} "
        f"| {agents:.2f} | {own:.3f} | {found['wall_s']:.1f} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.agents_at_once", description=__doc__)
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=f"of {', '.join(KINDS)} (default: all)")
    parser.add_argument("--at-once", type=int, nargs="+", default=[1, 20, 100])
    parser.add_argument("--row", nargs=4, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if find_claude() is None:
        os.environ[OVERRIDE] = str(claude_program())
    if "HUNDREDFOLD_ACP" not in os.environ:
        os.environ["HUNDREDFOLD_ACP"] = str(acp_program())
    if chosen.row:
        kind, at_once, url, folder = chosen.row
        print(json.dumps(asyncio.run(attempts(kind, int(at_once), url, Path(folder)))))
        return
    with tempfile.TemporaryDirectory() as name:
        slow = {"first_byte_ms": 2000.0}
        with simulated_provider(Path(name), mind={"rounds": [2, 2]}, latency=slow) as provider:
            print(HEAD, flush=True)
            for kind in chosen.kinds or KINDS:
                for at_once in chosen.at_once:
                    print(row(kind, at_once, provider.base_url), flush=True)


if __name__ == "__main__":
    main()

"""Time, CPU and memory of a rehearsal, by process group: our own, the agents', the gateway's, the provider's.

Memory is proportional set size where the system tells it (shared pages are split between their users), else
resident size. Processes that came and went between two samples are counted with the parent that waited for
them; those of our own process are missing.
"""

from __future__ import annotations

import contextlib
import threading
import time

import psutil
from msgspec import Struct

INTERVAL_S = 0.5
GROUPS = ("orchestrator", "gateway", "agents", "provider")


class GroupUse(Struct, frozen=True):
    """What one group of processes used. Memory in bytes, CPU in seconds."""

    peak_processes: int
    peak_memory: int
    cpu_s: float


class Measured(Struct, frozen=True):
    """A whole rehearsal. `leftovers` are processes of it that outlived it, as "pid command"."""

    wall_s: float
    groups: dict[str, GroupUse]
    leftovers: tuple[str, ...]


class Meter:
    """Samples, in a thread of its own, the process tree below this process and what names `marker`.

    `marker` is the rehearsal's own folder: a detached process (gateway, agent server) bears it in its
    command line or runs in it. Processes that were there before are left out.
    """

    def __init__(self, provider_pid: int, marker: str) -> None:
        self._provider = provider_pid
        self._marker = marker
        self._me = psutil.Process()
        self._begun = time.monotonic()
        self._own_cpu = _own_cpu(self._me)
        self._before = {process.pid for process in self._me.children(recursive=True)} - {provider_pid}
        self._uses: dict[int, _Use] = {}
        self._peak: dict[str, tuple[int, int]] = dict.fromkeys(GROUPS, (0, 0))
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._keep_sampling, name="meter", daemon=True)

    def __enter__(self) -> Meter:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def finish(self) -> Measured:
        """The figures; call it after the block. What still runs (but for the provider) is a leftover."""
        wall = time.monotonic() - self._begun
        self._sample()
        left = [
            f"{pid} {use.command}"
            for pid, use in self._uses.items()
            if pid not in (self._me.pid, self._provider) and _alive(use.process)
        ]
        cpu = dict.fromkeys(GROUPS, 0.0)
        for use in self._uses.values():
            cpu[use.group] += use.cpu_s
        cpu["orchestrator"] -= self._own_cpu
        groups = {name: GroupUse(*self._peak[name], round(cpu[name], 2)) for name in GROUPS}
        return Measured(round(wall, 3), groups, tuple(sorted(left)))

    def _keep_sampling(self) -> None:
        while not self._stop.is_set():
            self._sample()
            self._stop.wait(INTERVAL_S)

    def _sample(self) -> None:
        count = dict.fromkeys(GROUPS, 0)
        memory = dict.fromkeys(GROUPS, 0)
        found: set[int] = set()
        for process in self._processes():
            with contextlib.suppress(psutil.Error, OSError):
                use = self._look(process)
                found.add(process.pid)
                count[use.group] += 1
                memory[use.group] += _memory(process)
        for group in GROUPS:
            processes, most = self._peak[group]
            self._peak[group] = (max(processes, count[group]), max(most, memory[group]))
        for pid in [pid for pid in self._uses if pid not in found]:
            # Its parent has waited for it and now counts its seconds among its own children's.
            parent = self._uses[pid].parent
            if parent in self._uses and parent != self._me.pid:
                del self._uses[pid]

    def _look(self, process: psutil.Process) -> _Use:
        use = self._uses.get(process.pid)
        if use is None or use.process != process:
            command = process.cmdline()
            use = _Use(process, self._group(process.pid, command), process.ppid(), " ".join(command)[:120])
            self._uses[process.pid] = use
        use.cpu_s = _own_cpu(process) if process.pid == self._me.pid else _cpu_with_children(process)
        return use

    def _processes(self) -> list[psutil.Process]:
        found = {process.pid: process for process in self._me.children(recursive=True)}
        for process in psutil.process_iter():
            if process.pid in found or process.pid == self._me.pid:
                continue
            with contextlib.suppress(psutil.Error, OSError):
                if any(self._marker in word for word in process.cmdline()):
                    found[process.pid] = process
                    found.update({child.pid: child for child in process.children(recursive=True)})
        return [self._me, *(process for pid, process in found.items() if pid not in self._before)]

    def _group(self, pid: int, command: list[str]) -> str:
        if pid == self._me.pid:
            return "orchestrator"
        if pid == self._provider:
            return "provider"
        return "gateway" if "hundredfold.gateway" in command else "agents"


class _Use:
    """What is known of one process."""

    def __init__(self, process: psutil.Process, group: str, parent: int, command: str) -> None:
        self.process = process
        self.group = group
        self.parent = parent
        self.command = command
        self.cpu_s = 0.0


def _alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _memory(process: psutil.Process) -> int:
    try:
        return int(process.memory_full_info().pss)
    except (AttributeError, psutil.AccessDenied):
        return int(process.memory_info().rss)


def _own_cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _cpu_with_children(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system + times.children_user + times.children_system)

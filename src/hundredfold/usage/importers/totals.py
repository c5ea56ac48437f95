"""Requests out of running totals: older Codex logs say only how much a thread has used so far.

Each change of the total is a request. Forks and spawned agents replay their parent's totals with new times,
so what a thread's totals share with those of its parent, from their beginning on, is counted once: by
whichever of the two was read first. Totals are remembered as 8 bytes each, in their order (`chain`).
"""

from __future__ import annotations

from hundredfold.usage.importers.protocol import Thread, Threads

#: input, cached, output, reasoning
Total = tuple[int, int, int, int]
NOTHING: Total = (0, 0, 0, 0)
_WIDTH = 8
_MASK = (1 << 64) - 1


class Chain:
    """The totals of one thread, of which a file's reader has seen so many before (another copy of the file
    may have shown more)."""

    def __init__(self, thread: str, parent: str, seen: int, threads: Threads) -> None:
        self._thread, self._parent = thread, parent
        there = threads.thread(thread)
        self._stored = len(there.chain) if there else 0
        self._known = bytearray(there.chain[: seen * _WIDTH] if there else b"")
        elder = threads.thread(parent) if parent else None
        relatives = [(0, elder.chain)] if elder else []
        relatives += [(child.counted_from, child.chain) for child in threads.children(thread)]
        #: relatives whose totals are the same so far, and from where on they counted them
        self._alike = [one for one in relatives if one[1].startswith(bytes(self._known))]
        self._counted_from = there.counted_from if there else 0

    def add(self, total: Total, epoch: int) -> tuple[bytes, bool]:
        """A total that differs from the one before: a name for it within the thread, and whether a relative
        has counted it."""
        raw = _mark(total, epoch).to_bytes(_WIDTH, "big")
        place = len(self._known)
        self._known += raw
        if not self._alike:
            return raw, False
        self._alike = [one for one in self._alike if one[1][place : place + _WIDTH] == raw]
        counted = any(place >= start * _WIDTH for start, _ in self._alike)
        if counted and self._counted_from * _WIDTH == place >= self._stored:
            self._counted_from += 1  # who counts a total is decided once
        return raw, counted

    def record(self) -> list[Thread]:
        """What is to be remembered, if there is anything new."""
        if len(self._known) <= self._stored:
            return []
        return [Thread(self._thread, self._parent, self._counted_from, bytes(self._known))]


def difference(total: Total, before: Total) -> Total:
    """What was used between two totals."""
    return (
        total[0] - before[0],
        total[1] - before[1],
        total[2] - before[2],
        total[3] - before[3],
    )


def _mark(total: Total, epoch: int) -> int:
    """64 bits that tell totals of one thread apart."""
    mixed = 1469598103934665603 + epoch
    for count in total:
        mixed = ((mixed ^ count) * 1099511628211) & _MASK
        mixed ^= mixed >> 29
    return mixed

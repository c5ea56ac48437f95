"""A bar on a terminal, a line now and then otherwise; both on stderr."""

from __future__ import annotations

import sys
import time

WIDTH = 30
EVERY_S = 0.1
PLAIN_EVERY_S = 5.0
MB = 1_000_000


class ProgressBar:
    """Use as a context manager; call it with bytes done and bytes in all."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._terminal = sys.stderr.isatty()
        self._next = time.monotonic() + (0 if self._terminal else PLAIN_EVERY_S)
        self._drawn = 0

    def __enter__(self) -> ProgressBar:
        return self

    def __exit__(self, *raised: object) -> None:
        if self._drawn:
            sys.stderr.write("\r" + " " * self._drawn + "\r")
            sys.stderr.flush()

    def __call__(self, done: int, total: int) -> None:
        """Show how far it is."""
        now = time.monotonic()
        if now < self._next or not total:
            return
        self._next = now + (EVERY_S if self._terminal else PLAIN_EVERY_S)
        said = f"{self._what} {done * 100 // total} %, {done // MB:,} of {total // MB:,} MB"
        if not self._terminal:
            sys.stderr.write(said + "\n")
            return
        filled = done * WIDTH // total
        line = f"[{'#' * filled}{'.' * (WIDTH - filled)}] {said}"
        sys.stderr.write("\r" + line.ljust(self._drawn))
        sys.stderr.flush()
        self._drawn = len(line)

"""Text that looks like what agents read: command output and code, ready to stand inside a JSON string."""

from __future__ import annotations

import json
import random

_TEXT = """
error warning ok running compiled src/lib.rs tests/test_api.py def return import None self.assertEqual diff
--git index @@ +++ --- const await async function export default npm node_modules Traceback most recent call
last File line in raise ValueError expected got passed failed skipped usage tokens cache input output
0x7ffd 12:04:31 2026-05-01 "type" "usage" "token_count" "output_tokens" {"id": 1} [1,2]
"""
_WORDS = _TEXT.split()
LINES = 20_000


class Filler:
    """Runs of lines out of one pool; the same seed gives the same text."""

    def __init__(self, seed: int) -> None:
        chance = random.Random(seed)
        lines = [
            json.dumps(" ".join(chance.choices(_WORDS, k=chance.randint(4, 16))) + "\n")[1:-1].encode()
            for _ in range(LINES)
        ]
        self._starts = [0]
        for line in lines:
            self._starts.append(self._starts[-1] + len(line))
        self._pool = b"".join(lines)
        self._mean = len(self._pool) / LINES

    def text(self, chance: random.Random, size: int) -> bytes:
        """About `size` bytes of escaped text."""
        parts: list[bytes] = []
        while size > 0:
            count = min(LINES, max(1, round(size / self._mean)))
            first = chance.randrange(LINES - count + 1)
            part = self._pool[self._starts[first] : self._starts[first + count]]
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

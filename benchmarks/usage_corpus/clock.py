"""The time of a session, as its lines state it: ISO 8601 in UTC with milliseconds."""

from __future__ import annotations

import random
from datetime import UTC, datetime

START_US = int(datetime(2026, 10, 10, tzinfo=UTC).timestamp()) * 1_000_000
SPAN_US = 30 * 86_400_000_000


class Clock:
    """Starts somewhere in the corpus' month and only moves on."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self.us = START_US + chance.randrange(SPAN_US) // 1000 * 1000
        self._day, self._prefix = -1, ""

    def tick(self, most_ms: int = 9_000) -> str:
        """Move on by 1 to `most_ms` milliseconds."""
        self.us += self._chance.randint(1, most_ms) * 1000
        return self.text()

    def text(self) -> str:
        """Now, as text."""
        day, rest = divmod(self.us // 1000, 86_400_000)
        if day != self._day:
            self._day = day
            self._prefix = datetime.fromtimestamp(day * 86_400, UTC).strftime("%Y-%m-%dT")
        seconds, milliseconds = divmod(rest, 1000)
        minutes, second = divmod(seconds, 60)
        hour, minute = divmod(minutes, 60)
        return f"{self._prefix}{hour:02}:{minute:02}:{second:02}.{milliseconds:03}Z"

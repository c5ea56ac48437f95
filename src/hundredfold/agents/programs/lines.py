"""Attending a program that only prints lines and ends by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from hundredfold.agents.programs.protocol import Listener
from hundredfold.agents.protocol import Outcome


class Lines:
    """`Attendant` for such a program: every line is passed to `listener`."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener

    async def attend(self, process: asyncio.subprocess.Process, touch: Callable[[], None]) -> None:
        """Hear it out. Its output ends when all that held it is gone."""
        assert process.stdout is not None
        while True:
            try:
                line = await process.stdout.readline()
            except ValueError:  # longer than any line may be; what is left of it is no line
                continue
            if not line:
                return
            if self._listener.hear(line):
                touch()

    def ended(self, exit_code: int | None, words: str) -> Outcome:
        """How the attempt ended."""
        return self._listener.ended(exit_code, words)

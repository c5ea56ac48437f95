"""Discord's rate limits, kept on our side so that they are not met on its.

5 requests per 2 seconds for a webhook and about 30 a minute for a channel
(https://discord.com/developers/docs/topics/rate-limits); what an answer says counts besides.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

WINDOWS = ((5, 2.0), (30, 60.0))  # requests, seconds
MARGIN_S = 0.05  # clocks differ, and a request takes time to arrive
LONGEST_S = 3600.0


class Pace:
    """When the next request may be sent. `clock` gives seconds that never go back."""

    def __init__(self, clock: Callable[[], float], windows: tuple[tuple[int, float], ...] = WINDOWS) -> None:
        self._clock = clock
        self._windows = windows
        self._sent: deque[float] = deque(maxlen=max(count for count, _ in windows))
        self._not_before = 0.0

    def wait_s(self) -> float:
        """Seconds to wait before a request may be sent; 0 if it may be now."""
        now = self._clock()
        free = self._not_before
        for count, seconds in self._windows:
            if len(self._sent) >= count:
                free = max(free, self._sent[-count] + seconds + MARGIN_S)
        return max(0.0, free - now)

    def sent(self) -> None:
        """A request was answered just now: it arrived no later, so the windows are counted from here."""
        self._sent.append(self._clock())

    def told(self, *, retry_after_s: float = 0.0, remaining: int | None = None, reset_s: float = 0.0) -> None:
        """What an answer said: wait that long; or nothing is left until the window is over."""
        wait = retry_after_s
        if remaining == 0:
            wait = max(wait, reset_s)
        if wait > 0:
            self._not_before = max(self._not_before, self._clock() + min(wait, LONGEST_S) + MARGIN_S)

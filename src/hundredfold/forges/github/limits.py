"""What GitHub's answers say of its rate limits: how long to wait, and how much is left.

Source: GitHub's "Rate limits for the REST API". The primary limit is in `x-ratelimit-*`; a secondary one is
a 403 or 429 with `retry-after`, or with a message that names it, and then at least a minute is to be
waited, longer each time.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from hundredfold.refusals import pause_asked

SECONDARY_S = 60.0  # where a secondary limit names no pause
MARGIN_S = 1.0  # beyond a reset, for clocks that differ


class Rate(Struct, frozen=True):
    """The primary limit as an answer told it: requests left of `limit` until `reset_s` (Unix seconds)."""

    limit: int
    remaining: int
    reset_s: float


def rate_of(headers: Mapping[str, str]) -> Rate | None:
    """The primary limit, if the answer tells it."""
    try:
        return Rate(
            int(headers["x-ratelimit-limit"]),
            int(headers["x-ratelimit-remaining"]),
            float(headers["x-ratelimit-reset"]),
        )
    except (KeyError, ValueError):
        return None


def pause(status: int, headers: Mapping[str, str], said: str, now_s: float, times: int) -> float | None:
    """Seconds to wait before the same request may be sent again; None if the answer is no rate limit.

    Args:
        said: the answer's message.
        times: how often this request met a secondary limit already.
    """
    if status not in (403, 429):
        return None
    asked = pause_asked(headers, now_s)
    if asked is not None:
        return asked
    rate = rate_of(headers)
    if rate is not None and rate.remaining == 0:
        return max(0.0, rate.reset_s - now_s) + MARGIN_S
    if status == 429 or "secondary rate limit" in said.lower() or "abuse detection" in said.lower():
        return SECONDARY_S * 2.0 ** min(times, 5)
    return None

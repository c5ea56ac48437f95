"""What a provider's refusal says: how long to wait, and whether waiting helps at all.

Read by the gateway, which paces everybody, and by the agents that talk to it.
"""

from __future__ import annotations

import email.utils
import math
from collections.abc import Mapping

#: error codes and types that no waiting mends: what was paid for is used up
QUOTA_CODES = frozenset(
    {
        "billing_error",
        "billing_hard_limit_reached",
        "insufficient_quota",
        "quota_exceeded",
        "usage_limit_reached",
    }
)


def pause_asked(headers: Mapping[str, str], now_s: float) -> float | None:
    """Seconds of pause by `retry-after-ms` or `retry-after` (seconds or a date, RFC 9110 10.2.3)."""
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        value = headers.get(name, "")
        try:
            seconds = float(value) * unit
        except ValueError:
            continue
        if math.isfinite(seconds) and seconds >= 0:
            return seconds
    try:
        moment = email.utils.parsedate_to_datetime(headers.get("retry-after", ""))
    except ValueError:
        return None
    return max(0.0, moment.timestamp() - now_s)

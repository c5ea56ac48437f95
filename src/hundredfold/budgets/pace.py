"""Pace: how much of a limit is spent beside how much of its period has passed, and where that leads."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from fractions import Fraction

from msgspec import Struct

from hundredfold.vocabulary import Limit

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Pace(Struct, frozen=True):
    """A limit's period so far. Money is picodollars; `elapsed` is the passed part of the period.

    `projected` is what the whole period costs if the rest goes as it went; `runs_out_us` is when the limit is
    reached then, None if not within the period.
    """

    limit: Limit
    spent: int
    elapsed: Fraction
    projected: int
    runs_out_us: int | None

    @property
    def used(self) -> Fraction:
        """The spent part of the limit; above 1 if it was passed. A limit of nothing is used up."""
        return Fraction(self.spent, self.limit.picodollars) if self.limit.picodollars else Fraction(1)


def pace(limit: Limit, spent: int, now_us: int) -> Pace:
    """The pace of a limit by day or month, of which `spent` picodollars are spent at `now_us`.

    Raises:
        ValueError: the limit has no period.
    """
    if limit.window == "ever":
        raise ValueError("a limit without a period has no pace")
    start_us = limit.period_start_us(now_us)
    length_us = _end_us(limit, start_us) - start_us
    passed_us = max(1, now_us - start_us)
    elapsed = Fraction(passed_us, length_us)
    runs_out_us = None
    if spent >= limit.picodollars:
        runs_out_us = now_us
    elif spent and spent / elapsed > limit.picodollars:
        runs_out_us = start_us + round(Fraction(limit.picodollars * passed_us, spent))
    return Pace(limit, spent, elapsed, round(spent / elapsed), runs_out_us)


def _end_us(limit: Limit, start_us: int) -> int:
    """When the period that began at `start_us` ends: the next UTC day or month."""
    later = _EPOCH + timedelta(microseconds=start_us) + timedelta(days=1 if limit.window == "day" else 32)
    return limit.period_start_us(int((later - _EPOCH).total_seconds()) * 1_000_000)

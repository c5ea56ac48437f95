"""Counts of tokens as they must be to have a price, and the times at which a request can have been made."""

from __future__ import annotations

from datetime import UTC, datetime

from hundredfold.vocabulary import Usage

#: more than any request can use; a larger figure is nonsense and would not fit the sums
MOST_TOKENS = 10**12
#: a line of a log that tells more of one request tells of none: the largest contexts are some 10**7 tokens
MOST_LOGGED = 10**9

#: no model was asked before 2000 or is by 2100: a time outside, in UTC microseconds, is a mistake of a clock
FIRST_US = int(datetime(2000, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000
END_US = int(datetime(2100, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000


def consistent(usage: Usage) -> Usage:
    """The usage as it must be to have a price: no negative or absurd count, and no part above its whole.

    A provider that contradicts itself is taken at the larger figure: the whole grows to hold its parts. What
    is consistent passes unchanged.
    """
    if (
        0 <= usage.cache_write_1h <= usage.cache_write
        and 0 <= usage.cached <= usage.input - usage.cache_write <= usage.input <= MOST_TOKENS
        and 0 <= usage.reasoning <= usage.output <= MOST_TOKENS
    ):
        return usage
    cached, write_1h, reasoning = map(_bounded, (usage.cached, usage.cache_write_1h, usage.reasoning))
    cache_write = max(_bounded(usage.cache_write), write_1h)
    return Usage(
        input=max(_bounded(usage.input), cached + cache_write),
        cached=cached,
        cache_write=cache_write,
        output=max(_bounded(usage.output), reasoning),
        reasoning=reasoning,
        cache_write_1h=write_1h,
    )


def _bounded(tokens: int) -> int:
    return min(max(tokens, 0), MOST_TOKENS)

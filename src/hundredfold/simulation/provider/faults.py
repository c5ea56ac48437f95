"""Which fault strikes a request, and the limits of the minute.

Draws are keyed by seed, model, prompt, place in the conversation, and how often that same place was asked
before (a retry draws anew). They do not depend on the order in which concurrent requests arrive.
"""

from __future__ import annotations

from collections import OrderedDict
from random import Random

from hundredfold.simulation.provider.profile import Answers, Faults, Rate

MOST_PLACES = 50_000


class Dice:
    """Seeded randomness, one generator per (place in a conversation, how often it was asked)."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._asked: OrderedDict[bytes, int] = OrderedDict()

    def throw(self, key: bytes) -> Random:
        """The generator for this request; the next call with the same key gets another."""
        times = self._asked.pop(key, 0)
        self._asked[key] = times + 1
        if len(self._asked) > MOST_PLACES:
            self._asked.popitem(last=False)
        return Random(int.from_bytes(key, "little") + times)  # noqa: S311 - a simulation, seeded on purpose


def struck(table: Faults | Answers, random: Random) -> str:
    """The name of the fault that strikes, or "". At most one of a table does."""
    draw = random.random()
    for name in table.__struct_fields__:
        draw -= getattr(table, name)
        if draw < 0:
            return name
    return ""


class Minute:
    """The limits per minute: a bucket each for requests and tokens, refilled steadily."""

    def __init__(self, rate: Rate) -> None:
        self.requests = _Bucket(rate.requests_per_minute)
        self.tokens = _Bucket(rate.tokens_per_minute)

    def take(self, tokens: int, now: float) -> float:
        """Take one request of that many tokens: 0 if there was room, else the seconds until there is."""
        wait = max(self.requests.wait(1, now), self.tokens.wait(tokens, now))
        if wait == 0:
            self.requests.level -= 1
            self.tokens.level -= tokens
        return wait

    def headers(self) -> dict[str, str]:
        """What the API tells of the limits with every answer."""
        found: dict[str, str] = {}
        for name, bucket in (("requests", self.requests), ("tokens", self.tokens)):
            limit = bucket.limit or 1_000_000_000
            left = max(0, int(bucket.level)) if bucket.limit else limit
            found[f"x-ratelimit-limit-{name}"] = str(limit)
            found[f"x-ratelimit-remaining-{name}"] = str(left)
            found[f"x-ratelimit-reset-{name}"] = f"{bucket.reset_s():.3f}s"
        return found


class _Bucket:
    """Holds ten seconds' share of a minute's limit, as hosted providers do: more is throttled."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.capacity = max(1.0, limit / 6)
        self.level = self.capacity
        self._at: float | None = None

    def wait(self, amount: int, now: float) -> float:
        if self.limit == 0:
            return 0.0
        if self._at is not None:
            self.level = min(self.capacity, self.level + (now - self._at) * self.limit / 60)
        self._at = now
        # A request larger than the whole bucket is let through once the bucket is full.
        missing = min(amount, self.capacity) - self.level
        return max(0.0, missing * 60 / self.limit)

    def reset_s(self) -> float:
        return (self.capacity - self.level) * 60 / self.limit if self.limit else 0.0

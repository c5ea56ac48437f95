"""Hard limits as pure counters: reserve before a request is sent, settle when its cost is known.

A counter is one scope ("project:x") over one period (a UTC day, a UTC month, or ever). What counts against a
limit is what was spent before (`base`, read from the ledger), what was settled since it was read, and what is
reserved for requests in flight. So a limit is passed by no more than requests cost beyond their reservations.

Seeding without a gap or an overlap: `mark` a counter, read from the ledger what was spent up to that instant,
then `seed` with the mark. What settles in between counts once.
"""

from __future__ import annotations

from msgspec import Struct

from hundredfold.vocabulary import Limit

CounterKey = tuple[str, str, int]  # scope, window, start of the period in UTC microseconds
MOST_COUNTERS = 100_000


def counter_key(limit: Limit, at_us: int) -> CounterKey:
    """The counter that a request sent at `at_us` falls under."""
    return (limit.scope, limit.window, limit.period_start_us(at_us))


class Counter(Struct):
    """Picodollars of one scope and period."""

    base: int = 0
    settled: int = 0
    held: int = 0
    seeded_s: float | None = None  # on the caller's own clock; None: never read from the ledger


class Refusal(Struct, frozen=True):
    """The limit that a request would pass, in picodollars."""

    limit: Limit
    spent: int
    held: int
    wanted: int


class Reservation(Struct, frozen=True):
    """An amount held under several counters until it is settled or released."""

    keys: tuple[CounterKey, ...]
    amount: int


class Counters:
    """All counters of one process. Not thread-safe: one event loop owns it."""

    def __init__(self) -> None:
        self._counters: dict[CounterKey, Counter] = {}

    def unseeded(self, keys: tuple[CounterKey, ...], older_than_s: float) -> list[CounterKey]:
        """Those of `keys` that were never read from the ledger, or last before `older_than_s`."""
        found = []
        for key in keys:
            counter = self._counters.get(key)
            if counter is None or counter.seeded_s is None or counter.seeded_s < older_than_s:
                found.append(key)
        return found

    def known(self, key: CounterKey) -> bool:
        """Whether the counter was ever read from the ledger."""
        counter = self._counters.get(key)
        return counter is not None and counter.seeded_s is not None

    def mark(self, key: CounterKey) -> int:
        """What was settled up to now: hand it to `seed` with what the ledger says of this instant."""
        return self._counter(key).settled

    def seed(self, key: CounterKey, mark: int, spent: int, now_s: float) -> None:
        """The ledger held `spent` at the instant of `mark`."""
        counter = self._counter(key)
        counter.base = spent
        counter.settled -= mark
        counter.seeded_s = now_s

    def reserve(self, limits: tuple[Limit, ...], amount: int, at_us: int) -> Reservation | Refusal:
        """Hold `amount` under every limit, or under none if one of them would be passed."""
        assert amount >= 0
        for limit in limits:
            counter = self._counter(counter_key(limit, at_us))
            spent = counter.base + counter.settled
            if spent + counter.held + amount > limit.picodollars:
                return Refusal(limit, spent, counter.held, amount)
        keys = tuple(dict.fromkeys(counter_key(limit, at_us) for limit in limits))
        for key in keys:
            self._counter(key).held += amount
        return Reservation(keys, amount)

    def settle(self, reservation: Reservation, actual: int) -> None:
        """Replace what was held by what it cost (0 releases it)."""
        assert actual >= 0
        for key in reservation.keys:
            counter = self._counter(key)
            assert counter.held >= reservation.amount, "a reservation was settled twice"
            counter.held -= reservation.amount
            counter.settled += actual

    def _counter(self, key: CounterKey) -> Counter:
        counter = self._counters.get(key)
        if counter is None:
            if len(self._counters) >= MOST_COUNTERS:
                self._forget_idle()
            counter = self._counters[key] = Counter()
        return counter

    def _forget_idle(self) -> None:
        """Drop counters that hold nothing; the ledger knows them if they are needed again."""
        self._counters = {key: one for key, one in self._counters.items() if one.held}

"""What a transaction changes in the rollups, added up before it is written.

It knows no database, so whoever writes the ledger adds rows up alike: `usage.ledger` what the wire says,
`usage.importers` what logs say. What the sums mean is told in `usage.rollups`.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

QUARTER_US = 900_000_000
QUARTERS_A_DAY = 96
#: the grains: quarter hours, UTC days, UTC days by attempt, and quarter hours of all bookings together
QUARTER, DAY, DAY_AND_ATTEMPT, QUARTER_OF_ALL = 0, 1, 2, 3
#: what stands for no attempt, and for any booking
NONE = 0
#: what is added up, in the order of the columns
SUMMED = (
    *("input", "cached", "cache_write", "cache_write_1h", "output", "reasoning"),
    *("floor_input", "floor_output"),
)
KEYED = ("slot", "attempt", "booking", "route", "status", "band", "kinds")
#: the columns of `rollups`
NAMES = ("grain", *KEYED, "requests", *SUMMED)

Key = tuple[int, int, int, int, int, int, int]  # as KEYED
#: of `requests` from `key` on, to `reasoning` or further
Row = tuple[Any, ...]
_Sums = dict[Key, list[int]]

_ADDED = ", ".join(f"{name} = rollups.{name} + excluded.{name}" for name in ("requests", *SUMMED))
ON_CONFLICT = f"ON CONFLICT (grain, {', '.join(KEYED)}) DO UPDATE SET {_ADDED}"
#: adds one of `Deltas.rows`
UPSERT = f"INSERT INTO rollups ({', '.join(NAMES)}) VALUES ({', '.join('?' for _ in NAMES)}) {ON_CONFLICT}"  # noqa: S608


class Deltas:
    """Changes of the sums that one transaction makes; `edges` are the input sizes that tell bands apart."""

    def __init__(self, edges: Sequence[int]) -> None:
        self._edges = list(edges)
        self._sums: _Sums = {}

    def add(self, rows: Iterable[Row]) -> None:
        """Rows became current."""
        edges, sums = self._edges, self._sums
        for row in rows:
            _, _, _, status, at_us, attempt, booking, route, input_, cached, write, *counts = row
            write_1h, output, reasoning, *floors = counts
            # 1 plain input, 2 cached, 4 written for minutes, 8 written for an hour, 16 output
            kinds = (input_ > cached + write) + (2 if cached else 0) + (16 if output else 0)
            if write:
                kinds += 4 * (write > write_1h) + 8 * (write_1h > 0)
            band = bisect_left(edges, input_)
            key = (at_us // QUARTER_US, attempt or NONE, booking, route, status, band, kinds)
            there = sums.get(key)
            if there is None:
                there = sums[key] = [1, input_, cached, write, write_1h, output, reasoning, 0, 0]
            else:
                there[0] += 1
                there[1] += input_
                there[2] += cached
                there[3] += write
                there[4] += write_1h
                there[5] += output
                there[6] += reasoning
            if floors:
                there[7] += floors[0] or 0
                there[8] += floors[1] or 0

    def take(self, rows: Iterable[Row]) -> None:
        """Rows are current no more."""
        gone = Deltas(self._edges)
        gone.add(rows)
        _merge(self._sums, ((key, [-one for one in sums]) for key, sums in gone._sums.items()))

    def rows(self) -> Iterator[tuple[int, ...]]:
        """What to add to each rollup, as `NAMES`, grain by grain in the order of their keys."""
        by_attempt: _Sums = {}
        _merge(by_attempt, (((k[0] // QUARTERS_A_DAY, *k[1:]), sums) for k, sums in self._sums.items()))
        quarters = _whatever_attempt(self._sums)
        of_all: _Sums = {}
        _merge(of_all, (((*key[:2], NONE, *key[3:]), sums) for key, sums in quarters.items()))
        for grain, sums in (
            (QUARTER, quarters),
            (DAY, _whatever_attempt(by_attempt)),
            (DAY_AND_ATTEMPT, by_attempt),
            (QUARTER_OF_ALL, of_all),
        ):
            for key in sorted(sums):
                if any(sums[key]):
                    yield (grain, *key, *sums[key])


def _whatever_attempt(sums: _Sums) -> _Sums:
    """The sums without regard to attempts."""
    if not any(key[1] for key in sums):
        return sums
    merged: _Sums = {}
    _merge(merged, (((key[0], NONE, *key[2:]), each) for key, each in sums.items()))
    return merged


def _merge(into: _Sums, sums: Iterable[tuple[Key, list[int]]]) -> None:
    for key, more in sums:
        there = into.get(key)
        into[key] = more[:] if there is None else [a + b for a, b in zip(there, more, strict=True)]

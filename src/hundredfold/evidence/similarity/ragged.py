"""Many small sets of numbers in two arrays: what each document names, compared with a query's at once."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

import numpy as np
import numpy.typing as npt
from msgspec import Struct

Keys = npt.NDArray[np.uint64]
Floats = npt.NDArray[np.float32]
Numbers = npt.NDArray[np.int64]


class Ragged(Struct, frozen=True):
    """Sets of 64-bit keys, one a row: those of row `i` are `keys[starts[i]:starts[i+1]]`."""

    starts: Numbers
    keys: Keys

    def row(self, at: int) -> Keys:
        """The set of one row."""
        return self.keys[self.starts[at] : self.starts[at + 1]]

    def sizes(self, rows: Numbers) -> Numbers:
        """How many keys each of the rows holds."""
        return self.starts[rows + 1] - self.starts[rows]

    def shared(self, rows: Numbers, wanted: Keys) -> Numbers:
        """How many of the `wanted` keys each of the rows holds."""
        keys, ends, sizes = self._gathered(rows)
        if not len(keys) or not len(wanted):
            return np.zeros(len(rows), np.int64)
        held = np.concatenate(([0], np.cumsum(_among(keys, wanted))))
        shared: Numbers = held[ends] - held[ends - sizes]
        return shared

    def weighed(self, rows: Numbers, wanted: Keys, weigh: Callable[[Keys], Floats]) -> Floats:
        """The weight of what each of the rows shares with `wanted`, as a share of the weight of both."""
        keys, ends, sizes = self._gathered(rows)
        if not len(keys) or not len(wanted):
            return np.zeros(len(rows), np.float32)
        weights = weigh(keys).astype(np.float64)
        total = np.concatenate(([0], np.cumsum(weights)))
        held = np.concatenate(([0], np.cumsum(weights * _among(keys, wanted))))
        there, both = (one[ends] - one[ends - sizes] for one in (total, held))
        either = np.maximum(there + float(weigh(wanted).sum()) - both, 1e-9)
        share: Floats = (both / either).astype(np.float32)
        return share

    def kept(self, rows: Numbers) -> Ragged:
        """These rows alone."""
        keys, _, sizes = self._gathered(rows)
        return Ragged(np.concatenate(([0], np.cumsum(sizes))).astype(np.int64), keys)

    def _gathered(self, rows: Numbers) -> tuple[Keys, Numbers, Numbers]:
        """The keys of these rows one after the other, where each row's end, and how many they are."""
        sizes = self.sizes(rows)
        ends = np.cumsum(sizes)
        total = int(ends[-1]) if len(ends) else 0
        return self.keys[np.arange(total) + np.repeat(self.starts[rows] - ends + sizes, sizes)], ends, sizes


def _among(keys: Keys, wanted: Keys) -> npt.NDArray[np.bool_]:
    ordered = np.sort(wanted)
    found: npt.NDArray[np.bool_] = (
        ordered[np.minimum(np.searchsorted(ordered, keys), len(ordered) - 1)] == keys
    )
    return found


def ragged(rows: Sequence[Collection[int]]) -> Ragged:
    """The sets as rows, in order."""
    starts = np.concatenate(([0], np.cumsum([len(one) for one in rows], dtype=np.int64)))
    return Ragged(starts.astype(np.int64), np.array([key for one in rows for key in sorted(one)], np.uint64))


def joined(parts: Sequence[Ragged]) -> Ragged:
    """The rows of all parts, one after the other."""
    if not parts:
        return ragged(())
    sizes = np.concatenate([np.diff(one.starts) for one in parts])
    starts = np.concatenate(([0], np.cumsum(sizes))).astype(np.int64)
    return Ragged(starts, np.concatenate([one.keys for one in parts]))

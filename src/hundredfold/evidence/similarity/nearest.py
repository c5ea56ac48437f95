"""The nearest by cosine: a look at a few dimensions of all vectors, then the cosine of the best.

Reading all of the vectors is what a search by meaning costs, and holding them is what an index takes. So each
number is held as a byte (with one scale a vector: a cosine is off by some 0.0005), and all are kept a second
time, shortened to their first principal axes (of a sample; Pearson 1901), which keep four fifths of what sets
sentence vectors apart in a quarter of the numbers; what that calls nearest is compared in full. On the
tracker of docs/benchmarks.md the hundred nearest so found were those of a full scan. Few vectors are all
compared in full.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from hundredfold.evidence.similarity.growing import Growing

AXES = 96
COMPARED = 2_500  # in full, of those that the short vectors call nearest
FEW = 5_000  # vectors, up to which all are compared in full
SAMPLE = 5_000  # vectors that the axes are made of
AT_ONCE = 1_000  # vectors that are turned into bytes or made short together, to need little room
WIDEST = 64  # values of which one is looked at, at most, when the greatest are sought
LEVELS = 127  # of a byte, above and below zero

Rows = npt.NDArray[np.float32]
Numbers = npt.NDArray[np.int64]


class Nearest:
    """Pairs of unit vectors (of a title, of a whole text), numbered in the order in which they came.

    Nearest is by the mean of both: `together`.
    """

    def __init__(self, size: int) -> None:
        """`size`: the length of a vector."""
        self._bytes = Growing((2, size), np.int8)
        self._scales = Growing((2,), np.float32)
        self._shares = Growing((2,), np.float32)  # a byte's part in the cosine of `together`
        self._short: Growing | None = None
        self._axes: Rows = np.zeros((size, 0), np.float32)
        self._next = FEW + 1 if size > 2 * AXES else None  # so many, and the axes are made (again)

    def add(self, pairs: npt.NDArray[np.floating[Any]]) -> None:
        """(count, 2, size) of length 1."""
        start, count = len(self._bytes), len(self._bytes) + len(pairs)
        for first in range(0, len(pairs), AT_ONCE):
            some = pairs[first : first + AT_ONCE].astype(np.float32)
            scales = np.abs(some).max(axis=2, initial=1e-9) / LEVELS
            self._scales.extend(scales)
            self._shares.extend(scales / np.maximum(np.linalg.norm(some.sum(axis=1), axis=1), 1e-9)[:, None])
            some /= scales[:, :, None]
            self._bytes.extend(np.rint(some, out=some).astype(np.int8))
        if self._next is not None and count >= self._next:
            self._axes = _principal(together(self.pairs(np.arange(0, count, -(-count // SAMPLE)))))
            self._short = Growing((AXES,), np.float32)
            self._next, start = 2 * count, 0
        if self._short is not None:
            for first in range(start, count, AT_ONCE):
                rows = np.arange(first, min(first + AT_ONCE, count))
                self._short.extend(together(self.pairs(rows)) @ self._axes)

    def pairs(self, rows: Numbers) -> Rows:
        """(len(rows), 2, size): the vectors of these."""
        made = self._bytes.rows.take(rows, axis=0).astype(np.float32)
        made *= self._scales.rows.take(rows, axis=0)[:, :, None]
        return made

    def best(self, wanted: Rows, may: npt.NDArray[np.bool_], most: int) -> Numbers:
        """The `most` nearest to `wanted` (size,) among those that `may` be found, in no order."""
        if self._short is None:
            some = np.flatnonzero(may)
        else:
            about = self._short.rows @ (wanted @ self._axes)
            np.putmask(about, ~may, -2.0)
            some = best(about, COMPARED)
            some = some[may[some]]
        each = self._bytes.rows.take(some, axis=0).astype(np.float32) @ wanted  # of title, of whole
        return some[best(np.einsum("ij,ij->i", each, self._shares.rows.take(some, axis=0)), most)]


def together(pairs: npt.NDArray[np.floating[Any]]) -> Rows:
    """(count, 2, size) → (count, size): title and whole added, of length 1."""
    added = pairs[:, 0] + pairs[:, 1]
    length = np.sqrt(np.einsum("ij,ij->i", added, added))
    unit: Rows = added / np.maximum(length, 1e-9)[:, None]
    return unit


def best(values: Rows, most: int) -> Numbers:
    """The places of the `most` greatest values, in no order; all, if there are not so many.

    The greatest of each few neighbours are sorted out first: at least `most` values are as great as the
    `most`-th of those, so only such need be looked at.
    """
    count = len(values)
    if most <= 0 or most >= count:
        return np.arange(min(count, max(most, 0)))
    width = min(WIDEST, count // (2 * most))
    if width < 2:
        return np.argpartition(values, count - most)[count - most :]
    heads = values[: count // width * width].reshape(-1, width).max(axis=1)
    least = np.partition(heads, len(heads) - most)[len(heads) - most]
    there = np.flatnonzero(values >= least)
    return there[np.argpartition(values[there], len(there) - most)[len(there) - most :]]


def _principal(vectors: Rows) -> Rows:
    """(size, AXES): the axes along which these vectors are longest."""
    _, axes = np.linalg.eigh(vectors.T @ vectors)  # the longest last
    return np.ascontiguousarray(axes[:, : -AXES - 1 : -1])

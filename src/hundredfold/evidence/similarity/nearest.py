"""The nearest by cosine: a look at a few dimensions of all vectors, then the exact cosine of the best.

Reading all of the vectors is what a search by meaning costs. So they are kept a second time, shortened to
their first principal axes (of a sample; Pearson 1901), which keep four fifths of what sets sentence vectors
apart in a quarter of the numbers; what that calls nearest is compared in full. On the tracker of
docs/benchmarks.md the hundred nearest so found were those of a full scan. Few vectors are all compared in
full.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from hundredfold.evidence.similarity.growing import Growing

AXES = 96
COMPARED = 2_500  # in full, of those that the short vectors call nearest
FEW = 10_000  # vectors, up to which all are compared in full
SAMPLE = 5_000  # vectors that the axes are made of

Rows = npt.NDArray[np.float32]
Numbers = npt.NDArray[np.int64]


class Nearest:
    """Unit vectors, numbered in the order in which they came."""

    def __init__(self, size: int) -> None:
        """`size`: the length of a vector."""
        self._whole = Growing((size,), np.float32)
        self._short: Growing | None = None
        self._axes: Rows = np.zeros((size, 0), np.float32)
        self._next = FEW + 1 if size > 2 * AXES else None  # so many, and the axes are made (again)

    def add(self, vectors: Rows) -> None:
        """(count, size) of length 1."""
        self._whole.extend(vectors)
        if self._next is not None and len(self._whole) >= self._next:
            whole = self._whole.rows
            self._axes = _principal(whole[:: -(-len(whole) // SAMPLE)])
            self._short = Growing((AXES,), np.float32)
            self._short.extend(whole @ self._axes)
            self._next = 2 * len(whole)
        elif self._short is not None:
            self._short.extend(vectors @ self._axes)

    def cosines(self, rows: Numbers, wanted: Rows) -> Rows:
        """(len(rows),) the exact cosines of these to `wanted` (size,)."""
        found: Rows = self._whole.rows.take(rows, axis=0) @ wanted
        return found

    def best(self, wanted: Rows, may: npt.NDArray[np.bool_], most: int) -> Numbers:
        """The `most` nearest among those that `may` be found, in no order."""
        if self._short is None:
            return best(np.where(may, self._whole.rows @ wanted, -2.0), most, may)
        about = np.where(may, self._short.rows @ (wanted @ self._axes), -2.0)
        some = best(about, COMPARED, may)
        return some[best(self.cosines(some, wanted), most)]


def best(values: Rows, most: int, may: npt.NDArray[np.bool_] | None = None) -> Numbers:
    """The places of the `most` greatest values, in no order; of those that `may` be, if that is given."""
    count = len(values)
    top = np.argpartition(values, count - most)[count - most :] if 0 < most < count else np.arange(count)
    top = top[:most].astype(np.int64)
    return top if may is None else top[may[top]]


def _principal(vectors: Rows) -> Rows:
    """(size, AXES): the axes along which these vectors are longest."""
    _, axes = np.linalg.eigh(vectors.T @ vectors)  # the longest last
    return np.ascontiguousarray(axes[:, : -AXES - 1 : -1])

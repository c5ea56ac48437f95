"""Arrays that grow at their end, with room to spare, so that adding a little does not copy all."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from hundredfold.evidence.similarity.ragged import Ragged

SPARE = 8  # one part in so many is left empty when it grows


class Growing:
    """Rows of one shape and type. `rows` are those that are there: a view, good until the next `extend`."""

    def __init__(self, shape: tuple[int, ...], kind: npt.DTypeLike) -> None:
        """`shape`: of one row."""
        self._all: npt.NDArray[Any] = np.zeros((0, *shape), kind)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    @property
    def rows(self) -> npt.NDArray[Any]:
        """(count, *shape)."""
        return self._all[: self._count]

    def extend(self, more: npt.NDArray[Any]) -> None:
        """Rows for the end."""
        count = self._count + len(more)
        if count > len(self._all):
            room = max(count, self._count + self._count // SPARE)
            made = np.zeros((room, *self._all.shape[1:]), self._all.dtype)
            made[: self._count] = self.rows
            self._all = made
        self._all[self._count : count] = more
        self._count = count


class GrowingRagged:
    """Small sets, as `Ragged` holds them."""

    def __init__(self) -> None:
        self._ends = Growing((), np.int64)
        self._ends.extend(np.zeros(1, np.int64))
        self._keys = Growing((), np.uint64)

    @property
    def ragged(self) -> Ragged:
        """All that are there: a view, good until the next `extend`."""
        return Ragged(self._ends.rows, self._keys.rows)

    def extend(self, more: Ragged) -> None:
        """Sets for the end."""
        self._ends.extend(more.starts[1:] + len(self._keys))
        self._keys.extend(more.keys)

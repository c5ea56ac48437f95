"""A benchmark's measurements in order of time, as they are kept; `regressions.py` judges them."""

from __future__ import annotations

from msgspec import Struct

from hundredfold.evidence.measures import Direction


class Point(Struct, frozen=True, gc=False):
    """One measurement: when (UTC microseconds), of which commit ("" if unknown), and what."""

    at_us: int
    commit: str
    value: float


class Series(Struct, frozen=True):
    """One benchmark's measurements in order of time, in one unit. `name` is unique within `suite`."""

    id: str
    suite: str
    name: str
    unit: str
    direction: Direction | None
    points: tuple[Point, ...]

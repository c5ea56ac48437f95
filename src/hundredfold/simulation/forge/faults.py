"""Faults on demand: which request is struck, by what, and whether it was carried out before.

`forbidden` 403 on a verb · `secondary` 403 with Retry-After · `throttled` 429 with Retry-After ·
`bad_gateway` 502 in HTML · `cut` the connection ends · `slow` an answer late by `seconds` · `stale` the
answer that the same address gave before, with its old ETag · `gone` a branch is deleted just before.
"""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass, field
from random import Random
from typing import Literal

Kind = Literal["forbidden", "secondary", "throttled", "bad_gateway", "cut", "slow", "stale", "gone"]


@dataclass(slots=True)
class Fault:
    """Strikes requests whose method and path match, `times` of them (-1 = all).

    With `after` the request is carried out first and only its answer is lost (`bad_gateway`, `cut`).
    """

    kind: Kind
    method: str = ""  # "" = any
    path: str = ""  # a regular expression, searched in the path below the API's root
    times: int = 1
    after: bool = False
    seconds: float = 1.0
    branch: str = ""  # "owner/name:branch", for `gone`
    struck: int = 0

    def matches(self, method: str, path: str) -> bool:
        """Whether this request is struck."""
        return self.times != 0 and self.method in ("", method) and re.search(self.path, path) is not None


@dataclass(slots=True)
class Storm:
    """Strikes a share of all requests, drawn under a seed by method, path and how often they were seen."""

    rate: float
    seed: int = 0
    kinds: tuple[Kind, ...] = ("secondary", "throttled", "bad_gateway", "cut")
    path: str = ""
    retry_after: float = 1.0
    seen: dict[str, int] = field(default_factory=dict)

    def draw(self, method: str, path: str) -> Fault | None:
        """The fault that strikes this request, if one does."""
        if not re.search(self.path, path):
            return None
        key = f"{method} {path}"
        self.seen[key] = self.seen.get(key, 0) + 1
        random = Random(f"{self.seed} {key} {self.seen[key]}")  # noqa: S311 - a simulation, seeded on purpose
        if random.random() >= self.rate:
            return None
        return Fault(random.choice(self.kinds), after=random.random() < 0.5, seconds=self.retry_after)


class Faults:
    """The faults that are armed; safe to arm from another thread."""

    def __init__(self) -> None:
        self.armed: list[Fault] = []
        self.storm: Storm | None = None
        self.struck: dict[str, int] = {}
        self._lock = threading.Lock()

    def add(self, fault: Fault) -> Fault:
        """Arm a fault."""
        with self._lock:
            self.armed.append(fault)
        return fault

    def clear(self) -> None:
        """Disarm all, the storm too."""
        with self._lock:
            self.armed, self.storm = [], None

    def strike(self, method: str, path: str) -> Fault | None:
        """The fault that strikes this request, if one does; the first that was armed goes first."""
        with self._lock:
            found = next((one for one in self.armed if one.matches(method, path)), None)
            if found is not None:
                found.times -= found.times > 0
                found.struck += 1
            elif self.storm is not None:
                found = self.storm.draw(method, path)
            if found is not None:
                self.struck[found.kind] = self.struck.get(found.kind, 0) + 1
            return found

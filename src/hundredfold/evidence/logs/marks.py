"""Which lines of a log tell why it failed: the marks of `data/logmarks.toml`."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from hashlib import sha256
from importlib.resources import files

from msgspec import Struct


class Mark(Struct, frozen=True):
    """What a line tells: its family and weight, 0 to 10."""

    family: str
    weight: int


class _Rules(Struct, frozen=True):
    marks: tuple[tuple[Mark, re.Pattern[str]], ...]  # heaviest first
    noise: tuple[tuple[int, re.Pattern[str]], ...]
    hints: tuple[str, ...]


_DIGITS = re.compile(r":\d|\b\d+ \|")


@cache
def _rules() -> _Rules:
    raw = tomllib.loads((files("hundredfold.evidence") / "data" / "logmarks.toml").read_text("utf-8"))
    marks = [
        (Mark(one["family"], one["weight"]), re.compile(one["pattern"], re.ASCII)) for one in raw["mark"]
    ]
    marks.sort(key=lambda one: -one[0].weight)
    noise = tuple((one["below"], re.compile(one["pattern"], re.ASCII)) for one in raw["noise"])
    return _Rules(tuple(marks), noise, tuple(raw["hints"]))


def marks_version() -> str:
    """A digest of the marks: what was read with others is read anew."""
    return sha256((files("hundredfold.evidence") / "data" / "logmarks.toml").read_bytes()).hexdigest()[:16]


def may_tell(line: str) -> bool:
    """Whether a line could match a mark: cheap, and false for most."""
    low = line.lower()
    return any(hint in low for hint in _rules().hints) or _DIGITS.search(line) is not None


def mark_of(line: str) -> Mark | None:
    """The heaviest mark of a cleaned line, or None if it tells nothing."""
    rules = _rules()
    if not may_tell(line):
        return None
    for mark, pattern in rules.marks:
        if pattern.search(line):
            if any(mark.weight < below and noise.search(line) for below, noise in rules.noise):
                return None
            return mark
    return None

"""Fingerprints of findings that survive edits elsewhere in the file: no line numbers go into them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from msgspec import Struct

from hundredfold.evidence.quotes import normalised
from hundredfold.vocabulary import digest


class Mark(Struct, frozen=True):
    """What identifies a finding: its file, the function it is in, its rule and the quoted code."""

    path: str
    unit: str
    rule: str
    quote: str


def fingerprint(mark: Mark, occurrence: int = 0) -> str:
    """32 hex digits. `occurrence` (0, 1, …) tells apart equal findings in one function."""
    lines = [line for line in map(normalised, mark.quote.split("\n")) if line]
    return digest("finding/1", mark.path, mark.unit, mark.rule, str(occurrence), *lines)


def fingerprints(marks: Sequence[Mark]) -> tuple[str, ...]:
    """The fingerprints of findings in the order of their place in the file; equal ones are numbered."""
    seen: Counter[str] = Counter()
    made = []
    for mark in marks:
        plain = fingerprint(mark)
        made.append(fingerprint(mark, seen[plain]))
        seen[plain] += 1
    return tuple(made)

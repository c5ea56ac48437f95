"""github-action-benchmark's own plain form: `[{"name", "unit", "value", "range"?}, …]`.

The file does not say whether less or more is better: the format's name does, else the unit.
"""

from __future__ import annotations

from hundredfold.sources.benchmarks.records import Collector, Readings, Run, listing, mapping, parsed


def smaller(content: bytes, file: str, run: Run) -> Readings:
    """customSmallerIsBetter."""
    return _read(content, file, run, "customSmallerIsBetter")


def bigger(content: bytes, file: str, run: Run) -> Readings:
    """customBiggerIsBetter."""
    return _read(content, file, run, "customBiggerIsBetter")


def undecided(content: bytes, file: str, run: Run) -> Readings:
    """The direction is the unit's."""
    return _read(content, file, run, "custom")


def _read(content: bytes, file: str, run: Run, tool: str) -> Readings:
    made = Collector(file, tool)
    for entry in listing(parsed(content, file)):
        one = mapping(entry)
        made.add("", one.get("name"), one.get("unit"), one.get("value"), run)
    return made.done()

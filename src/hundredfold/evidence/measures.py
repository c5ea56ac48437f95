"""What a benchmark's unit says: how to make values comparable, and whether less or more of it is better."""

from __future__ import annotations

import re
from typing import Literal

from msgspec import Struct

Direction = Literal["smaller", "bigger"]

_NANOSECONDS = {
    "ns": 1.0, "nsec": 1.0, "nanosecond": 1.0, "nanoseconds": 1.0,
    "us": 1e3, "µs": 1e3, "μs": 1e3, "usec": 1e3, "microsecond": 1e3, "microseconds": 1e3,
    "ms": 1e6, "msec": 1e6, "millisecond": 1e6, "milliseconds": 1e6,
    "s": 1e9, "sec": 1e9, "secs": 1e9, "second": 1e9, "seconds": 1e9,
    "min": 6e10, "minutes": 6e10,
}  # fmt: skip
_BYTES = {
    "b": 1.0, "byte": 1.0, "bytes": 1.0, "kb": 1e3, "kib": 1024.0, "mb": 1e6, "mib": 1024.0**2,
    "gb": 1e9, "gib": 1024.0**3,
}  # fmt: skip
_PREFIXES = {
    "ns": (("s", 1e9), ("ms", 1e6), ("µs", 1e3)),
    "B": (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)),
}
_WORK = re.compile(r"^(ops?|iter|iters|iterations|op|req|reqs|requests|calls|it|items|elements|fps)$")
_BIGGER = re.compile(r"^(fps|rps|qps|tps|hz|khz|mhz|throughput|x|speedup|hits?|score)$")

#: what github-action-benchmark's tools measure where the unit does not tell
_TOOLS: dict[str, Direction] = {
    "customsmallerisbetter": "smaller",
    "custombiggerisbetter": "bigger",
    "benchmarkjs": "bigger",
    "pytest": "bigger",
}


FAR = 10.0  # the ratio from which on a share says less than the ratio itself
ANOTHER_UNIT = 100.0  # and from which on the unit may be another: few changes of code do that


class Measure(Struct, frozen=True):
    """A unit in the terms values are kept in: `value * factor` is in `unit`."""

    unit: str
    factor: float


def measure(unit: str) -> Measure:
    """The unit that values are kept in: times in ns, sizes in bytes, per operation and per second alike;
    any other as it is, but for blanks. Go writes more into it ("ns/op\\t 0 B/op"): the first word counts."""
    first = (unit.strip().split() or [""])[0][:40]
    head, slash, tail = first.partition("/")
    low = head.lower()
    if slash and tail.lower() in ("s", "sec", "second") and low in _BYTES:
        return Measure("B/s", _BYTES[low])
    if slash and low in _BYTES:
        return Measure(f"B/{tail}", _BYTES[low])
    if low in _NANOSECONDS:
        return Measure(f"ns{slash}{tail}", _NANOSECONDS[low])
    if not slash and low in _BYTES:
        return Measure("B", _BYTES[low])
    if slash and tail.lower() in _NANOSECONDS and _WORK.match(low):
        return Measure(f"{low}/s", 1e9 / _NANOSECONDS[tail.lower()])
    return Measure(first, 1.0)


def direction(tool: str, unit: str) -> Direction | None:
    """Whether less or more is better: as the tool is named, else by the unit; None if neither tells."""
    named = _TOOLS.get(tool.lower())
    if named is not None and tool.lower().startswith("custom"):
        return named
    kept = measure(unit).unit
    head, slash, tail = kept.partition("/")
    if slash and tail.lower() in ("s", "sec", "second", "ms", "us", "ns", "min"):
        return "bigger"
    if head in ("ns", "B") or (slash and tail.lower() in ("op", "iter", "call", "request")):
        return "smaller"
    if _BIGGER.match(head.lower()):
        return "bigger"
    return named


def shown(value: float, unit: str) -> str:
    """A value for people, with a fitting prefix: 1234567 ns → "1.23 ms"."""
    head, slash, tail = unit.partition("/")
    for name, size in _PREFIXES.get(head, ()):
        if abs(value) >= size:
            return f"{value / size:.3g} {name}{slash}{tail}"
    return f"{value:.4g} {unit}".rstrip()


def times(ratio: float) -> str:
    """How many times, whichever way: 0.001 → "1,000"."""
    many = ratio if ratio >= 1.0 else 1.0 / max(ratio, 1e-300)
    return f"{many:,.0f}" if many >= ANOTHER_UNIT else f"{many:.3g}"


def another_unit(ratio: float) -> bool:
    """Whether a step is so large that the unit may have changed, and nothing else."""
    return not 1.0 / ANOTHER_UNIT < ratio < ANOTHER_UNIT


def changed(ratio: float) -> str:
    """A step for people, by the ratio of its levels: 1.052 → "+5.2%", 12.3 → "×12.3", 0.001 → "÷1,000
    (another unit?)"."""
    if 1.0 / FAR < ratio < FAR:
        return f"{ratio - 1.0:+.1%}"
    return f"{'×' if ratio > 1.0 else '÷'}{times(ratio)}{' (another unit?)' if another_unit(ratio) else ''}"

"""criterion.rs: `estimates.json` of one benchmark, or what `cargo criterion --message-format=json` prints.

Format: https://bheisler.github.io/criterion.rs/book/cargo_criterion/external_tools.html; estimates are in
nanoseconds. An `estimates.json` tells nothing of itself: its name is its folder's below `criterion/`.
"""

from __future__ import annotations

from pathlib import PurePosixPath

from hundredfold.sources.benchmarks.records import Collector, Readings, Run, mapping, parsed


def read(content: bytes, file: str, run: Run) -> Readings:
    """See the module."""
    made = Collector(file, "criterion")
    if b'"reason"' in content:
        for line in content.splitlines():
            if b'"benchmark-complete"' in line:
                one = mapping(parsed(line, file))
                told = mapping(one.get("typical") or one.get("median") or one.get("mean"))
                made.add("", one.get("id"), told.get("unit", "ns"), told.get("estimate"), run)
        return made.done()
    document = mapping(parsed(content, file))
    told = mapping(document.get("slope") or document.get("median") or document.get("mean"))
    made.add("", name_of(file), "ns", told.get("point_estimate"), run, spread=told.get("standard_error"))
    return made.done()


def name_of(file: str) -> str:
    """ "sort/quick/100" of "target/criterion/sort/quick/100/new/estimates.json"."""
    parts = PurePosixPath(file).parts[:-1]
    if "criterion" in parts:
        parts = parts[parts.index("criterion") + 1 :]
    return "/".join(parts[:-1] if parts[-1:] in (("new",), ("base",)) else parts)

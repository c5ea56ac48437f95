"""github-action-benchmark's `data.js`: `window.BENCHMARK_DATA = {…}`, the whole history of every suite.

Format: https://github.com/benchmark-action/github-action-benchmark (src/write.ts: `DataJson`). `date` is
milliseconds since the epoch; an entry's time is when it was measured, not when the commit was made.
"""

from __future__ import annotations

from hundredfold.sources.benchmarks.records import (
    Collector,
    Readings,
    Run,
    commit_of,
    listing,
    mapping,
    moment,
    parsed,
    unreadable,
)

MARK = b"window.BENCHMARK_DATA"


def read(content: bytes, file: str, run: Run) -> Readings:
    """See the module. `run` is not needed: the file knows."""
    body = content.strip()
    if MARK in body[:200]:
        body = body.partition(b"=")[2].strip().removesuffix(b";")
    entries = mapping(parsed(body, file)).get("entries")
    if not isinstance(entries, dict):
        raise unreadable(file, "has no `entries`")
    made = Collector(file, "github-action-benchmark")
    for suite, measured in entries.items():
        for entry in listing(measured):
            one = mapping(entry)
            commit = mapping(one.get("commit"))
            when = Run(
                commit_of(commit.get("id")), moment(one.get("date")) or moment(commit.get("timestamp"))
            )
            tool = one.get("tool") if isinstance(one.get("tool"), str) else ""
            for bench in listing(one.get("benches")):
                given = mapping(bench)
                spread = (
                    str(given.get("range", "")).replace(",", "").lstrip("±+-/ ").split(" ")[0].rstrip("%")
                )
                made.add(
                    suite,
                    given.get("name"),
                    given.get("unit"),
                    given.get("value"),
                    when,
                    spread=_number(spread),
                    tool=str(tool)[:60],
                )
    return made.done()


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0

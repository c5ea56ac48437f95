"""github-action-benchmark's `data.js`: `window.BENCHMARK_DATA = {…}`, the whole history of every suite.

Format: https://github.com/benchmark-action/github-action-benchmark (src/write.ts: `DataJson`). `date` is
milliseconds since the epoch; an entry's time is when it was measured, not when the commit was made.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
from msgspec import Struct

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


class _Data(Struct):
    entries: dict[str, msgspec.Raw]


def read(content: bytes, file: str, run: Run) -> Readings:
    """See the module. `run` is not needed: the file knows.

    Entries are decoded one by one: a history takes the memory of its measurements, not of its JSON.
    """
    body = _body(content)
    try:
        return _gathered(file, _one_by_one(body))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):  # not JSON to the letter, or odd
        entries = mapping(parsed(bytes(body), file)).get("entries")
    if not isinstance(entries, dict):
        raise unreadable(file, "has no `entries`")
    return _gathered(file, ((suite, one) for suite, all_ in entries.items() for one in listing(all_)))


def _gathered(file: str, entries: Iterable[tuple[str, Any]]) -> Readings:
    made = Collector(file, "github-action-benchmark")
    for suite, entry in entries:
        one = mapping(entry)
        commit = mapping(one.get("commit"))
        when = Run(commit_of(commit.get("id")), moment(one.get("date")) or moment(commit.get("timestamp")))
        tool = one.get("tool")
        told = tool[:60] if isinstance(tool, str) else ""
        for bench in listing(one.get("benches")):
            given = mapping(bench)
            spread = _number(given.get("range", ""))
            made.add(
                suite,
                given.get("name"),
                given.get("unit"),
                given.get("value"),
                when,
                spread=spread,
                tool=told,
            )
    return made.done()


def _one_by_one(body: memoryview) -> Iterator[tuple[str, Any]]:
    """Each suite's entries.

    Raises:
        msgspec.DecodeError, UnicodeDecodeError, RecursionError: the file is not as the format says.
    """
    suites = msgspec.json.decode(body, type=_Data).entries
    for suite, entries in suites.items():
        for entry in msgspec.json.decode(entries, type=list[msgspec.Raw]):
            yield suite, msgspec.json.decode(entry)


def _body(content: bytes) -> memoryview:
    """The JSON alone, not copied."""
    begin = content.find(b"=", 0, 400) + 1 if MARK in content[:200] else 0
    end = len(content)
    while end > begin and content[end - 1] in b" \t\r\n;":
        end -= 1
    return memoryview(content)[begin:end]


def _number(spread: Any) -> float:
    text = str(spread).replace(",", "").lstrip("±+-/ ").split(" ")[0].rstrip("%")
    try:
        return float(text)
    except ValueError:
        return 0.0

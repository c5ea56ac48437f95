"""hyperfine's `--export-json`: one result a command, medians in seconds.

Format: https://github.com/sharkdp/hyperfine (src/export/json.rs).
"""

from __future__ import annotations

from hundredfold.sources.benchmarks.records import (
    Collector,
    Readings,
    Run,
    labelled,
    listing,
    mapping,
    parsed,
)


def read(content: bytes, file: str, run: Run) -> Readings:
    """See the module."""
    made = Collector(file, "hyperfine")
    for result in listing(mapping(parsed(content, file)).get("results")):
        one = mapping(result)
        name = labelled(one.get("command"), mapping(one.get("parameters")).items())
        made.add("", name, "s", one.get("median", one.get("mean")), run, spread=one.get("stddev"))
    return made.done()

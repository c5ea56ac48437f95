"""JMH's JSON (`-rf json`): one entry a benchmark, mode and set of parameters.

Format: https://github.com/openjdk/jmh (JSONResultFormat). The unit says the direction: "ops/s" or "ns/op".
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
    made = Collector(file, "jmh")
    for entry in listing(parsed(content, file)):
        one = mapping(entry)
        told = mapping(one.get("primaryMetric"))
        name = labelled(one.get("benchmark"), mapping(one.get("params")).items())
        mode = one.get("mode")
        made.add(mode, name, told.get("scoreUnit"), told.get("score"), run, spread=told.get("scoreError"))
    return made.done()

"""pytest-benchmark's JSON (`--benchmark-json`): medians in seconds, with commit and time of the run.

Format: https://pytest-benchmark.readthedocs.io/en/latest/usage.html (what its `--benchmark-save` writes).
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
)


def read(content: bytes, file: str, run: Run) -> Readings:
    """See the module. The file's own commit and time go before those of `run`."""
    document = mapping(parsed(content, file))
    about = mapping(document.get("commit_info"))
    when = Run(commit_of(about.get("id")) or run.commit, moment(document.get("datetime")) or run.at_us)
    made = Collector(file, "pytest-benchmark")
    for bench in listing(document.get("benchmarks")):
        one = mapping(bench)
        stats = mapping(one.get("stats"))
        value = stats.get("median", stats.get("mean"))
        name = one.get("fullname") or one.get("name")
        made.add(one.get("group") or "", name, "s", value, when, spread=stats.get("iqr", stats.get("stddev")))
    return made.done()

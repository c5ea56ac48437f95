"""asv (airspeed velocity): a results file of one commit and environment.

Format: https://asv.readthedocs.io/en/stable/dev.html (results/HOST/*.json), versions 1 and 2. The unit is
that of its kind, by its name's first word: `time_` and `timeraw_` seconds, `mem_` and `peakmem_` bytes;
`track_` has none.
"""

from __future__ import annotations

from itertools import product
from typing import Any

from hundredfold.sources.benchmarks.records import (
    Collector,
    Readings,
    Run,
    commit_of,
    labelled,
    listing,
    mapping,
    moment,
    parsed,
)

_UNITS = {"time": "s", "timeraw": "s", "mem": "bytes", "peakmem": "bytes"}
MAX_CASES = 10_000  # parameter combinations of one benchmark


def read(content: bytes, file: str, run: Run) -> Readings:
    """See the module. The file's own commit and time go before those of `run`."""
    document = mapping(parsed(content, file))
    when = Run(
        commit_of(document.get("commit_hash")) or run.commit, moment(document.get("date")) or run.at_us
    )
    columns = [str(one) for one in listing(document.get("result_columns"))]
    made = Collector(file, "asv")
    for name, given in mapping(document.get("results")).items():
        one = dict(zip(columns, given, strict=False)) if isinstance(given, list) else mapping(given)
        values = one.get("result") if one else given
        unit = _UNITS.get(name.rpartition(".")[2].partition("_")[0], "")
        for parameters, value in _cases(values, listing(one.get("params"))):
            if value is not None:  # a case that was skipped
                made.add(document.get("env_name"), labelled(name, parameters), unit, value, when)
    return made.done()


def _cases(values: Any, params: list[Any]) -> list[tuple[list[tuple[int, Any]], Any]]:
    """Each combination of parameters with its value, in asv's order."""
    if not isinstance(values, list):
        return [([], values)]
    if not params:
        return [([], one) for one in values[:1]]
    combinations = product(*(listing(one) for one in params))
    return [
        (list(enumerate(combination, 1)), value)
        for combination, value, _ in zip(combinations, values, range(MAX_CASES), strict=False)
    ]

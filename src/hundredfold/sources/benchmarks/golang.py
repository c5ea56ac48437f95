"""Go's benchmark text (`go test -bench`), and the same form as Rust's libtest writes it.

Format: https://go.dev/design/14313-benchmark-format. Repeats (`-count`) become their median; each metric of a
line ("ns/op", "B/op", "MB/s", …) is a series of its own.
"""

from __future__ import annotations

import re
from statistics import median

from hundredfold.sources.benchmarks.records import Collector, Readings, Run

_LINE = re.compile(r"^(Benchmark\S*)\s+(\d+)\s+(.+)$")
_PROCESSORS = re.compile(r"-\d+$")
_LIBTEST = re.compile(r"^test (\S+)\s+\.\.\. bench:\s+([\d,.]+) (\S+) \(\+/- ([\d,.]+)\)")
MAX_METRICS = 20  # of one line


def read(content: bytes, file: str, run: Run) -> Readings:
    """See the module."""
    made = Collector(file, "go")
    package, measured = "", dict[tuple[str, str, str], list[float]]()
    for line in content.decode("utf-8", "replace").splitlines():
        if line.startswith("pkg:"):
            package = line[4:].strip()
        elif found := _LIBTEST.match(line):
            name, value, unit, spread = found.groups()
            made.add("", name, unit, _number(value), run, spread=_number(spread), tool="cargo")
        elif found := _LINE.match(line.rstrip()):
            name, words = _PROCESSORS.sub("", found[1]), found[3].split()[: 2 * MAX_METRICS]
            for value, unit in zip(words[::2], words[1::2], strict=False):
                number = _number(value)
                if number is None:
                    made.leave_out("the value is no finite number")
                else:
                    measured.setdefault((package, name, unit), []).append(number)
    for (suite, name, unit), values in measured.items():
        label = name if unit == "ns/op" else f"{name} {unit}"
        made.add(suite, label, unit, median(values), run, spread=max(values) - min(values))
    return made.done()


def _number(text: str) -> float | None:
    try:
        return float(text.replace(",", ""))
    except ValueError:
        return None

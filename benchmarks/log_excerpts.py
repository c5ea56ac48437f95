"""How much of what matters in failing CI logs an excerpt shows, beside the usual ways, and what it costs.

    python -m benchmarks.log_excerpts FOLDER [--budget 5000] [--large-mb 100]

FOLDER holds one folder a case: `raw.log.gz` and `ground_truth.json` with `required_signals`, each with an
`importance` and `evidence_lines` (1-based ranges), as LogDx has them. A signal is shown if one of its lines
is. Tokens are UTF-8 bytes / 4.
"""

from __future__ import annotations

import argparse
import gzip
import json
import re
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from hundredfold.evidence.logs.excerpt import excerpt

SHARES = ("critical", "important", "optional")
Way = Callable[[list[str], int], tuple[set[int], int]]


def ours(lines: list[str], budget: int) -> tuple[set[int], int]:
    made = excerpt(lambda: lines, budget)
    return {one.first_line + at for one in made.pieces for at in range(len(one.lines))}, made.tokens


def last_200(lines: list[str], _: int) -> tuple[set[int], int]:
    shown = set(range(max(1, len(lines) - 199), len(lines) + 1))
    return shown, _tokens(lines, shown)


def grep_around(lines: list[str], _: int) -> tuple[set[int], int]:
    telling = re.compile(r"(?i)error|fail|exception|fatal|panic")
    shown = {
        number + near
        for number, line in enumerate(lines, 1)
        if telling.search(line)
        for near in range(-3, 4)
        if 1 <= number + near <= len(lines)
    }
    return shown, _tokens(lines, shown)


def _tokens(lines: list[str], shown: set[int]) -> int:
    return sum(len(lines[number - 1].encode()) + 1 for number in shown) // 4


WAYS: dict[str, Way] = {"excerpt": ours, "last 200 lines": last_200, "grep, 3 lines around": grep_around}


def recall(folder: Path, budget: int) -> None:
    cases = sorted(one.parent for one in folder.glob("*/ground_truth.json"))
    print(f"{len(cases)} logs\n\n| way | critical | important | optional | tokens, mean (most) | CPU s |")
    print("|---|---|---|---|---|---|")
    for name, way in WAYS.items():
        hits = {share: [0, 0] for share in SHARES}
        sizes, seconds = list[int](), 0.0
        for case in cases:
            truth = json.loads((case / "ground_truth.json").read_text())
            lines = gzip.decompress((case / "raw.log.gz").read_bytes()).decode("utf-8", "replace").split("\n")
            before = time.process_time()
            shown, size = way(lines, budget)
            seconds += time.process_time() - before
            sizes.append(size)
            for signal in truth["required_signals"]:
                seen = any(not shown.isdisjoint(range(a, b + 1)) for a, b in signal["evidence_lines"])
                hits[signal["importance"]][0] += seen
                hits[signal["importance"]][1] += 1
        told = " | ".join(f"{seen}/{of} ({seen / of:.2f})" if of else "–" for seen, of in hits.values())
        print(f"| {name} | {told} | {sum(sizes) // len(sizes):,} ({max(sizes):,}) | {seconds:.1f} |")


def large(folder: Path, megabytes: int, budget: int) -> None:
    """One log of so many megabytes, read line by line from disk."""
    text = b"".join(gzip.decompress(one.read_bytes()) for one in sorted(folder.glob("*/raw.log.gz")))
    with tempfile.NamedTemporaryFile(suffix=".log") as file:
        for _ in range(-(-megabytes * 10**6 // len(text))):
            file.write(text)
        file.flush()

        def lines() -> Iterator[str]:
            with Path(file.name).open(encoding="utf-8", errors="replace", newline="\n") as log:
                yield from (line.rstrip("\n") for line in log)

        before = resource.getrusage(resource.RUSAGE_SELF)
        made = excerpt(lines, budget)
        after = resource.getrusage(resource.RUSAGE_SELF)
        size = Path(file.name).stat().st_size / 10**6
    print(
        f"\n{size:.0f} MB, {made.total_lines:,} lines: {after.ru_utime - before.ru_utime:.1f} CPU s, peak "
        f"{after.ru_maxrss / 1024:.0f} MB (its own corpus in memory included), {made.tokens:,} tokens"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--budget", type=int, default=5_000)
    parser.add_argument("--large-mb", type=int, default=100)
    given = parser.parse_args()
    recall(given.folder, given.budget)
    large(given.folder, given.large_mb, given.budget)

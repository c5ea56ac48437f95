"""Which format a file of benchmark results is in, and reading it."""

from __future__ import annotations

from collections.abc import Callable

from hundredfold.sources.benchmarks import (
    asv,
    criterion,
    custom,
    github_action,
    golang,
    hyperfine,
    jmh,
    pytest_benchmark,
)
from hundredfold.sources.benchmarks.records import Readings, Run, listing, mapping, parsed, unreadable

MAX_BYTES = 512 * 2**20

Reader = Callable[[bytes, str, Run], Readings]

FORMATS: dict[str, Reader] = {
    "github-action-benchmark": github_action.read,
    "pytest-benchmark": pytest_benchmark.read,
    "hyperfine": hyperfine.read,
    "asv": asv.read,
    "criterion": criterion.read,
    "go": golang.read,
    "jmh": jmh.read,
    "customSmallerIsBetter": custom.smaller,
    "customBiggerIsBetter": custom.bigger,
    "custom": custom.undecided,
}


def read(content: bytes, file: str, run: Run, format_: str = "auto") -> Readings:
    """The measurements in a file; `run` serves formats that do not tell when and of what they are.

    Raises:
        ConfigError: it is too large, of no known format, or can't be read as it; names the file and the mend.
    """
    if len(content) > MAX_BYTES:
        raise unreadable(file, f"has more than {MAX_BYTES} bytes", "Keep fewer of the oldest results in it.")
    if not content.strip():
        raise unreadable(file, "is empty")
    name = format_ if format_ != "auto" else recognised(content, file)
    if name not in FORMATS:
        raise unreadable(
            file, f"has an unknown format {name!r}", f"Known formats: auto, {', '.join(FORMATS)}."
        )
    return FORMATS[name](content, file, run)


def recognised(content: bytes, file: str) -> str:
    """The name of the format, by what a file of it must hold.

    Raises:
        ConfigError: it is none of them.
    """
    head = content[:4096].lstrip()
    if head.startswith(github_action.MARK):
        return "github-action-benchmark"
    if b'"reason"' in head and b'"benchmark-' in content:
        return "criterion"
    if head[:1] not in (b"{", b"["):
        if b"\nBenchmark" in b"\n" + content or b"... bench:" in content:
            return "go"
        raise unreadable(
            file, f"is of no known format: it begins with {head[:20].decode('utf-8', 'replace')!r}"
        )
    document = parsed(content, file)
    if isinstance(document, list):
        first = mapping(next(iter(document), None))
        if "primaryMetric" in first:
            return "jmh"
        if {"name", "value"} <= first.keys():
            return "custom"
    else:
        keys = mapping(document)
        for key, name in (
            ("entries", "github-action-benchmark"),
            ("commit_hash", "asv"),
            ("benchmarks", "pytest-benchmark"),
            ("results", "hyperfine"),
            ("median", "criterion"),
            ("mean", "criterion"),
        ):
            if key in keys:
                return name
        if not listing(document):
            shown = ", ".join(sorted(keys)[:5])
            raise unreadable(file, f"is of no known format: its keys are {shown or 'none'}")
    raise unreadable(file, "is of no known format")

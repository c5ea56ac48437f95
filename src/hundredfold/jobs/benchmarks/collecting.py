"""The configured files of results, read: from the work tree, or from another branch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from hundredfold.errors import ConfigError, RepositoryError
from hundredfold.sources.benchmarks.reading import MAX_BYTES, read
from hundredfold.sources.benchmarks.records import Readings, Run
from hundredfold.store.benchmarks import Measured

if TYPE_CHECKING:
    from hundredfold.sections import ResultsSettings
    from hundredfold.sources.git import Repository

MAX_FILES = 10_000
LONG_BYTES = 20 * 10**6  # a file that takes seconds
TOLD_EVERY = 200_000  # measurements

LeftOut = dict[str, dict[str, int]]
"""By file, how many of its values a reader could not use, by reason."""

Tell = Callable[[str], None]


def _nothing(_: str) -> None:
    """Where nobody follows the progress."""


def collect(
    root: Path,
    repository: Repository,
    settings: ResultsSettings,
    left_out: LeftOut,
    tell: Tell = _nothing,
) -> Iterator[Measured]:
    """Every measurement of the configured files; what is none is counted in `left_out` as it is met. `tell`
    hears of what takes a while.

    A file that does not say of which commit it is counts for HEAD, at the time it was written.

    Raises:
        ConfigError: no files are configured, a named one is not there, or one can't be read as results.
    """
    if not settings.files and not settings.command:
        raise ConfigError(
            "the job benchmarks knows no results",
            'Name them, e.g. files = ["gh-pages:dev/bench/data.js"] under [job.benchmarks.results].',
        )
    head = ""
    for pattern in settings.files:
        branch, colon, path = pattern.partition(":")
        if colon and not (root / pattern).exists():
            found = _on_branch(repository, branch, path, pattern, settings.format)
            yield from measured(found, pattern, left_out, tell)
            continue
        for file in _files(root, pattern):
            head = head or repository.resolve("HEAD")
            stat = file.stat()
            if stat.st_size > MAX_BYTES:
                raise ConfigError(
                    f"the benchmark file {file} has more than {MAX_BYTES} bytes",
                    "Keep fewer of the oldest results in it.",
                )
            name = file.relative_to(root).as_posix()
            run = Run(head, stat.st_mtime_ns // 1000)
            if stat.st_size > LONG_BYTES:
                tell(f"reading {name}, {stat.st_size / 1e6:,.0f} MB")
            found = read(file.read_bytes(), name, run, settings.format)
            yield from measured(found, name, left_out, tell)


def measured(found: Readings, file: str, left_out: LeftOut, tell: Tell = _nothing) -> Iterator[Measured]:
    """A file's readings as the store keeps them."""
    if found.left_out:
        left_out[file] = found.left_out
    for number, one in enumerate(found.readings, 1):
        if number % TOLD_EVERY == 0:
            tell(f"keeping measurements: {number:,} of {len(found.readings):,}")
        yield Measured(one.suite, one.name, one.unit, one.tool, one.value, one.at_us, one.commit, one.spread)


def _files(root: Path, pattern: str) -> list[Path]:
    resolved = root.resolve()
    try:
        found = sorted(one for one in root.glob(pattern) if one.is_file())[:MAX_FILES]
    except (ValueError, NotImplementedError) as error:
        raise ConfigError(
            f"job.benchmarks.results.files: {pattern!r} is no pattern below the repository",
            "Write it relative to the repository.",
        ) from error
    inside = [one for one in found if one.resolve().is_relative_to(resolved)]
    if not inside and not any(sign in pattern for sign in "*?["):
        raise ConfigError(
            f"job.benchmarks.results.files names {pattern!r}, which is not there",
            "Correct the path, or write a pattern if it comes and goes.",
        )
    return inside


def _on_branch(repository: Repository, branch: str, path: str, named: str, format_: str) -> Readings:
    try:
        sha = repository.resolve(branch)
        content = repository.file(sha, path)
    except RepositoryError as error:
        raise ConfigError(
            f"job.benchmarks.results.files names {named!r}, which can't be read: {error}",
            "Fetch that branch, or correct the path.",
        ) from error
    (commit,) = repository.commits(sha, 1)
    return read(content, named, Run("", commit.at_us), format_)

"""Files a project names by patterns: found below its root, read within bounds, whatever somebody put there.

Links are not followed out of the root, pipes and devices are passed over, and a line may be of any length.
"""

from __future__ import annotations

import gzip
import io
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

import zstandard

from hundredfold.errors import ConfigError, SourceError
from hundredfold.evidence.logs.cleaning import MAX_LINE

MAX_FILES = 2_000  # of one pattern; the newest are taken
MAX_BYTES = 2 * 10**9  # of one file, unpacked
_PACKED = {".gz": "gzip", ".zst": "zstd"}


def matching(root: Path, patterns: Sequence[str]) -> list[Path]:
    """The files that the patterns (relative to `root`) name, newest first.

    Raises:
        ConfigError: a pattern leads out of `root`.
    """
    found: dict[Path, int] = {}
    top = root.resolve()
    for pattern in patterns:
        if not pattern or Path(pattern).is_absolute() or ".." in Path(pattern).parts:
            raise ConfigError(
                f"the pattern {pattern!r} does not stay in the repository",
                "Name files by patterns relative to it, such as ci-logs/*.log.",
            )
        for path in top.glob(pattern):
            try:
                about = path.stat()
            except OSError:
                continue
            if stat.S_ISREG(about.st_mode) and path.resolve().is_relative_to(top):
                found[path] = about.st_mtime_ns
    return sorted(found, key=lambda path: (-found[path], path))[:MAX_FILES]


def lines_of(path: Path) -> Iterator[str]:
    """The lines of a text file (plain, .gz or .zst), each cut at what is looked at; no line is held in whole.

    Raises:
        SourceError: it can't be read, or is not what its name says.
    """
    try:
        with _opened(path) as raw:
            for line in _cut_lines(raw):
                yield line.decode("utf-8", "replace")
    except (OSError, EOFError, zstandard.ZstdError) as error:
        raise SourceError(f"{path} can't be read: {error}", "Check the file and its ending.") from error


def content_of(path: Path, most: int) -> bytes:
    """The bytes of a file (plain, .gz or .zst).

    Raises:
        SourceError: it can't be read, or holds more than `most` bytes.
    """
    try:
        with _opened(path) as raw:
            content = raw.read(most + 1)
    except (OSError, EOFError, zstandard.ZstdError) as error:
        raise SourceError(f"{path} can't be read: {error}", "Check the file and its ending.") from error
    if len(content) > most:
        raise SourceError(f"{path} holds more than {most:,} bytes", "Split it, or leave it out.")
    return content


def _opened(path: Path) -> IO[bytes]:
    kind = _PACKED.get(path.suffix)
    if kind == "gzip":
        return io.BufferedReader(gzip.GzipFile(path))
    if kind == "zstd":
        return io.BufferedReader(zstandard.ZstdDecompressor().stream_reader(path.open("rb"), closefd=True))
    return path.open("rb")


def _cut_lines(raw: IO[bytes]) -> Iterator[bytes]:
    """Lines without their ends, of at most 4 bytes a character that is looked at."""
    most, read = 4 * MAX_LINE, 0
    while read < MAX_BYTES and (line := raw.readline(most)):
        read += len(line)
        yield line.rstrip(b"\r\n") if line.endswith(b"\n") else line
        while not line.endswith(b"\n") and read < MAX_BYTES and (line := raw.readline(1 << 20)):
            read += len(line)  # the rest of a line that is too long

"""The provider's exact log: what it did and billed, one JSON line per request.

A line is handed to the operating system before the last byte of its answer goes out. So whoever got a whole
answer finds its line, also after a kill of either side: the log is the truth that a ledger is compared with.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from hundredfold.vocabulary import Usage

Outcome = Literal[
    "served",  # the whole answer was handed over
    "cut",  # the connection was dropped midway; `usage` is what was billed until then
    "abandoned",  # the caller went away midway; billed in whole
    "hang",  # silence; billed if it began midway
    "throttled",  # 429, per minute
    "quota",  # 429, insufficient_quota
    "server_error",  # 5xx
    "overloaded",
    "context",  # context_length_exceeded
    "invalid",  # 4xx: not a request this provider answers
]


class LogLine(Struct, frozen=True, kw_only=True):
    """One request. `usage` is what it billed, None if nothing; tiers are as the wire names them."""

    seq: int
    at_us: int  # when its headers had come
    end_us: int
    path: str
    status: int  # of the HTTP answer; 0 if none was sent
    outcome: Outcome
    fault: str = ""  # the fault of the profile that struck
    response_id: str = ""
    model: str = ""
    served_model: str = ""
    tier_requested: str = ""
    tier_served: str = ""
    usage: Usage | None = None
    prompt_cache_key: str = ""
    body_bytes: int = 0


class Log:
    """The log under way. One writer per file."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._count, whole = 0, 0
        with path.open("rb") as before:
            for raw in before:
                if raw.endswith(b"\n"):
                    self._count += 1
                    whole += len(raw)
        os.ftruncate(self._file, whole)  # a line that was torn by a full disk

    def next_seq(self) -> int:
        """The number of the request that has just come, from 1; goes on where the file ends."""
        self._count += 1
        return self._count

    def write(self, line: LogLine) -> None:
        """Append the line; it survives a kill of this process once this returns."""
        os.write(self._file, msgspec.json.encode(line) + b"\n")

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


_line = msgspec.json.Decoder(LogLine)


def read_log(path: Path) -> list[LogLine]:
    """All lines of a log, by number. A last line that is not whole is left out."""
    lines: list[LogLine] = []
    with path.open("rb") as file:
        for raw in file:
            if raw.endswith(b"\n"):
                lines.append(_line.decode(raw))
    return sorted(lines, key=lambda line: line.seq)

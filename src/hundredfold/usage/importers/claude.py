"""Claude Code logs: `~/.claude/projects/**/*.jsonl` and `$CLAUDE_CONFIG_DIR`.

An answer stands in several rows as it grows, and again in the logs of sessions that resumed it; sub-agents
(sidechains) are rows like others. A request is known by its message's id; of its rows the largest output and
the first time count. Input in the log excludes what was read from and written to the prompt cache; ours
includes both. What `service_tier` calls priority is capacity bought beforehand and no dearer per token; what
costs more is `speed`.

Source of the format: Claude Code 1.0 to 2.1 and platform.claude.com/docs, "Messages", "Prompt caching".
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import msgspec
from msgspec import Struct

from hundredfold.usage.importers.protocol import (
    Complain,
    Found,
    Place,
    Places,
    Row,
    Threads,
    at_us,
    impossible,
    merged,
    possible,
)
from hundredfold.vocabulary import Tier, digest

#: what the program writes itself, when no model answered
SYNTHETIC = "<synthetic>"
_SCALAR = rb'"[A-Za-z_]+":(?:"[^"\\]*"|true|false|null|-?[0-9.]+)'
_SKIP = rb'\{(?:(?!"type":)%b,)*+"type":"(?!assistant")' % _SCALAR


class _Writes(Struct):
    ephemeral_5m_input_tokens: int | None = None
    ephemeral_1h_input_tokens: int | None = None


class _Details(Struct):
    thinking_tokens: int | None = None


class _Tokens(Struct):
    input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation: _Writes | None = None
    output_tokens: int | None = None
    output_tokens_details: _Details | None = None
    service_tier: str | None = None
    speed: str | None = None


class _Message(Struct):
    id: str | None = None
    model: str | None = None
    usage: _Tokens | None = None


class _Line(Struct):
    type: str = ""
    timestamp: str = ""
    cwd: str | None = None
    requestId: str | None = None
    message: _Message | None = None


class _Kind(Struct):
    type: str = ""


_line = msgspec.json.Decoder(_Line)
_kind = msgspec.json.Decoder(_Kind)


class Claude:
    """`LogFormat` for Claude Code."""

    name = "claude"
    skip = re.compile(_SKIP)

    def homes(self) -> list[Path]:
        """See `LogFormat.homes`; the environment may name several, with commas."""
        named = [one.strip() for one in os.environ.get("CLAUDE_CONFIG_DIR", "").split(",") if one.strip()]
        if named:
            return [Path(one) for one in named]
        return [Path.home() / ".claude", Path.home() / ".config" / "claude"]

    def folders(self, home: Path) -> list[Path]:
        """See `LogFormat.folders`."""
        return [home / "projects"]

    def is_log(self, name: str) -> bool:
        """See `LogFormat.is_log`."""
        return name.endswith(".jsonl")

    def parser(self, path: str, state: bytes, threads: Threads, complain: Complain) -> Session:
        """See `LogFormat.parser`; each row says all that counts, so there is no state."""
        return Session(complain)


class Session:
    """`Parser` for one session's log."""

    def __init__(self, complain: Complain) -> None:
        self._complain = complain
        self._places = Places()
        self._numbers: dict[tuple[str | None, str, str | None], int] = {}
        self._rows: dict[str, Row] = {}
        self._skipped = 0

    def line(self, offset: int, line: bytes) -> None:
        """See `Parser.line`."""
        try:
            read = _line.decode(line)
        except msgspec.DecodeError as error:
            self._unreadable(offset, line, error)
            return
        message = read.message
        if read.type != "assistant" or message is None or message.usage is None:
            return
        if message.model == SYNTHETIC:
            self._skipped += 1
            return
        try:
            at = at_us(read.timestamp)
        except (ValueError, OverflowError):
            self._complain(offset, f"the time {read.timestamp[:40]!r} can't be read")
            return
        self._keep(offset, at, read, message, message.usage)

    def end(self) -> Found:
        """See `Parser.end`."""
        skipped = {"messages that no model made": self._skipped} if self._skipped else {}
        return Found(list(self._rows.values()), self._places.found, b"", [], skipped)

    def _unreadable(self, offset: int, line: bytes, error: msgspec.DecodeError) -> None:
        """Complain, unless the line is of a kind that does not count anyway."""
        try:
            if _kind.decode(line).type != "assistant":
                return
        except msgspec.DecodeError:
            self._complain(offset, f"not JSON: {error}")
            return
        self._complain(offset, f"assistant: {error}")

    def _keep(self, offset: int, at: int, read: _Line, message: _Message, tokens: _Tokens) -> None:
        cached = tokens.cache_read_input_tokens or 0
        write, write_1h = _written(tokens)
        input_ = (tokens.input_tokens or 0) + cached + write
        output = tokens.output_tokens or 0
        reasoning = (tokens.output_tokens_details and tokens.output_tokens_details.thinking_tokens) or 0
        counts = (input_, cached, write, write_1h, output, reasoning)
        if wrong := impossible(*counts):
            wrong = impossible(tokens.input_tokens or 0, 0, 0, 0, output, 0) or wrong
            self._complain(offset, f"{wrong}; what is possible of it is counted")
            counts = possible(*counts)
        served = _served(tokens)
        key = message.id or read.requestId or digest("claude", read.timestamp, str(input_))
        where = (message.model, served, read.cwd)
        number = self._numbers.get(where)
        if number is None:
            number = self._numbers[where] = self._places.number(_place(*where))
        row: Row = (key, number, at, *counts)
        there = self._rows.get(key)
        self._rows[key] = row if there is None else merged(there, row)


def _place(model: str | None, served: str, cwd: str | None) -> Place:
    tier: Tier = "batch" if served == "batch" else "fast" if served == "fast" else "standard"
    return Place("anthropic", "messages", model or "unknown", tier, served, "claude", cwd or "")


def _written(tokens: _Tokens) -> tuple[int, int]:
    """Tokens written to the cache, and those of them that are kept for an hour."""
    kinds = tokens.cache_creation
    if kinds is None:
        return tokens.cache_creation_input_tokens or 0, 0
    write_1h = kinds.ephemeral_1h_input_tokens or 0
    both = (kinds.ephemeral_5m_input_tokens or 0) + write_1h
    return max(both, tokens.cache_creation_input_tokens or 0), write_1h


def _served(tokens: _Tokens) -> str:
    """The tier to bill, in the words of the ledger; "" if the log says nothing."""
    if tokens.speed == "fast":
        return "fast"
    if tokens.service_tier == "batch":
        return "batch"
    return "standard" if tokens.service_tier or tokens.speed else ""

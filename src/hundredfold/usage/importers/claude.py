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
from pathlib import Path

import msgspec
from msgspec import Struct

from hundredfold.usage.importers.protocol import (
    CLOSES,
    NO_OBJECT,
    Complain,
    Found,
    Place,
    Places,
    Row,
    Threads,
    absurd,
    at_us,
    closed,
    impossible,
    merged,
    possible,
    row_key,
)
from hundredfold.vocabulary import Tier, digest

#: what the program writes itself, when no model answered
SYNTHETIC = "<synthetic>"
_TYPE = b'"type":"'
_ANSWER = b'assistant"'
#: how far into a line its type is looked for
_GLANCE = 600
#: a shorter line is decoded sooner than it is told
_SHORT = 2500


class _Writes(Struct, gc=False):
    ephemeral_5m_input_tokens: int | None = None
    ephemeral_1h_input_tokens: int | None = None


class _Details(Struct, gc=False):
    thinking_tokens: int | None = None


class _Tokens(Struct, gc=False):
    input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation: _Writes | None = None
    output_tokens: int | None = None
    output_tokens_details: _Details | None = None
    service_tier: str | None = None
    speed: str | None = None


class _Message(Struct, gc=False):
    id: str | None = None
    model: str | None = None
    usage: _Tokens | None = None


class _Line(Struct, gc=False):
    type: str = ""
    timestamp: str = ""
    cwd: str | None = None
    message: _Message | None = None


class _Kind(Struct, gc=False):
    type: str = ""


class _Request(Struct, gc=False):
    requestId: str | None = None


_line = msgspec.json.Decoder(_Line)
_kind = msgspec.json.Decoder(_Kind)
_request = msgspec.json.Decoder(_Request)


class Claude:
    """`LogFormat` for Claude Code."""

    name = "claude"
    apart = True

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

    def parser(
        self, path: str, state: bytes, threads: Threads, places: Places, complain: Complain
    ) -> Session:
        """See `LogFormat.parser`; each row says all that counts, so there is no state."""
        return Session(places, complain)


class Session:
    """`Parser` for one session's log."""

    def __init__(self, places: Places, complain: Complain) -> None:
        self._places, self._complain = places, complain
        self._numbers: dict[tuple[str | None, ...], int] = {}
        self._rows: dict[str, Row] = {}
        self._skipped = 0

    def block(self, base: int, block: bytes) -> int:
        """See `Parser.block`."""
        find, line, skips, position = block.find, self.line, self.skips, 0
        while (end := find(b"\n", position)) >= 0:
            if end - position < _SHORT or not skips(block, position):
                line(base + position, block[position:end])
            elif block[end - 1] != CLOSES and not closed(block, end):
                self._complain(base + position, NO_OBJECT)
            position = end + 1
        return position

    def skips(self, begun: bytes, position: int = 0) -> bool:
        """See `Parser.skips`: it has another type, which stands before whatever the line holds in braces."""
        at = begun.find(_TYPE, position, position + _GLANCE)
        behind = at + len(_TYPE)
        return (
            at > 0
            and begun[behind : behind + len(_ANSWER)] != _ANSWER
            and begun[at - 1] in b"{,"
            and begun.count(b"{", position, at) == 1
        )

    def line(self, offset: int, line: bytes) -> None:
        """See `Parser.line`."""
        try:
            read = _line.decode(line)
        except (msgspec.DecodeError, RecursionError) as error:
            self._unreadable(offset, line, error)
            return
        message = read.message
        if message is None or message.usage is None or read.type != "assistant":
            return
        if message.model == SYNTHETIC:
            self._skipped += 1
            return
        try:
            at = at_us(read.timestamp)
        except (ValueError, OverflowError):
            self._complain(offset, f"the time {read.timestamp[:40]!r} can't be read")
            return
        key = message.id or _request.decode(line).requestId or ""
        self._keep(offset, at, key, read, message, message.usage)

    def end(self) -> Found:
        """See `Parser.end`."""
        skipped = {"messages that no model made": self._skipped} if self._skipped else {}
        return Found(list(self._rows.values()), b"", [], skipped)

    def _unreadable(self, offset: int, line: bytes, error: Exception) -> None:
        """Complain, unless the line is of a kind that does not count anyway."""
        try:
            if not line.strip() or _kind.decode(line).type != "assistant":
                return
        except (msgspec.DecodeError, RecursionError):
            self._complain(offset, f"not JSON: {error}")
            return
        self._complain(offset, f"assistant: {error}")

    def _keep(self, offset: int, at: int, key: str, read: _Line, message: _Message, tokens: _Tokens) -> None:
        cached, output = tokens.cache_read_input_tokens or 0, tokens.output_tokens or 0
        write, write_1h, kinds = tokens.cache_creation_input_tokens or 0, 0, tokens.cache_creation
        if kinds is not None:
            write_1h = kinds.ephemeral_1h_input_tokens or 0
            both = write_1h + (kinds.ephemeral_5m_input_tokens or 0)
            if both > write:
                write = both
        input_ = (tokens.input_tokens or 0) + cached + write
        details = tokens.output_tokens_details
        reasoning = 0 if details is None else details.thinking_tokens or 0
        counts = (input_, cached, write, write_1h, output, reasoning)
        if wrong := impossible(*counts):
            if nonsense := absurd(counts):
                self._complain(offset, nonsense)
                return
            wrong = impossible(tokens.input_tokens or 0, 0, 0, 0, output, 0) or wrong
            self._complain(offset, f"{wrong}; what is possible of it is counted")
            counts = possible(*counts)
        key = key or digest("claude", read.timestamp, str(input_))
        where = (message.model, tokens.speed, tokens.service_tier, read.cwd)
        number = self._numbers.get(where)
        if number is None:
            place = _place(message.model, _served(tokens), read.cwd)
            number = self._numbers[where] = self._places.number(place)
        there = self._rows.get(key)
        if there is None:
            self._rows[key] = (row_key(key), number, at, *counts)
        else:
            self._rows[key] = merged(there, (there[0], number, at, *counts))


def _place(model: str | None, served: str, cwd: str | None) -> Place:
    tier: Tier = "batch" if served == "batch" else "fast" if served == "fast" else "standard"
    return Place("anthropic", "messages", model or "unknown", tier, served, "claude", cwd or "")


def _served(tokens: _Tokens) -> str:
    """The tier to bill, in the words of the ledger; "" if the log says nothing."""
    if tokens.speed == "fast":
        return "fast"
    if tokens.service_tier == "batch":
        return "batch"
    return "standard" if tokens.service_tier or tokens.speed else ""

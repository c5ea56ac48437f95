"""Codex rollouts: `$CODEX_HOME/sessions/YYYY/MM/DD/rollout-….jsonl` and `archived_sessions/`.

Newer files hold one `token_usage_record` per response, keyed by the response's id, so that copies, forks and
rows from the wire are the same request. Older ones hold only running totals (`token_count`), which newer ones
repeat, without what compaction used. A file that an older program began and a newer one went on with counts
by totals until its first record. Which tier was served is not in the log: the one asked for is billed.

Source of the format: openai/codex, `codex-rs/protocol` (RolloutItem, TokenUsageInfo), and rollouts of 0.98 to
0.163.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from operator import itemgetter
from pathlib import Path
from typing import Any

import msgspec
from msgspec import UNSET, Struct, UnsetType

from hundredfold.usage.importers.protocol import (
    CLOSES,
    NO_OBJECT,
    Complain,
    Found,
    Place,
    Places,
    Row,
    Thread,
    Threads,
    absurd,
    at_us,
    closed,
    impossible,
    possible,
    row_key,
)
from hundredfold.usage.importers.totals import NOTHING, Chain, Total, difference
from hundredfold.vocabulary import Tier, digest

#: the first version whose logs have a record of each response
RECORDS_SINCE = (0, 151)
TIERS: dict[str, Tier] = {"priority": "fast", "fast": "fast", "flex": "flex", "batch": "batch"}

_TIME = rb'"timestamp":"[^"\\]*"'
_OTHER = rb'"payload":\{"type":"(?!token_count"|thread_settings_applied")'
_LINES = rb'(?!event_msg"|token_usage_record"|turn_context"|session_meta")'
_skip = re.compile(
    rb'\{(?:%b,)?(?:%b|"type":"(?:event_msg",(?:%b,)?%b|%b))' % (_TIME, _OTHER, _TIME, _OTHER, _LINES)
).match
#: most lines begin with a time of this length, whose string ends there
_TIMED = len('{"timestamp":"2026-11-01T10:00:00.000Z')
_ITEM = b'","type":"response_item"'
_SAID = len(_ITEM)
_TOTAL = b'","type":"event_msg","payload":{"type":"token_count"'
_EVENT, _RECORD = _TOTAL[:_SAID], b'","type":"token_usage_record"'[:_SAID]


class _Tokens(Struct, gc=False):
    input_tokens: int = 0
    cached_input_tokens: int = 0
    cache_write_input_tokens: int = 0
    output_tokens: int = 0
    reasoning_output_tokens: int = 0


class _Info(Struct, gc=False):
    total_token_usage: _Tokens | None = None


class _Settings(Struct, gc=False):
    model: str | None = None
    service_tier: str | UnsetType | None = UNSET


class _Payload(Struct, gc=False):
    """The fields that matter of every kind of line."""

    response_id: str = ""
    turn_id: str = ""
    usage: _Tokens | None = None
    info: _Info | None = None
    thread_settings: _Settings | None = None
    model: str | None = None
    model_provider: str | None = None
    id: str = ""
    forked_from_id: str | None = None
    parent_thread_id: str | None = None
    source: msgspec.Raw = msgspec.Raw()
    cwd: str | None = None
    cli_version: str | None = None


class _Line(Struct, gc=False):
    timestamp: str = ""
    type: str = ""
    payload: _Payload | None = None


class _Kind(Struct, gc=False):
    type: str = ""


class _Source(Struct, gc=False):
    subagent: Any = None


class _State(Struct):
    """What a file's parser must know to go on.

    `counts` says what requests are taken from: "totals", "records", or "" while that is open, with the one
    total seen so far in `held`.
    """

    thread: str = ""
    parent: str = ""
    provider: str = "openai"
    cwd: str = ""
    model: str = ""
    tier: Tier = "standard"
    counts: str = "totals"
    held: tuple[int, Total] | None = None
    total: Total = NOTHING
    totals: int = 0
    epoch: int = 0
    last: Total | None = None
    last_us: int = 0


#: when, where in the file, who takes it and with what
_Event = tuple[int, int, Callable[..., None], tuple[Any, ...]]

_line = msgspec.json.Decoder(_Line)
_kind = msgspec.json.Decoder(_Kind)
_source = msgspec.json.Decoder(_Source)
_state = msgspec.msgpack.Decoder(_State)


class Codex:
    """`LogFormat` for Codex rollouts."""

    name = "codex"
    apart = True

    def homes(self) -> list[Path]:
        """See `LogFormat.homes`."""
        return [Path(os.environ.get("CODEX_HOME") or Path.home() / ".codex")]

    def folders(self, home: Path) -> list[Path]:
        """See `LogFormat.folders`."""
        return [home / "sessions", home / "archived_sessions"]

    def is_log(self, name: str) -> bool:
        """See `LogFormat.is_log`."""
        return name.endswith(".jsonl")

    def parser(
        self, path: str, state: bytes, threads: Threads, places: Places, complain: Complain
    ) -> Rollout:
        """See `LogFormat.parser`."""
        return Rollout(path, state, threads, places, complain)


class Rollout:
    """`Parser` for one rollout. Lines are put in the order of their times before they are counted."""

    def __init__(self, path: str, state: bytes, threads: Threads, places: Places, complain: Complain) -> None:
        self._state = _state.decode(state) if state else _State()
        self._name = path.rpartition("/")[2]
        self._threads, self._places, self._complain = threads, places, complain
        self._events: list[_Event] = []
        self._recorded = self._state.counts == "records"
        self._place = -1  # the number of where requests are made now; -1 if that is to be found out
        self._rows: dict[bytes, Row] = {}
        self._chain: Chain | None = None
        self._thread_key = b""

    def block(self, base: int, block: bytes) -> int:
        """See `Parser.block`. Most lines are told by what follows upon their time, if that is one string."""
        find, count, line, skips, position = block.find, block.count, self.line, self.skips, 0
        while (end := find(b"\n", position)) >= 0:
            behind = position + _TIMED
            said = block[behind : behind + _SAID]
            if said == _ITEM:
                counts = count(b'"', position, behind) != 3
            elif said == _EVENT and block[behind : behind + len(_TOTAL)] == _TOTAL:
                counts = not self._recorded or count(b'"', position, behind) != 3
            else:
                counts = said == _RECORD or not skips(block, position)
            if counts:
                line(base + position, block[position:end])
            elif block[end - 1] != CLOSES and not closed(block, end):
                self._complain(base + position, NO_OBJECT)
            position = end + 1
        return position

    def skips(self, begun: bytes, position: int = 0) -> bool:
        """See `Parser.skips`."""
        return _skip(begun, position) is not None

    def line(self, offset: int, line: bytes) -> None:
        """See `Parser.line`."""
        try:
            read = _line.decode(line)
        except (msgspec.DecodeError, RecursionError) as error:
            self._unreadable(offset, line, error)
            return
        kind, payload = read.type, read.payload
        if payload is None:
            return
        take: Callable[..., None]
        said: tuple[Any, ...]
        if kind == "token_usage_record":
            self._recorded = True
            usage = payload.usage
            if usage is None:
                self._complain(offset, "a token_usage_record without usage")
                return
            take = self._record
            said = (payload.response_id, payload.turn_id, _total(usage), usage.cache_write_input_tokens)
        elif kind == "event_msg":
            settings, info = payload.thread_settings, payload.info
            if info is not None and info.total_token_usage is not None:
                if self._recorded:
                    return
                take, said = self._total, (_total(info.total_token_usage),)
            elif settings is not None:
                take, said = self._settle, (settings.model, None, settings.service_tier)
            else:
                return
        elif kind == "turn_context":
            take, said = self._settle, (payload.model, payload.cwd, UNSET)
        else:
            if kind == "session_meta":
                self._begin(payload)
            return
        try:
            self._events.append((at_us(read.timestamp), offset, take, said))
        except (ValueError, OverflowError):
            self._complain(offset, f"the time {read.timestamp[:40]!r} can't be read")

    def end(self) -> Found:
        """See `Parser.end`."""
        events, self._events = self._events, []  # which refer back to this parser
        events.sort(key=itemgetter(0, 1))
        for at, offset, take, said in events:
            take(at, offset, *said)
        threads: list[Thread] = self._chain.record() if self._chain else []
        rows = list(self._rows.values())
        return Found(rows, msgspec.msgpack.encode(self._state), threads)

    def _unreadable(self, offset: int, line: bytes, error: Exception) -> None:
        """Complain, unless the line is of a kind that does not count anyway."""
        if not line.strip():
            return
        try:
            kind = _kind.decode(line).type
        except (msgspec.DecodeError, RecursionError):
            self._complain(offset, f"not JSON: {error}")
            return
        if kind in ("token_usage_record", "session_meta", "turn_context", "event_msg"):
            self._complain(offset, f"{kind}: {error}")

    def _begin(self, meta: _Payload) -> None:
        """A session's head: the first is the thread's own, unless the file's name says it is another's."""
        state = self._state
        if state.thread and (state.thread in self._name or meta.id not in self._name):
            return
        state.thread, state.cwd = meta.id, meta.cwd or state.cwd
        state.provider = meta.model_provider or "openai"
        state.parent = meta.forked_from_id or meta.parent_thread_id or _spawned_by(meta.source) or ""
        if _version(meta.cli_version or "") >= RECORDS_SINCE:
            # What a child replays of its parent are totals alone; all that it used itself has records.
            state.counts = "records" if state.parent else ""
        self._recorded = self._recorded or state.counts == "records"

    def _settle(
        self, at: int, offset: int, model: str | None, cwd: str | None, tier: str | UnsetType | None
    ) -> None:
        """What holds from here on."""
        state = self._state
        self._place = -1
        state.model, state.cwd = model or state.model, cwd or state.cwd
        if tier is not UNSET:
            state.tier = TIERS.get(tier or "", "standard")

    def _record(self, at: int, offset: int, response: str, turn: str, used: Total, write: int) -> None:
        """A response, and what it used."""
        state = self._state
        if state.counts != "records":
            before, state.counts = state.counts, "records"
            if before == "" and state.held is not None and difference(state.held[1], state.total) != used:
                self._count(state.held[0], offset, state.held[1])  # of an older program
            state.held = None
            if before == "totals" and state.last == used:
                return  # the total that came with this record was counted when the record was not there yet
        key = response or digest("codex", state.thread or self._name, turn, str(at), str(used))
        self._keep(row_key(key), at, offset, used, write)

    def _total(self, at: int, offset: int, total: Total) -> None:
        """What the thread has used so far."""
        state = self._state
        if state.counts == "records":
            return
        if state.counts == "":
            if state.held is None:
                state.held = (at, total)
            if state.held[1] == total:
                return
            # A second total and no record: this is a file of the older kind after all.
            state.counts = "totals"
            held, state.held = state.held, None
            self._count(held[0], offset, held[1])
        self._count(at, offset, total)

    def _count(self, at: int, offset: int, total: Total) -> None:
        """A running total; what it adds to the one before is a request."""
        state = self._state
        if total == state.total or at < state.last_us:
            return  # said again; or late, and within a total that was counted
        if total[0] < 0 or total[1] < 0 or total[2] < 0 or total[3] < 0:
            self._complain(offset, f"a running total of {min(total)} tokens")
            return
        if total[0] + total[2] < state.total[0] + state.total[2]:
            state.epoch += 1  # it began anew
            state.total = NOTHING
        used = difference(total, state.total)
        if nonsense := absurd(used):
            self._complain(offset, nonsense)
            return  # the next total goes on from the one before
        if self._chain is None:
            self._chain = Chain(state.thread or self._name, state.parent, state.totals, self._threads)
        mark, counted = self._chain.add(total, state.epoch)
        state.totals += 1
        state.total, state.last, state.last_us = total, used, at
        if not counted:
            if not self._thread_key:
                self._thread_key = row_key(_thread_key(state.thread or self._name))
            self._keep(self._thread_key + mark, at, offset, used, 0)

    def _keep(self, key: bytes, at: int, offset: int, used: Total, write: int) -> None:
        if key in self._rows:
            return
        counts = (used[0], used[1], write, 0, used[2], used[3])
        if wrong := impossible(*counts):
            if nonsense := absurd(counts):
                self._complain(offset, nonsense)
                return
            self._complain(offset, f"{wrong}; what is possible of it is counted")
            counts = possible(*counts)
        if self._place < 0:
            state = self._state
            model = state.model or "unknown"
            place = Place(state.provider, "responses", model, state.tier, "", "codex", state.cwd)
            self._place = self._places.number(place)
        self._rows[key] = (key, self._place, at, *counts)


def _total(tokens: _Tokens) -> Total:
    return (
        tokens.input_tokens,
        tokens.cached_input_tokens,
        tokens.output_tokens,
        tokens.reasoning_output_tokens,
    )


def _thread_key(thread: str) -> str:
    """The thread's id as hexadecimal digits, which the ledger stores in half the room."""
    digits = thread.replace("-", "").lower()
    return digits if len(digits) == 32 and not set(digits) - set("0123456789abcdef") else digest(thread)


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(one) for one in re.findall(r"\d+", text)[:2])


def _spawned_by(source: msgspec.Raw) -> str | None:
    """`source.subagent.thread_spawn.parent_thread_id`; a source may be a mere word."""
    if not source:
        return None
    try:
        spawned = _source.decode(source).subagent
        return str(spawned["thread_spawn"]["parent_thread_id"])
    except (msgspec.DecodeError, KeyError, TypeError):
        return None

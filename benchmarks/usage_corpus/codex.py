"""Codex rollouts with what is hard about them; see `usage_corpus`."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any, BinaryIO

from benchmarks.usage_corpus.clock import Clock
from benchmarks.usage_corpus.filler import Filler
from benchmarks.usage_corpus.truth import Spent, Truth
from hundredfold.vocabulary import Tier, Usage

MODELS = ("gpt-5.5", "gpt-5.4", "gpt-6-luna")
#: as the log names the tier, and what is billed
TIERS: tuple[tuple[str | None, Tier], ...] = (
    ("priority", "fast"),
    ("fast", "fast"),
    ("default", "standard"),
    (None, "standard"),
    ("flex", "flex"),
)
LONG_CONTEXT = 272_000


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _wire(usage: Usage) -> dict[str, int]:
    return {
        "input_tokens": usage.input,
        "cached_input_tokens": usage.cached,
        "output_tokens": usage.output,
        "reasoning_output_tokens": usage.reasoning,
        "total_tokens": usage.input + usage.output,
    }


def uuid(chance: random.Random) -> str:
    digits = f"{chance.getrandbits(128):032x}"
    return f"{digits[:8]}-{digits[8:12]}-7{digits[13:16]}-{digits[16:20]}-{digits[20:]}"


class Session:
    """One thread's file. `new`: it has a record per response, else only running totals."""

    def __init__(
        self,
        home: Path,
        chance: random.Random,
        filler: Filler,
        truth: Truth,
        *,
        new: bool,
        parent: Session | None,
    ) -> None:
        self._chance, self._filler, self._truth = chance, filler, truth
        self.new, self.id, self.clock = new, uuid(chance), Clock(chance)
        self.odd = chance.random() < 0.15  # another order of keys
        self.total = Usage()
        self._context = chance.randint(9_000, 40_000)
        self._model = chance.choice(MODELS)
        self._tier: Tier = "standard"
        #: what a fork copies: lines without their time
        self.history: list[dict[str, Any]] = []
        if parent is not None:
            self.clock.us = parent.clock.us
        stamp = self.clock.text()
        day = home / "sessions" / stamp[:4] / stamp[5:7] / stamp[8:10]
        self.path = day / f"rollout-{stamp[:19].replace(':', '-')}-{self.id}.jsonl"
        day.mkdir(parents=True, exist_ok=True)
        self._file: BinaryIO = self.path.open("ab")

    def begin(self, *, parent: Session | None = None, spawned: bool = False) -> None:
        """The file's head, with the parent's rows replayed if there is one."""
        meta: dict[str, Any] = {
            "id": self.id,
            "timestamp": self.clock.text(),
            "cwd": f"/home/dev/{self._chance.choice(('shop', 'engine', 'site'))}",
            "originator": "codex_cli_rs",
            "cli_version": "0.154.0" if self.new else "0.98.0",
            "instructions": None,
            "git": {"branch": "main"},
        }
        if parent is not None and spawned:
            meta["parent_thread_id"] = parent.id
            meta["thread_source"] = "subagent"
            meta["source"] = {"subagent": {"thread_spawn": {"parent_thread_id": parent.id}}}
        elif parent is not None:
            meta["forked_from_id"] = parent.id
        self.line("session_meta", meta)
        if parent is not None:
            copied = parent.history[: self._chance.randint(1, len(parent.history))]
            for one in copied:
                if spawned and one["type"] == "token_usage_record":
                    continue
                self.line(one["type"], one["payload"])
                if one["payload"].get("type") == "token_count" and one["payload"]["info"]:
                    used = one["payload"]["info"]["total_token_usage"]
                    self.total = Usage(
                        input=used["input_tokens"],
                        cached=used["cached_input_tokens"],
                        output=used["output_tokens"],
                        reasoning=used["reasoning_output_tokens"],
                    )
        self.settings()
        self.turn()

    def settings(self) -> None:
        """The tier is set or toggled; it stays until the next time."""
        name, self._tier = self._chance.choice(TIERS)
        setting = {"model": self._model, "service_tier": name}
        self.line("event_msg", {"type": "thread_settings_applied", "thread_settings": setting})

    def turn(self) -> None:
        """A turn begins."""
        self._turn = uuid(self._chance)
        cwd = "/home/dev/shop"
        self.line("turn_context", {"turn_id": self._turn, "cwd": cwd, "model": self._model, "effort": "high"})
        message = self._filler.text(self._chance, self._chance.randint(200, 2_000))
        self.big(b'{"type":"message","role":"user","content":[{"type":"input_text","text":"%b"}]}' % message)

    def respond(self, output_bytes: int, *, compaction: bool = False) -> None:
        """One response: its command and the command's output, then what it used."""
        chance = self._chance
        if not compaction:
            thought = self._filler.text(chance, chance.randint(300, 1_500))
            self.big(b'{"type":"reasoning","summary":[],"encrypted_content":"%b"}' % thought)
            arguments = self._filler.text(chance, chance.randint(80, 500))
            self.big(b'{"type":"function_call","name":"shell","arguments":"%b","call_id":"c"}' % arguments)
            text = self._filler.text(chance, output_bytes)
            self.big(b'{"type":"function_call_output","call_id":"c","output":"%b"}' % text)
        self._context += output_bytes // 40 + chance.randint(50, 400)
        if chance.random() < 0.01:
            self._context += LONG_CONTEXT  # over the threshold, for this request
        cached = self._context * chance.randint(80, 98) // 100
        output = chance.randint(20, 900)
        usage = Usage(input=self._context, cached=cached, output=output, reasoning=chance.randint(0, output))
        if self._context > LONG_CONTEXT:
            self._context -= LONG_CONTEXT
        response = f"resp_{chance.getrandbits(200):050x}"
        if self.new:
            self._record(response, usage)
        if not compaction:  # which a running total leaves out
            self._count(usage)
            self.kept = response if self.new else f"{self.id}:{self.total.input}:{self.total.output}"
            self._truth.add(self.kept, Spent("openai", self._counted_us, self._model, self._tier, usage))
        elif self.new:
            self.line("compacted", {"compaction_response_id": response, "message": "", **self._copy})
            self._truth.add(response, Spent("openai", self._recorded_us, self._model, self._tier, usage))
            self._context = self._context // 3 + 5_000

    def _record(self, response: str, usage: Usage) -> None:
        used = {**_wire(usage), "cache_write_input_tokens": 0}
        payload = {
            "session_id": self.id,
            "thread_id": self.id,
            "turn_id": self._turn,
            "response_id": response,
            "usage": used,
            "turn_token_usage": {name: 3 * count for name, count in used.items()},
            "thread_token_usage": {name: 9 * count for name, count in used.items()},
        }
        self.line("token_usage_record", payload)
        self._recorded_us = self.clock.us
        self._copy = {"latest_token_usage_record": payload}

    def _count(self, usage: Usage) -> None:
        self.total += usage
        info = {
            "total_token_usage": _wire(self.total),
            "last_token_usage": _wire(usage),
            "model_context_window": 258_400,
        }
        limits = {
            "limit_id": "codex",
            "primary": {"used_percent": 12.5, "window_minutes": 300},
            "plan_type": "pro",
        }
        payload = {"type": "token_count", "info": info, "rate_limits": limits}
        if self._chance.random() < 0.1:
            self.line("event_msg", {"type": "token_count", "info": None, "rate_limits": limits})
        self.line("event_msg", payload)
        self._counted_us = self._recorded_us if self.new else self.clock.us
        if self._chance.random() < 0.2:  # said again, later, unchanged
            self.line("event_msg", payload, keep=False)

    def line(self, type_: str, payload: dict[str, Any], *, keep: bool = True) -> None:
        """Write a small line."""
        if keep:
            self.history.append({"type": type_, "payload": payload})
        stamp = self.clock.tick()
        value: dict[str, Any] = {"timestamp": stamp, "type": type_, "payload": payload}
        if self.odd:
            names = list(value)
            self._chance.shuffle(names)
            value = {name: value[name] for name in names}
        self._file.write(_json(value) + b"\n")

    def big(self, payload: bytes) -> None:
        """Write a line of the conversation."""
        stamp = self.clock.tick().encode()
        form = b'{"timestamp":"%b","type":"response_item","payload":%b}\n'
        if self.odd:
            self._file.write(b'{"payload":%b,"type":"response_item","timestamp":"%b"}\n' % (payload, stamp))
        else:
            self._file.write(form % (stamp, payload))

    def raw(self, data: bytes) -> None:
        """Write bytes as they are."""
        self._file.write(data)

    def flush(self) -> int:
        """Everything written is in the file; returns its size."""
        self._file.flush()
        return self._file.tell()

    def close(self) -> None:
        self._file.close()

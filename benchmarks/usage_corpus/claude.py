"""Claude Code logs with what is hard about them; see `usage_corpus`."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any, BinaryIO

from benchmarks.usage_corpus.clock import Clock
from benchmarks.usage_corpus.codex import uuid
from benchmarks.usage_corpus.filler import Filler
from benchmarks.usage_corpus.truth import Spent, Truth
from hundredfold.vocabulary import Usage

#: models, and whether they have a fast mode
MODELS = (
    ("claude-opus-4-7", True),
    ("claude-opus-5", True),
    ("claude-sonnet-5-5", False),
    ("claude-haiku-5-5", False),
)
PART = "\0TEXT\0"  # where a line's large text goes
MARK = json.dumps(PART)[1:-1].encode()


class Session:
    """One session's file."""

    def __init__(self, home: Path, chance: random.Random, filler: Filler, truth: Truth) -> None:
        self._chance, self._filler, self._truth = chance, filler, truth
        self.id, self.clock = uuid(chance), Clock(chance)
        self.odd = chance.random() < 0.15
        self._model, self._fast = chance.choice(MODELS)
        self._context = chance.randint(8_000, 60_000)
        self.project = chance.choice(("shop", "engine", "site"))
        folder = home / "projects" / f"-home-dev-{self.project}"
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / f"{self.id}.jsonl"
        self._file: BinaryIO = self.path.open("ab")
        #: the last lines about messages, for a resumed copy
        self.recent: list[tuple[dict[str, Any], bytes]] = []

    def respond(self, output_bytes: int) -> None:
        """One message in one or several snapshots, then the tool's result."""
        chance = self._chance
        side = chance.random() < 0.33
        plain, write = chance.randint(1, 12), chance.randint(0, 6_000)
        write_1h = chance.choice((0, 0, write, write // 3))
        if self._model == "claude-haiku-5-5":
            write = write_1h = 0  # whose writes have no known price
        output = chance.randint(15, 1_500)
        fast = self._fast and chance.random() < 0.2
        usage = Usage(
            input=plain + write + self._context,
            cached=self._context,
            cache_write=write,
            output=output,
            cache_write_1h=write_1h,
        )
        id_ = f"msg_{chance.getrandbits(140):035x}"
        request = {} if chance.random() < 0.1 else {"requestId": f"req_{chance.getrandbits(120):030x}"}
        snapshots = chance.choice((1, 1, 2, 3))
        seen = [*sorted(chance.randint(1, output) for _ in range(snapshots - 1)), output]
        for number, so_far in enumerate(seen):
            counted: dict[str, Any] = {
                "input_tokens": plain,
                "cache_creation_input_tokens": write,
                "cache_read_input_tokens": self._context,
                "cache_creation": {
                    "ephemeral_5m_input_tokens": write - write_1h,
                    "ephemeral_1h_input_tokens": write_1h,
                },
                "output_tokens": so_far,
                "service_tier": "standard",
                "speed": "fast" if fast else "standard",
            }
            part = (
                {"type": "text", "text": PART}
                if number % 2 == 0
                else {"type": "tool_use", "id": "t", "name": "Bash", "input": {"command": PART}}
            )
            message = {
                "model": self._model,
                "id": id_,
                "type": "message",
                "role": "assistant",
                "content": [part],
                "stop_reason": None,
                "usage": counted,
            }
            self._line("assistant", {"message": message, **request}, side, chance.randint(100, 1_500))
            if number == 0:
                first_us = self.clock.us
        tier = "fast" if fast else "standard"
        self._truth.add(
            id_, Spent("anthropic", first_us, self._model, "fast" if tier == "fast" else "standard", usage)
        )
        result = {"tool_use_id": "t", "type": "tool_result", "content": PART}
        extra: dict[str, Any] = {"toolUseResult": {"stdout": "", "interrupted": False}}
        if chance.random() < 0.05:  # a sub-agent's sums, said once more by the tool that ran it
            extra = {
                "toolUseResult": {
                    "totalTokens": 999_999,
                    "usage": {"input_tokens": 999_999, "output_tokens": 9_999},
                }
            }
        self._line("user", {"message": {"role": "user", "content": [result]}, **extra}, side, output_bytes)
        self._context += output_bytes // 40 + write % 300
        if self._context > 180_000:
            self._context = 20_000

    def synthetic(self) -> None:
        """A message that no model made: an error of the network, as the program notes it."""
        usage = {
            "input_tokens": 0,
            "output_tokens": 0,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
        }
        message = {
            "model": "<synthetic>",
            "id": uuid(self._chance),
            "role": "assistant",
            "content": [{"type": "text", "text": PART}],
            "usage": usage,
        }
        self._line("assistant", {"message": message, "isApiErrorMessage": True}, False, 40)

    def copy_of(self, other: Session) -> None:
        """What a resumed session repeats: the other's last messages, at their own times."""
        for value, text in other.recent:
            self._write({**value, "sessionId": self.id}, text)

    def _line(self, type_: str, rest: dict[str, Any], side: bool, text_bytes: int) -> str:
        stamp = self.clock.tick()
        value = {
            "parentUuid": uuid(self._chance),
            "isSidechain": side,
            "userType": "external",
            "cwd": f"/home/dev/{self.project}",
            "sessionId": self.id,
            "version": "2.1.80",
            "gitBranch": "main",
            **({"type": type_} if type_ == "user" else {}),
            **rest,
            "type": type_,
            "uuid": uuid(self._chance),
            "timestamp": stamp,
        }
        text = self._filler.text(self._chance, text_bytes)
        if type_ == "assistant":
            self.recent = [*self.recent[-11:], (value, text)]
        self._write(value, text)
        return stamp

    def _write(self, value: dict[str, Any], text: bytes) -> None:
        if self.odd:
            names = list(value)
            self._chance.shuffle(names)
            value = {name: value[name] for name in names}
        line = json.dumps(value, separators=(",", ":")).encode()
        self._file.write(line.replace(MARK, text, 1) + b"\n")

    def raw(self, data: bytes) -> None:
        """Write bytes as they are."""
        self._file.write(data)

    def flush(self) -> int:
        """Everything written is in the file; returns its size."""
        self._file.flush()
        return self._file.tell()

    def close(self) -> None:
        self._file.close()

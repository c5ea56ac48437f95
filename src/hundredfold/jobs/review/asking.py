"""The questions to agents: the same parts of a change, asked with several things in mind.

Parts are packed into batches inside a token budget, and each batch is asked once a pass. All material stands
inside a fence that it can't close, secrets taken out.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from importlib.resources import files
from string import Template
from typing import Any

from msgspec import Struct

from hundredfold.evidence.diffs import FileDiff
from hundredfold.evidence.secrets import redact
from hundredfold.jobs.review.change import Part
from hundredfold.jobs.review.heads import Head
from hundredfold.vocabulary import AgentTask, Usage

BYTES_PER_TOKEN = 4  # code and English; an estimate for budgets, never for money
BATCH_TOKENS = 12_000  # of code in one question: short ones are answered better than long ones
MAX_BATCHES = 8  # of one head
MAX_LINE = 400  # characters of a line that are shown
MAX_REMOVED = 200  # removed lines of one part that are shown
MAX_LISTED = 150  # files in the summary

LOOKS = 6  # how often an agent is expected to read something in the checkout, per task
LOOK_TOKENS = 1_500
ANSWER_TOKENS = 1_000

_FILES = ("prompts/review.md", "prompts/lenses.toml", "schemas/comment.json")


class Asked(Struct, frozen=True):
    """A task, the parts it shows, and the name of each of its passes: the voters."""

    task: AgentTask
    parts: tuple[Part, ...]
    voters: tuple[str, ...]


def questions(
    head: Head, subjects: Sequence[str], changed: Sequence[FileDiff], parts: Sequence[Part], passes: int
) -> tuple[tuple[Asked, ...], tuple[Part, ...]]:
    """(the tasks, batch by batch; the parts beyond the bound).

    The parts with the most changed lines come first, code before tests, so that what is left out is what
    matters least.
    """
    batches, beyond = _batches(parts)
    summary = _summary(head, subjects, changed)
    lenses = _lenses()
    asked = []
    for batch in batches:
        code = "\n\n".join(block for _, block in batch)
        for at, (name, text) in enumerate(lenses[:passes]):
            times = len(range(at, passes, len(lenses)))
            task = _task(head.sha, text, summary, code, times)
            voters = tuple(f"{name} {again}" if again else name for again in range(times))
            asked.append(Asked(task, tuple(part for part, _ in batch), voters))
    return tuple(asked), beyond


def part_block(part: Part) -> str:
    """A part as it stands in a prompt: its place and its numbered lines, with what was taken out of it."""
    shown = redact("\n".join(part.lines)).split("\n")
    gone: dict[int, list[str]] = {}
    for before, now, text in part.removed[:MAX_REMOVED]:
        gone.setdefault(now, []).append(f"{before:6} -| {redact(text)[:MAX_LINE]}")
    out = [f"path: {_line(part.path)}", f"part: {_line(part.name)}", "code:"]
    for number, text in enumerate(shown, part.first_line):
        out += gone.pop(number, ())
        out.append(f"{number:6} {'+' if number in part.changed else ' '}| {text[:MAX_LINE]}")
    for lines in gone.values():
        out += lines
    if len(part.removed) > MAX_REMOVED:
        out.append(f"({len(part.removed) - MAX_REMOVED} more removed lines are not shown)")
    return "\n".join(out)


def questions_version() -> str:
    """A digest of prompts and schema: part of what decides whether a head must be looked at again."""
    return sha256("\0".join(_text(name) for name in _FILES).encode()).hexdigest()[:16]


@cache
def schema() -> dict[str, Any]:
    """The JSON schema of the answers."""
    loaded: dict[str, Any] = json.loads(_text("schemas/comment.json"))
    return loaded


def _batches(parts: Sequence[Part]) -> tuple[list[list[tuple[Part, str]]], tuple[Part, ...]]:
    batches: list[list[tuple[Part, str]]] = []
    room, beyond = 0, list[Part]()
    for part in sorted(parts, key=lambda one: (one.is_test, -len(one.changed) - len(one.removed))):
        block = part_block(part)
        size = _tokens(block)
        if size > BATCH_TOKENS:
            beyond.append(part)
            continue
        if not batches or size > room:
            if len(batches) == MAX_BATCHES:
                beyond.append(part)
                continue
            batches.append([])
            room = BATCH_TOKENS
        batches[-1].append((part, block))
        room -= size
    return batches, tuple(beyond)


def _task(sha: str, lens: str, summary: str, code: str, passes: int) -> AgentTask:
    fence = "=====" + sha256((summary + code).encode("utf-8", "surrogatepass")).hexdigest()[:32]
    blocks = {
        name: f"{fence} BEGIN {name}\n{text}\n{fence} END"
        for name, text in (("change", summary), ("parts", code))
    }
    prompt = Template(_text("prompts/review.md")).substitute(blocks, fence=fence, revision=sha, lens=lens)
    return AgentTask(
        label="review",
        prompt=prompt,
        schema=schema(),
        revision=sha,
        passes=passes,
        expected=_expected(_tokens(prompt)),
    )


def _summary(head: Head, subjects: Sequence[str], changed: Sequence[FileDiff]) -> str:
    """The change in few lines: what its commits say, and which files it touches how much."""
    out = [f"head: {_line(head.key)} at {head.sha}", f"base: {head.base}", "commits:"]
    out += [f"- {_line(subject)}" for subject in subjects]
    out.append("files:")
    for file in changed[:MAX_LISTED]:
        moved = f", from {_line(file.old_path or '')}" if file.status in ("renamed", "copied") else ""
        lines = f"+{len(file.added_lines())} -{len(file.removed_lines())}"
        out.append(f"- {_line(file.path)} ({file.status}{moved}) {lines}")
    if len(changed) > MAX_LISTED:
        out.append(f"- and {len(changed) - MAX_LISTED} more")
    return "\n".join(out)


def _expected(prompt: int) -> Usage:
    """What a pass is expected to use: each look in the checkout sends all that went before again."""
    requests = LOOKS + 1
    fresh = prompt + LOOKS * LOOK_TOKENS
    whole = requests * prompt + LOOK_TOKENS * LOOKS * requests // 2
    answer = ANSWER_TOKENS + LOOKS * 150
    return Usage(input=whole, cached=max(0, whole - fresh), output=answer, reasoning=answer // 2)


def _tokens(text: str) -> int:
    """About how many tokens a text is."""
    return -(-len(text.encode("utf-8", "replace")) // BYTES_PER_TOKEN)


def _line(text: str) -> str:
    """Text from outside as one line of printable characters."""
    return "".join(c if c.isprintable() else "�" for c in redact(text))[:300]


@cache
def _lenses() -> tuple[tuple[str, str], ...]:
    loaded = tomllib.loads(_text("prompts/lenses.toml"))
    return tuple((one["name"], one["text"]) for one in loaded["lens"])


@cache
def _text(name: str) -> str:
    return files("hundredfold.jobs.review").joinpath(name).read_text(encoding="utf-8")

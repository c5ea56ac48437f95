"""The questions to agents: prompts filled from files, inside a token budget, with material fenced as data."""

from __future__ import annotations

import json
from functools import cache
from hashlib import sha256
from importlib.resources import files
from string import Template
from typing import Any

from hundredfold.evidence.secrets import redact
from hundredfold.jobs.security.survey import Clue, Target
from hundredfold.vocabulary import AgentTask, Evidence, Usage

BYTES_PER_TOKEN = 4  # code and English; an estimate for budgets, never for money
TASK_TOKENS = 20_000  # of code in one task
MAX_TASKS = 6  # of one commit
MAX_LINE = 400  # characters of a line that are shown
WHOLE_UNIT_LINES = 300  # longer ones are shown around their clues and changes only
AROUND = 40

_FILES = ("prompts/investigate.md", "prompts/refute.md", "schemas/investigate.json", "schemas/refute.json")

LOOKS = 6  # how often an agent is expected to read something in the checkout, per task
LOOK_TOKENS = 1_500
ANSWER_TOKENS = 1_200


def investigate_tasks(
    sha: str, title: str, targets: tuple[Target, ...]
) -> tuple[tuple[tuple[AgentTask, tuple[Target, ...]], ...], tuple[Target, ...]]:
    """(the tasks of a commit, each with the targets it shows; the targets beyond the bound).

    Targets with the most clues come first, so that what is left out is what matters least.
    """
    batches: list[list[tuple[Target, str]]] = []
    room = 0
    beyond = []
    for target in sorted(targets, key=lambda one: -len(one.clues)):
        block = unit_block(target)
        size = tokens(block)
        if size > TASK_TOKENS:
            beyond.append(target)
            continue
        if not batches or size > room:
            if len(batches) == MAX_TASKS:
                beyond.append(target)
                continue
            batches.append([])
            room = TASK_TOKENS
        batches[-1].append((target, block))
        room -= size
    tasks = []
    for batch in batches:
        material = {
            "commit": f"revision: {sha}\nsubject: {_line(title)}",
            "units": "\n\n".join(block for _, block in batch),
        }
        task = _task("investigate", sha, material)
        tasks.append((task, tuple(target for target, _ in batch)))
    return tuple(tasks), tuple(beyond)


def refute_task(sha: str, claim: dict[str, Any], evidence: Evidence, target: Target | None) -> AgentTask:
    """The question whether a claim holds."""
    shown = [
        f"{key}: {redact(str(claim[key]))}"
        for key in ("title", "rule", "cwe", "severity", "description", "how_to_check")
    ]
    place = f"place: {evidence.path}, lines {evidence.start_line} to {evidence.end_line}"
    code = unit_block(target) if target is not None else _quote_block(evidence)
    material = {"claim": "\n".join([place, *shown, "quoted code:", redact(evidence.quote)]), "units": code}
    return _task("refute", sha, material)


def unit_block(target: Target) -> str:
    """A unit as it stands in a prompt: its place, its clues, its numbered lines, `+` before changed ones."""
    unit = target.unit
    shown = _shown_lines(target)
    redacted = redact("\n".join(unit.lines)).split("\n")
    out = [
        f"path: {_line(unit.path)}",
        f"unit: {_line(unit.name) or '(top level)'}",
        f"lines: {unit.first_line} to {unit.last_line}",
        "candidates:",
        *(_clue(clue) for clue in target.clues[:40]),
        "code:",
    ]
    last = unit.first_line - 1
    for number in shown:
        if number != last + 1:
            out.append(f"      … lines {last + 1} to {number - 1} are not shown; read the file")
        mark = "+" if number in unit.changed else " "
        out.append(f"{number:6} {mark}| {redacted[number - unit.first_line][:MAX_LINE]}")
        last = number
    taken = [f"{number:6} -| {redact(text)[:MAX_LINE]}" for number, text in unit.removed[:60]]
    return "\n".join(
        [*out, *(["taken out by the commit, before the line of that number:", *taken] if taken else [])]
    )


def tokens(text: str) -> int:
    """About how many tokens a text is."""
    return -(-len(text.encode("utf-8", "replace")) // BYTES_PER_TOKEN)


def questions_version() -> str:
    """A digest of prompts and schemas: part of what decides whether a commit must be looked at again."""
    parts = [_text(name) for name in _FILES]
    return sha256("\0".join(parts).encode()).hexdigest()[:16]


@cache
def schema(label: str) -> dict[str, Any]:
    """The JSON schema of the answers to a kind of question."""
    loaded: dict[str, Any] = json.loads(_text(f"schemas/{label}.json"))
    return loaded


def _task(label: str, sha: str, material: dict[str, str]) -> AgentTask:
    fence = _fence("".join(material.values()))
    blocks = {name: f"{fence} BEGIN {name}\n{text}\n{fence} END" for name, text in material.items()}
    prompt = Template(_text(f"prompts/{label}.md")).substitute(blocks, fence=fence, revision=sha)
    return AgentTask(
        label=label, prompt=prompt, schema=schema(label), revision=sha, expected=_expected(tokens(prompt))
    )


def _fence(material: str) -> str:
    """A fence that the material can't close: it holds a digest of the material itself.

    Deterministic, so that a question asked again after a crash is the same text.
    """
    return "=====" + sha256(material.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _expected(prompt: int) -> Usage:
    """What a task is expected to use: each look in the checkout sends all that went before again."""
    requests = LOOKS + 1
    fresh = prompt + LOOKS * LOOK_TOKENS
    whole = requests * prompt + LOOK_TOKENS * LOOKS * requests // 2
    answer = ANSWER_TOKENS + LOOKS * 150
    return Usage(input=whole, cached=max(0, whole - fresh), output=answer, reasoning=answer // 2)


def _shown_lines(target: Target) -> list[int]:
    unit = target.unit
    if len(unit.lines) <= WHOLE_UNIT_LINES:
        return list(range(unit.first_line, unit.last_line + 1))
    centres = {clue.line for clue in target.clues} | set(sorted(unit.changed)[:200])
    wanted = {unit.first_line} | {
        number for centre in centres for number in range(centre - AROUND, centre + AROUND + 1)
    }
    return sorted(n for n in wanted if unit.first_line <= n <= unit.last_line)


def _clue(clue: Clue) -> str:
    text = f": {_line(redact(clue.text))}" if clue.text else ""
    return f"- line {clue.line}: {clue.rule} ({clue.family}; {clue.source}){text}"


def _quote_block(evidence: Evidence) -> str:
    lines = redact(evidence.quote).split("\n")
    numbered = [f"{evidence.start_line + at:6}  | {line[:MAX_LINE]}" for at, line in enumerate(lines)]
    return "\n".join([f"path: {_line(evidence.path)}", "code:", *numbered])


def _line(text: str) -> str:
    """Text from outside as one line of printable characters."""
    return "".join(c if c.isprintable() else "�" for c in redact(text))[:300]


@cache
def _text(name: str) -> str:
    return files("hundredfold.jobs.security").joinpath(name).read_text(encoding="utf-8")

"""The questions to agents: the same parts of a change, asked with several things in mind.

Parts are packed into batches inside a token budget, and each batch is asked once a pass.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from functools import cache
from typing import Any

import msgspec
from msgspec import Struct

from hundredfold.evidence.diffs import FileDiff
from hundredfold.evidence.secrets import redact
from hundredfold.jobs.changes import Part
from hundredfold.jobs.questions import MAX_LINE, Texts, batches, one_line, question
from hundredfold.jobs.review.heads import Head
from hundredfold.vocabulary import AgentTask

BATCH_TOKENS = 12_000  # of code in one question: short ones are answered better than long ones
MAX_BATCHES = 8  # of one head
ANSWER_TOKENS = 1_000
MAX_REMOVED = 200  # removed lines of one part that are shown
MAX_LISTED = 150  # files in the summary

TEXTS = Texts("hundredfold.jobs.review", ("prompts/review.md", "prompts/lenses.toml", "schemas/comment.json"))


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
    ordered = sorted(parts, key=lambda one: (one.is_test, -len(one.changed) - len(one.removed)))
    packed, beyond = batches(((part, part_block(part)) for part in ordered), BATCH_TOKENS, MAX_BATCHES)
    summary = _summary(head, subjects, changed)
    lenses = _lenses()
    asked = []
    for batch in packed:
        code = "\n\n".join(block for _, block in batch)
        for at, (name, text) in enumerate(lenses[:passes]):
            times = len(range(at, passes, len(lenses)))
            task = _task(head, text, summary, code, times)
            voters = tuple(f"{name} {again}" if again else name for again in range(times))
            asked.append(Asked(task, tuple(part for part, _ in batch), voters))
    return tuple(asked), beyond


def part_block(part: Part) -> str:
    """A part as it stands in a prompt: its place and its numbered lines, with what was taken out of it."""
    shown = redact("\n".join(part.lines)).split("\n")
    gone: dict[int, list[str]] = {}
    for before, now, text in part.removed[:MAX_REMOVED]:
        gone.setdefault(now, []).append(f"{before:6} -| {redact(text)[:MAX_LINE]}")
    out = [f"path: {one_line(part.path)}", f"part: {one_line(part.name)}", "code:"]
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
    return TEXTS.version()


def schema() -> dict[str, Any]:
    """The JSON schema of the answers."""
    return TEXTS.schema("schemas/comment.json")


def _task(head: Head, lens: str, summary: str, code: str, passes: int) -> AgentTask:
    made = question(
        "review",
        TEXTS.text("prompts/review.md"),
        {"change": summary, "parts": code},
        schema(),
        revision=head.sha,
        answer_tokens=ANSWER_TOKENS,
        passes=passes,
        words={"lens": lens},
    )
    return msgspec.structs.replace(made, untrusted=True) if head.untrusted else made


def _summary(head: Head, subjects: Sequence[str], changed: Sequence[FileDiff]) -> str:
    """The change in few lines: what its commits say, and which files it touches how much."""
    out = [f"head: {one_line(head.key)} at {head.sha}", f"base: {head.base}"]
    out += [f"pull request: {one_line(head.title)}"] if head.pull else []
    out.append("commits:")
    out += [f"- {one_line(subject)}" for subject in subjects]
    out.append("files:")
    for file in changed[:MAX_LISTED]:
        moved = f", from {one_line(file.old_path or '')}" if file.status in ("renamed", "copied") else ""
        lines = f"+{len(file.added_lines())} -{len(file.removed_lines())}"
        out.append(f"- {one_line(file.path)} ({file.status}{moved}) {lines}")
    if len(changed) > MAX_LISTED:
        out.append(f"- and {len(changed) - MAX_LISTED} more")
    return "\n".join(out)


@cache
def _lenses() -> tuple[tuple[str, str], ...]:
    loaded = tomllib.loads(TEXTS.text("prompts/lenses.toml"))
    return tuple((one["name"], one["text"]) for one in loaded["lens"])

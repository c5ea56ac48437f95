"""The questions to agents: where is a weakness in these units, and does this claim of one hold?"""

from __future__ import annotations

from typing import Any

from hundredfold.evidence.secrets import redact
from hundredfold.jobs.questions import MAX_LINE, Texts, batches, one_line, question
from hundredfold.jobs.security.survey import Clue, Target
from hundredfold.vocabulary import AgentTask, Evidence

TASK_TOKENS = 20_000  # of code in one task
MAX_TASKS = 6  # of one commit
ANSWER_TOKENS = 1_200
WHOLE_UNIT_LINES = 300  # longer ones are shown around their clues and changes only
AROUND = 40

TEXTS = Texts(
    "hundredfold.jobs.security",
    ("prompts/investigate.md", "prompts/refute.md", "schemas/investigate.json", "schemas/refute.json"),
)


def investigate_tasks(
    sha: str, title: str, targets: tuple[Target, ...]
) -> tuple[tuple[tuple[AgentTask, tuple[Target, ...]], ...], tuple[Target, ...]]:
    """(the tasks of a commit, each with the targets it shows; the targets beyond the bound).

    Targets with the most clues come first, so that what is left out is what matters least.
    """
    ordered = sorted(targets, key=lambda one: -len(one.clues))
    packed, beyond = batches(((target, unit_block(target)) for target in ordered), TASK_TOKENS, MAX_TASKS)
    tasks = []
    for batch in packed:
        material = {
            "commit": f"revision: {sha}\nsubject: {one_line(title)}",
            "units": "\n\n".join(block for _, block in batch),
        }
        task = _task("investigate", sha, material)
        tasks.append((task, tuple(target for target, _ in batch)))
    return tuple(tasks), beyond


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
        f"path: {one_line(unit.path)}",
        f"unit: {one_line(unit.name) or '(top level)'}",
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
    taken = [f"{number:6} -| {redact(text)[:MAX_LINE]}" for _, number, text in unit.removed[:60]]
    return "\n".join(
        [*out, *(["taken out by the commit, before the line of that number:", *taken] if taken else [])]
    )


def questions_version() -> str:
    """A digest of prompts and schemas: part of what decides whether a commit must be looked at again."""
    return TEXTS.version()


def schema(label: str) -> dict[str, Any]:
    """The JSON schema of the answers to a kind of question."""
    return TEXTS.schema(f"schemas/{label}.json")


def _task(label: str, sha: str, material: dict[str, str]) -> AgentTask:
    return question(
        label,
        TEXTS.text(f"prompts/{label}.md"),
        material,
        schema(label),
        revision=sha,
        answer_tokens=ANSWER_TOKENS,
    )


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
    text = f": {one_line(clue.text)}" if clue.text else ""
    return f"- line {clue.line}: {clue.rule} ({clue.family}; {clue.source}){text}"


def _quote_block(evidence: Evidence) -> str:
    lines = redact(evidence.quote).split("\n")
    numbered = [f"{evidence.start_line + at:6}  | {line[:MAX_LINE]}" for at, line in enumerate(lines)]
    return "\n".join([f"path: {one_line(evidence.path)}", "code:", *numbered])

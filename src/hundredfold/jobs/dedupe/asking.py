"""The question to an agent: one issue, its candidates, in fences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hundredfold.jobs.dedupe.candidates import Candidate, Shown
from hundredfold.jobs.questions import MAX_LINE, Texts, one_line, question
from hundredfold.vocabulary import AgentTask

ANSWER_TOKENS = 800
TEXTS = Texts("hundredfold.jobs.dedupe", ("prompts/judge.md", "schemas/judge.json"))


def judge(revision: str, issue: Shown, candidates: Sequence[Candidate]) -> AgentTask:
    """The task of judging these pairs."""
    return question(
        "judge",
        TEXTS.text("prompts/judge.md"),
        {
            "issue": block(issue),
            "candidates": "\n\n".join(block(one.issue) for one in candidates),
        },
        schema(),
        revision=revision,
        answer_tokens=ANSWER_TOKENS,
    )


def block(issue: Shown) -> str:
    """An issue as it stands in a prompt: its name, title and the lines of its body, each behind a bar."""
    lines = [line[:MAX_LINE] for line in issue.body.replace("\r\n", "\n").split("\n")]
    head = [f"issue: {one_line(issue.ref)}", f"state: {issue.state}", f"| {one_line(issue.title)}"]
    return "\n".join([*head, *(f"| {_plain(line)}" for line in lines)])


def schema() -> dict[str, Any]:
    """The JSON schema of the answers."""
    return TEXTS.schema("schemas/judge.json")


def _plain(line: str) -> str:
    return "".join(char if char.isprintable() or char == "\t" else "�" for char in line)

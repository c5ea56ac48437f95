"""The question to an agent: which change made these benchmarks worse, and how?"""

from __future__ import annotations

from collections.abc import Sequence

from hundredfold.evidence.measures import shown
from hundredfold.jobs.benchmarks.bisecting import Narrowed
from hundredfold.jobs.benchmarks.subject import Subject
from hundredfold.jobs.changes import Part
from hundredfold.jobs.questions import Texts, batches, one_line, question
from hundredfold.jobs.review.asking import part_block
from hundredfold.jobs.review.change import Change
from hundredfold.sources.git import Commit
from hundredfold.vocabulary import AgentTask

CODE_TOKENS = 14_000  # of the change that an agent is shown
ANSWER_TOKENS = 900
MAX_COMMITS = 60  # listed
MAX_FILES = 100

TEXTS = Texts("hundredfold.jobs.benchmarks", ("prompts/explain.md", "schemas/explain.json"))


def explain_task(
    subject: Subject, narrowed: Narrowed, commits: Sequence[Commit], change: Change
) -> tuple[AgentTask, tuple[Part, ...]]:
    """(the task; the parts that don't fit in it). Code goes before tests, larger changes before smaller."""
    ordered = sorted(change.parts, key=lambda one: (one.is_test, -len(one.changed) - len(one.removed)))
    packed, beyond = batches(((part, part_block(part)) for part in ordered), CODE_TOKENS, 1)
    parts = "\n\n".join(block for batch in packed for _, block in batch)
    task = question(
        "explain",
        TEXTS.text("prompts/explain.md"),
        {
            "measured": _measured(subject, narrowed),
            "change": _summary(narrowed, commits, change),
            "parts": parts or "No code was changed.",
        },
        TEXTS.schema("schemas/explain.json"),
        revision=narrowed.after,
        answer_tokens=ANSWER_TOKENS,
    )
    return task, beyond


def _measured(subject: Subject, narrowed: Narrowed) -> str:
    out = [f"- {one_line(one.line())}; {one.direction} is better" for one in subject.series]
    if subject.count > len(subject.series):
        out.append(f"- and {subject.count - len(subject.series)} more series")
    if narrowed.measured:
        unit = subject.series[0].unit
        out.append(f"measured again, {one_line(subject.series[0].label)}:")
        out += [f"- {sha}: {shown(value, unit)}" for sha, value in narrowed.measured]
    return "\n".join(out)


def _summary(narrowed: Narrowed, commits: Sequence[Commit], change: Change) -> str:
    out = [
        f"last commit that was fast: {narrowed.before}",
        f"first that was slow: {narrowed.after}",
        "commits:",
    ]
    out += [f"- {one.sha} {one_line(one.subject)}" for one in commits[:MAX_COMMITS]]
    if len(commits) > MAX_COMMITS:
        out.append(f"- and {len(commits) - MAX_COMMITS} more")
    out.append("files:")
    out += [
        f"- {one_line(file.path)} ({file.status}) +{len(file.added_lines())} -{len(file.removed_lines())}"
        for file in change.files[:MAX_FILES]
    ]
    if len(change.files) > MAX_FILES:
        out.append(f"- and {len(change.files) - MAX_FILES} more")
    return "\n".join(out)

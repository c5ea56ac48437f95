"""The question to an agent: why did this run fail, and which command shows it?"""

from __future__ import annotations

from collections.abc import Sequence

from hundredfold.evidence.secrets import redact
from hundredfold.jobs.questions import Texts, one_line, question
from hundredfold.vocabulary import AgentTask, CommandResult

ANSWER_TOKENS = 1_500
MAX_OUTPUT = 4_000  # characters of a rerun's output that are shown

TEXTS = Texts("hundredfold.jobs.bugs", ("prompts/report.md", "schemas/report.json"))


def report_task(
    revision: str, title: str, test: str, source: str, log: str, reruns: Sequence[CommandResult]
) -> AgentTask:
    """The task for one failure. `log` is the numbered excerpt, without secrets."""
    told = [f"seen in: {one_line(source)}", f"test: {one_line(test) or 'none is named'}", one_line(title)]
    return question(
        "report",
        TEXTS.text("prompts/report.md"),
        {"failure": "\n".join(told), "log": log, "reruns": _reruns(reruns)},
        TEXTS.schema("schemas/report.json"),
        revision=revision,
        answer_tokens=ANSWER_TOKENS,
    )


def _reruns(results: Sequence[CommandResult]) -> str:
    if not results:
        return "It was not run again: no test command is configured, or no test is named."
    shown = [f"command: {' '.join(results[0].argv)}"]
    shown += [f"{number}. {ending(one)}" for number, one in enumerate(results, 1)]
    failed = next((one for one in results if one.exit_code != 0), results[0])
    return "\n".join([*shown, "output:", redact(failed.output)[-MAX_OUTPUT:]])


def ending(result: CommandResult) -> str:
    """How a command ended, in a few words."""
    if result.timed_out:
        return f"timed out after {result.seconds:.0f} s"
    return f"exit code {result.exit_code} after {result.seconds:.1f} s"

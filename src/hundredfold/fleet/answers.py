"""From how an agent's turn ended to what the job gets to see: parse, validate, classify."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from jsonschema import Draft202012Validator

from hundredfold.agents.protocol import Outcome
from hundredfold.vocabulary import AgentTask, AnswerStatus

MAX_ANSWER_BYTES = 4 * 1024 * 1024


def judged(
    task: AgentTask, outcome: Outcome
) -> tuple[AnswerStatus | Literal["throttled"], dict[str, Any] | None, str]:
    """The state of an attempt that ended so, its value if it obeys the schema, and what went wrong."""
    if outcome.status == "refused":
        return "refused", None, outcome.text[:2000]
    if outcome.status == "failed":
        return _failure(outcome), None, outcome.error or outcome.error_kind or "failed without a word"
    if len(outcome.text) > MAX_ANSWER_BYTES:
        return "schema", None, f"the answer is longer than {MAX_ANSWER_BYTES} bytes"
    try:
        value = msgspec.json.decode(outcome.text)
    except msgspec.DecodeError as error:
        return "schema", None, f"the answer is not JSON: {error}"
    wrong = next(iter(Draft202012Validator(task.schema).iter_errors(value)), None)
    if wrong is not None or not isinstance(value, dict):
        where = "/".join(map(str, wrong.absolute_path)) if wrong else ""
        return (
            "schema",
            None,
            f"the answer breaks the schema at /{where}: {wrong.message[:300] if wrong else ''}",
        )
    return "ok", value, ""


def _failure(outcome: Outcome) -> AnswerStatus | Literal["throttled"]:
    match outcome.error_kind:
        case "throttled":
            return "throttled"
        case "quota":
            return "limit"
        case "stalled" | "deadline":
            return "timeout"
        case _:
            return "failed"

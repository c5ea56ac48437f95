"""Final answers: by the schema's title where a job's answerer is known, else any value that obeys the schema.

An answerer makes plausible claims out of the prompt itself, some of them wrong on purpose (`p_true`), so that
the code which checks an agent's claims has something to drop.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import msgspec

from hundredfold.simulation.provider import bugs, review, security
from hundredfold.simulation.provider.example import example
from hundredfold.simulation.provider.moves import Say
from hundredfold.simulation.provider.request import Request

DECLINED = "I'm sorry, but I can't help with that request."

Answerer = Callable[[str, dict[str, Any], Random, float], dict[str, Any]]
"""(prompt, schema, random, p_true) → a value that obeys the schema."""

ANSWERERS: dict[str, Answerer] = {
    "hundredfold.bugs.report": bugs.report,
    "hundredfold.review.comment": review.comment,
    "hundredfold.security.investigate": security.investigate,
    "hundredfold.security.refute": security.refute,
}


def final_answer(request: Request, random: Random, *, p_true: float, fault: str) -> Say:
    """The conversation's last message; `fault` is one of the profile's `[answers]`, or ""."""
    if fault == "refusal":
        return Say(DECLINED, refusal=True)
    if fault == "declined":
        return Say(DECLINED)
    if request.schema is None:
        return Say("Simulated answer: looked at what was asked, found nothing to add.")
    if fault == "schema_break":
        return Say('{"simulated_key_that_no_schema_has":true}')
    answerer = ANSWERERS.get(str(request.schema.get("title", "")))
    if answerer is None:
        value = example(request.schema, random)
    else:
        value = answerer(request.prompt, request.schema, random, p_true)
    text = msgspec.json.encode(value).decode()
    return Say(text[: max(1, len(text) * 2 // 3)] if fault == "malformed" else text)

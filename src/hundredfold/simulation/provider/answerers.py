"""Final answers: by the schema's title where a job's answerer is known, else any value that obeys the schema.

An answerer makes plausible claims out of the prompt itself, some wrong on purpose (`mind.p_true`), so that
the code which checks an agent's claims has something to drop.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from random import Random
from typing import Any

import msgspec

from hundredfold.simulation.provider import benchmarks, bugs, dedupe, review, security
from hundredfold.simulation.provider.example import example
from hundredfold.simulation.provider.moves import Say
from hundredfold.simulation.provider.profile import Mind
from hundredfold.simulation.provider.request import Request

DECLINED = "I'm sorry, but I can't help with that request."

Answerer = Callable[[str, dict[str, Any], Random, Mind], dict[str, Any]]
"""(prompt, schema, random, mind) → a value that obeys the schema."""

ANSWERERS: dict[str, Answerer] = {
    "hundredfold.dedupe.judge": dedupe.judge,
    "hundredfold.benchmarks.explain": benchmarks.explain,
    "hundredfold.bugs.report": bugs.report,
    "hundredfold.review.comment": review.comment,
    "hundredfold.security.investigate": security.investigate,
    "hundredfold.security.refute": security.refute,
}


def final_answer(request: Request, random: Random, *, mind: Mind, fault: str) -> Say:
    """The conversation's last message; `fault` is one of the profile's `[answers]`, or ""."""
    if fault == "refusal":
        return Say(DECLINED, refusal=True)
    if fault == "declined":
        return Say(DECLINED)
    schema = request.schema or _asked_in_words(request.prompt)
    if schema is None:
        return Say("Simulated answer: looked at what was asked, found nothing to add.")
    if fault == "schema_break":
        return Say('{"simulated_key_that_no_schema_has":true}')
    answerer = ANSWERERS.get(str(schema.get("title", "")))
    value = answerer(request.prompt, schema, random, mind) if answerer else example(schema, random)
    text = msgspec.json.encode(value).decode()
    return Say(text[: max(1, len(text) * 2 // 3)] if fault == "malformed" else text)


def _asked_in_words(prompt: str) -> dict[str, Any] | None:
    """The last schema that the prompt itself names, as agents without a field for one are told."""
    _, marker, text = prompt.rpartition("obey this JSON schema:")
    if not marker:
        return None
    try:
        schema, _ = json.JSONDecoder().raw_decode(text.lstrip())
    except ValueError:
        return None
    return schema if isinstance(schema, dict) else None

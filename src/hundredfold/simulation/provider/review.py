"""Simulated answers for the job `review`: comments on code in the prompt, some wrong on purpose.

Several passes of one review must agree on something, or voting would keep nothing: what there is to say of a
piece of code, and in which words, is drawn from the code alone, so that each pass tells a share of the same.
"""

from __future__ import annotations

from random import Random
from typing import Any
from zlib import crc32

from hundredfold.simulation.provider.example import example
from hundredfold.simulation.provider.excerpts import Excerpt, excerpts_in
from hundredfold.simulation.provider.profile import Mind

MOST_COMMENTS = 6
TOLD = 0.7  # how often a pass says what there is to say
FAR = 1_000_000  # no file has that many lines
MISTAKES = (
    ("Empty input is not handled", "When the argument is empty this raises instead of returning a default."),
    ("The resource is never closed", "If the call fails the handle leaks, since nothing closes it."),
    ("Return value is ignored", "The result of this call is dropped, so a failure goes unnoticed."),
    ("Off by one at the upper bound", "The last element is skipped because the range ends too early."),
)


def comment(prompt: str, schema: dict[str, Any], random: Random, mind: Mind) -> dict[str, Any]:
    """Comments on some of the code shown; or nothing found; or, rarely, that it could not finish."""
    made = example(schema, random)
    shape = schema.get("properties", {}).get("comments", {}).get("items", {})
    comments = []
    for code in excerpts_in(prompt)[:MOST_COMMENTS]:
        told = random.random() < TOLD
        if told:
            entry = example(shape, random) | _mistake(code) | _place(code, random, mind.p_true)
            comments.append({name: one for name, one in entry.items() if name in shape.get("properties", {})})
    verdict = "comments" if comments else "nothing_found"
    if random.random() >= mind.p_finished:
        verdict = "could_not_finish"
    said = made | {"verdict": verdict, "comments": comments}
    return {name: one for name, one in said.items() if name in schema.get("properties", {})}


def _mistake(code: Excerpt) -> dict[str, Any]:
    """What there is to say of the code: always the same, for any pass."""
    seed = crc32("\n".join(text for _, text in code.lines).encode("utf-8", "replace"))
    title, words = MISTAKES[seed % len(MISTAKES)]
    return {
        "severity": ("high", "medium", "low")[seed % 3],
        "category": "correctness",
        "confidence": 0.8,
        "title": title,
        "comment": words,
    }


def _place(code: Excerpt, random: Random, p_true: float) -> dict[str, Any]:
    """The last line that is not blank; or, if the claim is to be wrong, no place that there is."""
    number, text = next(line for line in reversed(code.lines) if line[1].strip())
    place: dict[str, Any] = {
        "path": code.path,
        "side": "new",
        "start_line": number,
        "end_line": number,
        "quote": text,
    }
    if random.random() >= p_true:
        wrong = random.choice(("path", "lines", "quote"))
        if wrong == "path":
            place["path"] += ".missing"
        elif wrong == "lines":
            place |= {name: place[name] + FAR for name in ("start_line", "end_line")}
        else:
            place["quote"] = f"simulated_line_that_no_file_has({random.randint(0, 999)})"
    return place

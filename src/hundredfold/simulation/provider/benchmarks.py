"""Simulated answers for the job `benchmarks`: an explanation that quotes the change the prompt shows.

Wrong on purpose: a quote that stands nowhere, or a commit that is not of the range.
"""

from __future__ import annotations

import re
from random import Random
from typing import Any

from hundredfold.simulation.provider.example import example
from hundredfold.simulation.provider.excerpts import excerpts_in
from hundredfold.simulation.provider.profile import Mind

_COMMIT = re.compile(r"^- ([0-9a-f]{40})\b", re.MULTILINE)
_LISTED = re.compile(r"^commits:\n(.*?)^files:", re.MULTILINE | re.DOTALL)


def explain(prompt: str, schema: dict[str, Any], random: Random, mind: Mind) -> dict[str, Any]:
    """An explanation by some line of the change; "not_explained" where no code is shown."""
    listed = _LISTED.search(prompt)
    commits = _COMMIT.findall(listed[1]) if listed else []
    places = []
    for code in excerpts_in(prompt)[:1]:
        number, text = next(line for line in reversed(code.lines) if line[1].strip())
        places.append({"path": code.path, "start_line": number, "end_line": number, "quote": text})
    commit = commits[0] if commits else ""
    if random.random() >= mind.p_true:
        if places and random.random() < 0.5:
            places[0]["quote"] = f"simulated_line_that_no_file_has({random.randint(0, 999)})"
        else:
            commit = "f" * 40
    verdict = "explained" if places else "not_explained"
    said: dict[str, Any] = example(schema, random)
    return said | {
        "verdict": "could_not_finish" if random.random() >= mind.p_finished else verdict,
        "commit": commit,
        "title": "A simulated explanation",
        "explanation": "Simulated: no model looked at it.",
        "places": places,
        "mend": "",
        "confidence": 0.8,
    }

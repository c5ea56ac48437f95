"""Simulated answers for the job `security`: claims about code in the prompt, some wrong on purpose.

The job's schema decides the shape; these functions only put real paths, lines and quotes into the keys that
ask for them. A wrong claim has a path that does not exist, lines beyond the file, or a quote that is nowhere.
"""

from __future__ import annotations

from random import Random
from typing import Any

from hundredfold.simulation.provider.example import example
from hundredfold.simulation.provider.excerpts import Excerpt, excerpts_in
from hundredfold.simulation.provider.profile import Mind

MOST_CLAIMS = 3
QUOTED_LINES = 3
FAR = 1_000_000  # no file has that many lines


def investigate(prompt: str, schema: dict[str, Any], random: Random, mind: Mind) -> dict[str, Any]:
    """Claims about some of the code shown; or nothing found; or, rarely, that it could not finish."""
    code = excerpts_in(prompt)
    draw = random.random()
    verdict = "findings"
    nothing = 1 - mind.p_found
    if not code or draw < nothing:
        verdict = "nothing_found"
    elif draw < nothing + 1 - mind.p_finished:
        verdict = "could_not_finish"
    claims = random.randint(1, MOST_CLAIMS) if verdict == "findings" else 0
    places = [_place(random.choice(code), random, true=random.random() < mind.p_true) for _ in range(claims)]
    return _filled(schema, {"verdict": verdict}, "findings", places, random)


def refute(prompt: str, schema: dict[str, Any], random: Random, mind: Mind) -> dict[str, Any]:
    """Upholds the claim with probability `p_true`, refutes it otherwise, with a quote of the code shown."""
    code = excerpts_in(prompt)
    verdict = "upheld" if random.random() < mind.p_true else "refuted"
    places = [_place(random.choice(code), random, true=True)] if code else []
    return _filled(schema, {"verdict": verdict}, "evidence", places, random)


def _filled(
    schema: dict[str, Any], said: dict[str, Any], listed: str, places: list[dict[str, Any]], random: Random
) -> dict[str, Any]:
    """An object by the schema that says `said`, and has one entry of the array `listed` for each place."""
    made = example(schema, random)
    shape = schema.get("properties", {}).get(listed, {}).get("items", {})
    entries = [_known(example(shape, random) | place, shape, random) for place in places]
    return _known({**made, **said, listed: entries}, schema, random)


def _known(value: dict[str, Any], schema: dict[str, Any], random: Random) -> dict[str, Any]:
    """`value` with the keys that the schema knows, and sensible words in those that have no enum."""
    properties = schema.get("properties", {})
    value |= {"cwe": "CWE-78", "confidence": round(random.uniform(0.5, 0.95), 2), "title": "Simulated claim"}
    return {name: one for name, one in value.items() if name in properties}


def _place(code: Excerpt, random: Random, *, true: bool) -> dict[str, Any]:
    solid = [number for number, (_, text) in enumerate(code.lines) if text.strip()]
    first = random.choice(solid)
    last = max(n for n in solid if first <= n < first + random.randint(1, QUOTED_LINES))
    place: dict[str, Any] = {
        "path": code.path,
        "start_line": code.lines[first][0],
        "end_line": code.lines[last][0],
        "quote": "\n".join(text for _, text in code.lines[first : last + 1]),
    }
    if not true:
        wrong = random.choice(("path", "lines", "quote"))
        if wrong == "path":
            place["path"] += ".missing"
        elif wrong == "lines":
            place |= {name: place[name] + FAR for name in ("start_line", "end_line")}
        else:
            place["quote"] = f"simulated_line_that_no_file_has({random.randint(0, 999)})"
    return place

"""Simulated answers for the job `dedupe`: pairs whose titles share most words are the same; some quotes are
wrong on purpose."""

from __future__ import annotations

import re
from random import Random
from typing import Any

from hundredfold.simulation.provider.profile import Mind

MOST = 50
ALIKE = 0.4  # Jaccard of two titles' words
LEAST = 12  # characters of a quote


def judge(prompt: str, schema: dict[str, Any], random: Random, mind: Mind) -> dict[str, Any]:
    """A judgement of every candidate that the prompt shows."""
    shown = issues_in(prompt)
    (first, text), others = (shown[0], shown[1:]) if shown else (("", [""]), [])
    made = []
    for ref, lines in others[:MOST]:
        one, other = (set(re.findall(r"\w+", given[0].lower())) for given in (text, lines))
        same = bool(first) and len(one & other) >= ALIKE * len(one | other)
        quotes = [next((line for line in given if len(line) >= LEAST), "") for given in (text, lines)]
        if random.random() >= mind.p_true:
            quotes[random.randrange(2)] += f" simulated words that no issue has {random.randint(0, 999)}"
        made.append(
            {
                "other": ref,
                "same": same,
                "confidence": 0.9 if same else 0.2,
                "quote_issue": quotes[0],
                "quote_other": quotes[1],
                "reason": "Simulated: the titles share most words." if same else "Simulated: other words.",
            }
        )
    return {"verdict": "judged", "pairs": made, "notes": ""}


def issues_in(prompt: str) -> list[tuple[str, list[str]]]:
    """(name, lines) of the issues that a prompt shows as `jobs.dedupe.asking.block` writes them."""
    found: list[tuple[str, list[str]]] = []
    for line in prompt.split("\n"):
        if named := re.fullmatch(r"issue: (\S.*)", line):
            found.append((named[1], []))
        elif line.startswith("| ") and found:
            found[-1][1].append(line[2:])
    return [one for one in found if one[1]]

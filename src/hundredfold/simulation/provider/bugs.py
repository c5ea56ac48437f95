"""Simulated answers for the job `bugs`: a report out of the log and the reruns that the prompt shows.

The command is the one the test was run again with. Wrong on purpose: a quote that stands nowhere, or a
command that passes.
"""

from __future__ import annotations

import re
from random import Random
from typing import Any

from hundredfold.simulation.provider.example import example
from hundredfold.simulation.provider.profile import Mind

MOST_LINES = 20_000
_LOG_LINE = re.compile(r"^(\d{1,7}): (.*\S.*)$", re.MULTILINE)
_COMMAND = re.compile(r"^command: (.+)$", re.MULTILINE)
_OUTPUT = re.compile(r"^output:\n(.*?)^=====\w+ END", re.MULTILINE | re.DOTALL)
_TELLING = re.compile(r"(?i)error|fail|assert|exception|panic")


def report(prompt: str, schema: dict[str, Any], random: Random, mind: Mind) -> dict[str, Any]:
    """A report that calls the failure a bug; or, rarely, that it could not finish."""
    said: dict[str, Any] = example(schema, random)
    lines = [(int(number), text) for number, text in _LOG_LINE.findall(prompt)[:MOST_LINES]]
    line, quote = next(
        (one for one in lines if _TELLING.search(one[1])), lines[0] if lines else (1, "nothing")
    )
    command = _COMMAND.search(prompt)
    output = _OUTPUT.search(prompt)
    printed = [one.strip() for one in output[1].split("\n")] if output else []
    stable = [one for one in printed if one and "/" not in one]  # a path may differ from run to run
    telling = next((one for one in reversed(stable) if _TELLING.search(one)), quote.strip())
    words = command[1].split() if command else ["false"]
    if random.random() >= mind.p_true:
        if random.random() < 0.5:
            quote = f"simulated line that no log has ({random.randint(0, 999)})"
        else:
            words = ["true"]
    return said | {
        "verdict": "could_not_finish" if random.random() >= mind.p_finished else "bug",
        "title": "A simulated report of this failure",
        "observed": "The command fails.",
        "expected": "The command passes.",
        "cause": "Simulated: no model looked at it.",
        "command": words,
        "failing_output": telling,
        "log_quotes": [{"line": line, "quote": quote}],
        "places": [],
        "confidence": 0.8,
    }

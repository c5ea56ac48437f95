"""Simulated answers for the job `security`: claims about code that stands in the prompt."""

from __future__ import annotations

from random import Random
from typing import Any

from hundredfold.simulation.provider.example import example


def investigate(prompt: str, schema: dict[str, Any], random: Random, p_true: float) -> dict[str, Any]:
    """Claims about some of the candidates that the prompt lists."""
    value = example(schema, random)
    return value if isinstance(value, dict) else {}


def refute(prompt: str, schema: dict[str, Any], random: Random, p_true: float) -> dict[str, Any]:
    """Upholds a claim with probability `p_true`, refutes it otherwise."""
    value = example(schema, random)
    return value if isinstance(value, dict) else {}

"""All operations together: importing this module registers every topic's."""

from __future__ import annotations

from hundredfold.simulation.forge.api import (
    accounts,
    actions,
    checks,
    code,
    comments,
    gitdata,
    issues,
    pulls,
    reviews,
    security,
)
from hundredfold.simulation.forge.api.call import OPERATIONS, Operation, find_operation

TOPICS = (accounts, actions, checks, code, comments, gitdata, issues, pulls, reviews, security)


def find(method: str, path: str) -> tuple[Operation, dict[str, str]] | None:
    """The operation of a request with the parts of its path; None if there is none."""
    return find_operation(method, path)


def names() -> list[str]:
    """Every operation, like "GET /repos/{owner}/{repo}"."""
    return sorted(one.name for one in OPERATIONS)

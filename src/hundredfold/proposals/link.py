"""One link of the chain that `why` tells: a record as plain facts, safe to print, with what hangs on it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from msgspec import Struct

from hundredfold.proposals.sanitise import for_terminal

MAX_CHILDREN = 200


class Node(Struct, frozen=True):
    """One link of the chain. Text is safe to print; `asked` marks the record that was asked about."""

    kind: str
    id: str
    title: str
    facts: dict[str, Any] = {}
    children: tuple[Node, ...] = ()
    asked: bool = False


def safe(text: str) -> str:
    """Text that a terminal may show."""
    return for_terminal(text)


def shown(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Facts without empty ones; text safe to print."""
    return {
        safe(name): safe(value) if isinstance(value, str) else value
        for name, value in facts.items()
        if value not in ("", None)
    }


def time_text(at_us: int) -> str:
    """A time as people read it."""
    return datetime.fromtimestamp(at_us / 1e6, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")

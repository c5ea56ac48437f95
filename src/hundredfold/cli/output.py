"""How commands print: data on stdout (JSON if asked), words about it on stderr."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from rich.console import Console


def print_json(value: Any) -> None:
    """One JSON document on stdout."""
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(value, enc_hook=str), indent=2).decode() + "\n")


def say(text: str) -> None:
    """A line for people, on stderr."""
    sys.stderr.write(text + "\n")


def console(*, stderr: bool = False) -> Console:
    """Rich's console: colours only on a terminal, NO_COLOR honoured, no markup read from data."""
    from rich.console import Console

    return Console(stderr=stderr, highlight=False, markup=False)


def printable(text: str) -> str:
    """Names come from outside: no control character of theirs reaches the terminal."""
    return text if text.isprintable() else "".join(c if c.isprintable() else "\ufffd" for c in text)

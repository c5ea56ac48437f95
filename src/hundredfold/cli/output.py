"""How commands print: data on stdout (JSON if asked), words about it on stderr."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text


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


def yielding(text: str) -> Text:
    """A cell of one line that gives way to the others: cut, with an ellipsis, where the terminal is too
    narrow. Its column must not be `no_wrap`, those that are keep their width."""
    from rich.text import Text

    return Text(text, no_wrap=True, overflow="ellipsis")


def counted(number: int, one: str, many: str = "") -> str:
    """A number with its word: "1 item", "1,200 items"."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def printable(text: str) -> str:
    """Names come from outside: no control character of theirs reaches the terminal."""
    return text if text.isprintable() else "".join(c if c.isprintable() else "\ufffd" for c in text)

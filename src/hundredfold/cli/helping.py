"""How `--help` looks: texts flow to the terminal's width, and only defaults that say something are shown."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from cyclopts import Parameter

if TYPE_CHECKING:
    from cyclopts import App

_RULE = re.compile(r"-{3,}")


def shown_default(value: Any) -> str | None:
    """A default as help shows it; None where it is "nothing given"."""
    if value is None or isinstance(value, bool) or value in ("", ()):
        return None
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


#: of every command's parameters
DEFAULTS = Parameter(negative=(), show_default=shown_default)


def flowing(text: str) -> str:
    """A docstring whose paragraphs are one line each; the headings of its parameters stay as they are."""
    out: list[str] = []
    for line in inspect.cleandoc(text).split("\n"):
        ruled = bool(_RULE.fullmatch(line.strip()))
        goes_on = bool(out and out[-1] and line) and not ruled and not _RULE.fullmatch(out[-1].strip())
        if goes_on and _indent(line) == _indent(out[-1]):
            out[-1] += " " + line.strip()
        else:
            out.append(line)
    return "\n".join(out)


def flow(app: App, words: Iterable[str]) -> None:
    """Have the command that the words name show its help flowing."""
    for word in words:
        if word.startswith("-") or word not in app:
            break
        app = app[word]
    function = app.default_command
    if function is not None and function.__doc__:
        function.__doc__ = flowing(function.__doc__)


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())

"""Code in a prompt as jobs show it: a line `path: …`, then numbered lines like `   123 +| code`.

Lines marked `-` were taken out and stand nowhere any more; they are left out.
"""

from __future__ import annotations

import re

from msgspec import Struct

_PATH_LINE = re.compile(r"path: (\S.*)")
_NUMBERED = re.compile(r" {0,8}(\d{1,7}) ?[ +]?[|] ?(.*)")
MOST_LINES = 20_000
MOST_EXCERPTS = 500


class Excerpt(Struct, frozen=True):
    """A run of numbered lines of a file: (number, text), in order, not all of them blank."""

    path: str
    lines: tuple[tuple[int, str], ...]


def excerpts_in(prompt: str) -> list[Excerpt]:
    """The excerpts of a prompt, at most 500, from its first 20,000 lines."""
    found: list[Excerpt] = []
    path, lines = "", list[tuple[int, str]]()
    for text in [*prompt.split("\n", MOST_LINES)[:MOST_LINES], ""]:
        numbered = _NUMBERED.fullmatch(text)
        if numbered:
            lines.append((int(numbered[1]), numbered[2]))
            continue
        if lines and path and any(line.strip() for _, line in lines) and len(found) < MOST_EXCERPTS:
            found.append(Excerpt(path, tuple(lines)))
        lines = []
        named = _PATH_LINE.fullmatch(text)
        if named:
            path = named[1]
    return found

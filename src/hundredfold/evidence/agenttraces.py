"""Whose work something is: a coding agent's by the traces it left, else a person's. Patterns are data.

A trace is what an agent writes by default; whoever takes it out is not found, so an agent's share is a lower
bound.
"""

from __future__ import annotations

import re
import tomllib
from functools import cache
from importlib.resources import files
from typing import Literal

from msgspec import Struct

from hundredfold.evidence.commitwords import trailers

Where = Literal["author", "trailer", "branch", "words"]
CREDITS = frozenset({"co-authored-by", "generated-by", "assisted-by", "authored-by", "signed-off-by"})
MAX_TEXT = 60_000


class Trace(Struct, frozen=True):
    """The agent that something is by, and where its trace stands."""

    agent: str
    where: Where


class _Agent(Struct, frozen=True):
    name: str
    authors: re.Pattern[str]
    trailers: re.Pattern[str]
    words: re.Pattern[str]
    branches: re.Pattern[str]


def trace(*, authors: tuple[str, ...] = (), text: str = "", branch: str = "") -> Trace | None:
    """The agent that a commit or pull request is by; None: nothing says it is one's.

    `authors` are names, e-mails and logins; `text` a commit's message or a pull request's; `branch` its head.
    The author says more than a trailer, that more than the branch's name, and that more than words in a text.
    """
    text = text[:MAX_TEXT]
    credits = [value for key, value in trailers(text) if key in CREDITS]
    for one in _agents():
        if any(one.authors.fullmatch(author.strip()) for author in authors):
            return Trace(one.name, "author")
    for one in _agents():
        if any(one.trailers.fullmatch(value) for value in credits):
            return Trace(one.name, "trailer")
    for one in _agents():
        if branch and one.branches.fullmatch(branch):
            return Trace(one.name, "branch")
    for one in _agents():
        if one.words.search(text):
            return Trace(one.name, "words")
    return None


@cache
def _agents() -> tuple[_Agent, ...]:
    raw = tomllib.loads((files("hundredfold.evidence") / "data" / "agenttraces.toml").read_text("utf-8"))
    flags = re.IGNORECASE | re.MULTILINE
    return tuple(
        _Agent(name=one["name"], **{key: re.compile(one[key], flags) for key in _Agent.__struct_fields__[1:]})
        for one in raw["agent"]
    )

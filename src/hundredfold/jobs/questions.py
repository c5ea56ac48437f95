"""Questions to agents: batches inside a token budget, fences around outside text, expected tokens.

For the jobs here and for third parties'. A job keeps its prompts and schemas as files in its package
(`Texts`), shows what it asks about as blocks of text, packs the blocks into `batches` and makes each a
`question`:

    TEXTS = Texts("my_package", ("prompts/ask.md", "schemas/ask.json"))
    packed, beyond = batches(((one, block_of(one)) for one in things), 10_000, 8)
    task = question("ask", TEXTS.text("prompts/ask.md"), {"things": shown}, schema, revision=sha, ...)

Whatever was written by others goes into `material`, never into the template's other words, through `one_line`
or `evidence.secrets.redact` first. The same arguments make the same bytes: an item's next round finds the
questions again that were asked, also after a crash.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import cache
from hashlib import sha256
from importlib.resources import files
from string import Template
from typing import Any, TypeVar

from msgspec import Struct

from hundredfold.evidence.secrets import redact
from hundredfold.vocabulary import AgentTask, Usage

Thing = TypeVar("Thing")

BYTES_PER_TOKEN = 4  # code and English; an estimate for budgets, never for money
MAX_LINE = 400  # characters of a line of code that are shown
MAX_WORDS = 300  # characters of a name or title

LOOKS = 6  # how often an agent is expected to read something in the checkout, per task
LOOK_TOKENS = 1_500  # what it then reads
CALL_TOKENS = 150  # what it says to read it


class Texts(Struct, frozen=True):
    """A job's prompts and schemas: the names of files in a package."""

    package: str
    names: tuple[str, ...]

    def text(self, name: str) -> str:
        """The text of one of them."""
        return _read(self.package, name)

    def schema(self, name: str) -> dict[str, Any]:
        """The JSON schema in one of them. Shared: do not change it."""
        return _parsed(self.package, name)

    def version(self) -> str:
        """A digest of them all: part of what decides whether an item must be looked at again."""
        return sha256("\0".join(map(self.text, self.names)).encode()).hexdigest()[:16]


def batches(
    blocks: Iterable[tuple[Thing, str]], room: int, most: int
) -> tuple[list[list[tuple[Thing, str]]], tuple[Thing, ...]]:
    """(things with their blocks, packed in order into at most `most` batches of `room` tokens; the others).

    Put what matters most first: what is left out is a block larger than a batch, or one that finds no room
    any more. What is left out was looked at by nobody, and the job's coverage must say so.
    """
    packed: list[list[tuple[Thing, str]]] = []
    left, beyond = 0, list[Thing]()
    for thing, block in blocks:
        size = tokens(block)
        if size > room:
            beyond.append(thing)
            continue
        if not packed or size > left:
            if len(packed) == most:
                beyond.append(thing)
                continue
            packed.append([])
            left = room
        packed[-1].append((thing, block))
        left -= size
    return packed, tuple(beyond)


def question(
    label: str,
    template: str,
    material: Mapping[str, str],
    schema: dict[str, Any],
    *,
    revision: str,
    answer_tokens: int,
    passes: int = 1,
    words: Mapping[str, str] | None = None,
) -> AgentTask:
    """A task whose prompt is `template` with `$name` replaced: `material` in a fence, `words` as they are.

    `$fence` and `$revision` are given too. `words` are the job's own, `answer_tokens` what an answer is
    expected to hold.

    Raises:
        KeyError: the template names something that is not given.
    """
    fence = _fence("".join(material.values()))
    fenced = {name: f"{fence} BEGIN {name}\n{text}\n{fence} END" for name, text in material.items()}
    given = {**fenced, **(words or {}), "fence": fence, "revision": revision}
    prompt = Template(template).substitute(given)
    return AgentTask(
        label=label,
        prompt=prompt,
        schema=schema,
        revision=revision,
        passes=passes,
        expected=_expected(tokens(prompt), answer_tokens),
    )


def tokens(text: str) -> int:
    """About how many tokens a text is."""
    return -(-len(text.encode("utf-8", "replace")) // BYTES_PER_TOKEN)


def one_line(text: str) -> str:
    """Text from outside as one short line of printable characters, without secrets."""
    return "".join(c if c.isprintable() else "�" for c in redact(text))[:MAX_WORDS]


def _fence(material: str) -> str:
    """A fence that the material can't close: it holds a digest of the material itself."""
    return "=====" + sha256(material.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _expected(prompt: int, answer: int) -> Usage:
    """What a pass is expected to use: each look in the checkout sends all that went before again."""
    requests = LOOKS + 1
    fresh = prompt + LOOKS * LOOK_TOKENS
    whole = requests * prompt + LOOK_TOKENS * LOOKS * requests // 2
    said = answer + LOOKS * CALL_TOKENS
    return Usage(input=whole, cached=max(0, whole - fresh), output=said, reasoning=said // 2)


@cache
def _read(package: str, name: str) -> str:
    return files(package).joinpath(name).read_text(encoding="utf-8")


@cache
def _parsed(package: str, name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(_read(package, name))
    return loaded

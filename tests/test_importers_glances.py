"""What a glance at a line's beginning leaves out is what decoding it leaves out too, whatever it holds."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hundredfold.usage.importers.claude import Session
from hundredfold.usage.importers.codex import Rollout
from hundredfold.usage.importers.protocol import Complain, Parser, Places
from tests.support.logs import context, count, message, meta, output, record, tier, wire

TIME = "2026-11-01T10:00:00.000Z"
HEAD = len('{"timestamp":"' + TIME)
CODEX = [
    meta(),
    meta(version="0.98.0"),
    context(1),
    tier(2, "priority"),
    record(3, "resp_0a", wire(30, 20, 4)),
    record(4, "resp_0b", wire(31, 20, 4)),
    count(5, wire(30, 20, 4)),
    count(6, wire(61, 40, 8)),
    output(7),
]
CLAUDE = [message(1, "m1", output=5), message(2, "m1", output=9), message(3, "m2", output=1)]
#: what is said elsewhere of the same things
WORDS = st.sampled_from(
    [
        "type",
        "payload",
        "response_item",
        "event_msg",
        "token_count",
        "assistant",
        "user",
        '"type":"user"',
        "{",
    ]
)
VALUES = st.recursive(
    WORDS | st.text(max_size=30) | st.integers() | st.none() | st.booleans(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(WORDS | st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)


class NoThreads:
    """Nothing is known of any thread."""

    def thread(self, name: str) -> None:
        return None

    def children(self, name: str) -> list[Any]:
        return []


def codex(complain: Complain) -> Parser:
    return Rollout("rollout.jsonl", b"", NoThreads(), Places(), complain)


def claude(complain: Complain) -> Parser:
    return Session(Places(), complain)


def fitted(name: str, inner: dict[str, Any]) -> bytes:
    """A line in which a type that does not count stands where a line's own mostly does, but deeper within."""
    begun = json.dumps({name: {"q": ""}}, separators=(",", ":"))[:-3]
    return (
        begun.encode()
        + b"x" * max(0, HEAD - len(begun))
        + b'","type":"response_item","payload":{"type":"message"}},'
        + json.dumps(inner, separators=(",", ":")).encode()[1:]
    )


@st.composite
def lines(draw: st.DrawFn, those: list[bytes]) -> bytes:
    """One of the lines, its keys in another order, with more of them, or with a deceiving beginning."""
    value: dict[str, Any] = msgspec.json.decode(draw(st.sampled_from(those)))
    more = draw(st.dictionaries(st.text(max_size=8).map("x".__add__), VALUES, max_size=3))
    names = draw(st.permutations([*value, *more]))
    mixed = {name: {**more, **value}[name] for name in names}
    if draw(st.booleans()):
        mixed["xlong"] = "x" * 3000  # a short line need not be glanced at
    if draw(st.booleans()) and "type" in more | value:
        mixed = draw(st.sampled_from([mixed, {"type": draw(WORDS), **mixed}]))
    if draw(st.integers(0, 3)) == 0:
        return fitted(draw(st.sampled_from(["a", "payloads", "other"])), mixed)
    spaced = draw(st.sampled_from([(",", ":"), (", ", ": ")]))
    return json.dumps(mixed, separators=spaced, ensure_ascii=draw(st.booleans())).encode()


@pytest.mark.parametrize(("make", "those"), [(codex, CODEX), (claude, CLAUDE)])
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_a_block_gives_what_its_lines_give(
    make: Callable[[Complain], Parser], those: list[bytes], data: st.DataObject
) -> None:
    drawn = data.draw(st.lists(lines(those) | st.sampled_from(those), max_size=12))
    wrong: dict[str, list[tuple[int, str]]] = {"block": [], "lines": []}
    as_block = make(lambda *what: wrong["block"].append(what))
    block = b"".join(line + b"\n" for line in drawn)
    assert as_block.block(0, block + b'{"torn') == len(block)
    as_lines = make(lambda *what: wrong["lines"].append(what))
    offset = 0
    for line in drawn:
        as_lines.line(offset, line)
        offset += len(line) + 1
    assert as_block.end() == as_lines.end()
    assert sorted(wrong["block"]) == sorted(wrong["lines"])

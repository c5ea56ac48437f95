"""Which functions a change touched: the units that matchers look at and agents are asked about.

A touched line belongs to the function around it (the outermost one that is not too long), else to the class
around it, else to a region of neighbouring lines. Names hold no line numbers: they survive edits elsewhere.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from msgspec import Struct

from hundredfold.evidence.diffs import FileDiff
from hundredfold.evidence.grammars import Grammar, grammar_of, parser_of

if TYPE_CHECKING:
    from tree_sitter import Node

MAX_PARSED_BYTES = 1024 * 1024
LONG_LINES = 200
REGION_MARGIN = 8
MAX_NESTING = 200

_parsing = threading.Lock()


class Unit(Struct, frozen=True):
    """A touched part of a file as it is after the change. Lines are 1-based and inclusive; `changed_lines`
    are those the change wrote (none where it only took lines out)."""

    name: str
    language: str
    start_line: int
    end_line: int
    changed_lines: frozenset[int]


class _Definition(Struct, frozen=True):
    name: str
    start: int
    end: int
    is_function: bool


def changed_units(path: str, old: bytes | None, new: bytes | None, file: FileDiff) -> tuple[Unit, ...]:
    """The units of `path` that the change touched, in order of lines.

    `new` is the file after the change (None: it was deleted, then the units are those of `old` that lost
    lines).
    """
    content, touched, written = _touched(old, new, file)
    if content is None or not touched:
        return ()
    grammar = grammar_of(path)
    last = content.count(b"\n") + (not content.endswith(b"\n"))
    definitions: list[_Definition] = []
    if grammar is not None and len(content) <= MAX_PARSED_BYTES:
        definitions = _definitions(content, grammar, touched)
    language = grammar.language if grammar else ""
    units: dict[tuple[int, int], Unit] = {}
    loose: list[int] = []
    for line in sorted(touched):
        around = _around(line, definitions)
        if around is None or around.end - around.start >= LONG_LINES:
            loose.append(line)
        else:
            span = (around.start, around.end)
            units[span] = Unit(around.name, language, *span, _within(written, *span))
    for start, end in _regions(loose, max(last, 1)):
        name = _region_name(start, definitions)
        units[start, end] = Unit(name, language, start, end, _within(written, start, end))
    return tuple(units[span] for span in sorted(units))


def _touched(
    old: bytes | None, new: bytes | None, file: FileDiff
) -> tuple[bytes | None, set[int], frozenset[int]]:
    """The content to look at, its touched lines, and those of them that the change wrote."""
    if new is None:
        removed = frozenset(file.removed_lines())
        return old, set(removed), frozenset()
    written = frozenset(file.added_lines())
    touched = set(written)
    for hunk in file.hunks:
        touched.update(max(1, line) for _, line, text in hunk.numbered() if text[:1] == b"-")
    return new, touched, written


def _definitions(content: bytes, grammar: Grammar, touched: Iterable[int]) -> list[_Definition]:
    """The definitions around any touched line, outermost first."""
    lines = sorted(touched)
    with _parsing:
        tree = parser_of(grammar.package, grammar.entry).parse(content)
    found: list[_Definition] = []
    stack: list[tuple[Node, str, int]] = [(tree.root_node, "", 0)]
    while stack:
        node, outer, depth = stack.pop()
        start, end = node.start_point[0] + 1, node.end_point[0] + 1
        if depth > MAX_NESTING or not _any_within(lines, start, end):
            continue
        is_function = node.type in grammar.functions
        if is_function or node.type in grammar.containers:
            name = _name(node)
            if name or not is_function:
                outer = f"{outer}.{name}" if outer and name else name or outer
                found.append(_Definition(outer, _with_decorators(node), end, is_function))
        stack.extend((child, outer, depth + 1) for child in node.named_children)
    return sorted(found, key=lambda one: (one.start, -one.end))


def _around(line: int, definitions: Sequence[_Definition]) -> _Definition | None:
    """The outermost function around the line that is not too long; else the innermost; else the class."""
    holding = [one for one in definitions if one.start <= line <= one.end]
    functions = [one for one in holding if one.is_function]
    short = [one for one in functions if one.end - one.start < LONG_LINES]
    return next(iter(short or functions[-1:] or holding[-1:]), None)


def _region_name(line: int, definitions: Sequence[_Definition]) -> str:
    holding = [one for one in definitions if one.start <= line <= one.end]
    return f"part of {holding[-1].name}" if holding and holding[-1].name else "top level"


def _regions(lines: Sequence[int], last: int) -> list[tuple[int, int]]:
    """Neighbourhoods of the lines, merged where they meet."""
    merged: list[tuple[int, int]] = []
    for line in lines:
        start, end = max(1, line - REGION_MARGIN), min(last, line + REGION_MARGIN)
        if merged and start <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, max(start, end)))
    return merged


def _name(node: Node) -> str:
    """A definition's own name; for a function that is a value, the name it is given."""
    named = node.child_by_field_name("name") or node.child_by_field_name("type")
    if named is None and (declarator := node.child_by_field_name("declarator")) is not None:
        while (inner := declarator.child_by_field_name("declarator")) is not None:
            declarator = inner
        named = declarator
    if named is None and node.parent is not None:
        given = node.parent
        named = next(
            (found for field in ("name", "key", "left") if (found := given.child_by_field_name(field))), None
        )
    text = named.text if named is not None else None
    return "" if text is None else " ".join(text.decode("utf-8", "replace").split())[:120]


def _with_decorators(node: Node) -> int:
    """The definition's first line, its decorators included."""
    parent = node.parent
    first = parent if parent is not None and parent.type == "decorated_definition" else node
    return int(first.start_point[0]) + 1


def _within(lines: frozenset[int], start: int, end: int) -> frozenset[int]:
    return frozenset(line for line in lines if start <= line <= end)


def _any_within(ordered: Sequence[int], start: int, end: int) -> bool:
    at = bisect_left(ordered, start)
    return at < len(ordered) and ordered[at] <= end

"""Which functions a change touched: the units that matchers look at and agents are asked about.

A touched line belongs to the function around it (the outermost one that is not too long), else to the class
around it, else to a region of neighbouring lines. Names hold no line numbers: they survive edits elsewhere.
Where code was only taken out, the line that now stands there is the touched one.

Time and memory are bounded without a clock: a file that is too large, or that its grammar finds too hard, is
divided into regions.
"""

from __future__ import annotations

import threading
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from msgspec import Struct

from hundredfold.evidence.diffs import FileDiff
from hundredfold.evidence.grammars import DECORATIONS, Grammar, grammar_of, parser_of

if TYPE_CHECKING:
    from tree_sitter import Node, Tree

MAX_PARSED_BYTES = 512 * 1024
# Grammars report progress every hundred or so steps. Real files take one report per 46 to 180 bytes (six
# repositories' largest files); hostile ones take more, and up to a gigabyte of memory per megabyte.
FEWEST_BYTES_PER_REPORT = 30
SPARE_REPORTS = 1_000
PIECE = 1 << 16
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
    content, touched, lines = _touched(old, new, file)
    written = sorted(lines)
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
    done = 0
    for line in sorted(touched):
        if line <= done:
            continue  # in the function of a line before: that is the outermost around this line, too
        around = _around(line, definitions)
        if around is None or around.end - around.start >= LONG_LINES:
            loose.append(line)
            continue
        span = (around.start, around.end)
        units[span] = Unit(around.name, language, *span, _within(written, *span))
        done = around.end if around.is_function else done
    for start, end in _regions(loose, max(last, 1)):
        name = _region_name(start, end, loose, definitions)
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
    """The definitions around any touched line, outermost first; none inside a function of bearable length."""
    tree = _parsed(content, grammar)
    if tree is None:
        return []
    lines = sorted(touched)
    found: list[_Definition] = []
    stack: list[tuple[Node, str, int]] = [(tree.root_node, "", 0)]
    while stack:
        node, outer, depth = stack.pop()
        is_function = node.type in grammar.functions
        is_definition = is_function or node.type in grammar.containers
        start = _first_line(node) if is_definition else node.start_point[0] + 1
        end = node.end_point[0] + 1
        if depth > MAX_NESTING or not _any_within(lines, start, end):
            continue
        if is_definition and ((name := _name(node)) or not is_function):
            outer = f"{outer}.{name}" if outer and name else name or outer
            found.append(_Definition(outer, start, end, is_function))
            if is_function and end - start < LONG_LINES:
                continue
        stack.extend((child, outer, depth + 1) for child in node.named_children)
    return sorted(found, key=lambda one: (one.start, -one.end))


def _parsed(content: bytes, grammar: Grammar) -> Tree | None:
    """The syntax tree; None if the grammar takes unusually many steps."""
    left = SPARE_REPORTS + len(content) // FEWEST_BYTES_PER_REPORT

    def too_hard(_offset: int, _error: bool) -> bool:
        nonlocal left
        left -= 1
        return left < 0

    with _parsing:
        parser = parser_of(grammar.package, grammar.entry)
        try:
            # Only content that is handed over in pieces can be given up.
            return parser.parse(lambda at, _: content[at : at + PIECE], progress_callback=too_hard)
        except ValueError:
            parser.reset()
            return None


def _around(line: int, definitions: Sequence[_Definition]) -> _Definition | None:
    """The outermost function around the line that is not too long; else the innermost; else the class."""
    before = bisect_right(definitions, line, key=lambda one: one.start)
    holding = [one for one in definitions[:before] if line <= one.end]
    functions = [one for one in holding if one.is_function]
    short = [one for one in functions if one.end - one.start < LONG_LINES]
    return next(iter(short or functions[-1:] or holding[-1:]), None)


def _region_name(start: int, end: int, touched: Sequence[int], definitions: Sequence[_Definition]) -> str:
    """What the region's first touched line is part of."""
    line = touched[bisect_left(touched, start)]
    holding = [one for one in definitions if one.start <= min(line, end) <= one.end]
    return f"part of {holding[-1].name}" if holding and holding[-1].name else "top level"


def _regions(lines: Sequence[int], last: int) -> list[tuple[int, int]]:
    """Neighbourhoods of the lines, merged where they meet as long as that makes them not too long."""
    merged: list[tuple[int, int]] = []
    for line in lines:
        if merged and line <= merged[-1][1]:
            continue
        start, end = max(1, line - REGION_MARGIN), max(1, min(last, line + REGION_MARGIN))
        if merged and start <= merged[-1][1] + 1:
            first, before = merged[-1]
            if end - first < LONG_LINES:
                merged[-1] = (first, end)
                continue
            start = before + 1
        merged.append((start, max(start, end)))
    return merged


def _name(node: Node) -> str:
    """A definition's own name; for a function that is a value, the name it is given."""
    named = node.child_by_field_name("name")
    if named is None and (declarator := node.child_by_field_name("declarator")) is not None:
        named = _declared(declarator)
    if named is None:
        named = node.child_by_field_name("type")  # Rust: what an `impl` is for
    if named is None and node.parent is not None:
        given = (node.parent.child_by_field_name(field) for field in ("name", "key", "left"))
        named = next((one for one in given if one is not None), None)
    name = _text(named)
    if trait := _text(node.child_by_field_name("trait")):  # Rust: a type may have several `impl`s
        return f"{trait} for {name}"
    receiver = node.child_by_field_name("receiver")  # Go
    if receiver is not None and (held := receiver.named_children):
        return f"{_text(held[0].child_by_field_name('type')).lstrip('*')}.{name}"
    return name


def _declared(declarator: Node) -> Node:
    """The name inside a C declarator: behind pointers, references and parameters."""
    for _ in range(MAX_NESTING):
        inner = declarator.child_by_field_name("declarator")
        if inner is None and declarator.type == "reference_declarator":
            inner = next(iter(declarator.named_children), None)
        if inner is None:
            break
        declarator = inner
    return declarator


def _text(node: Node | None) -> str:
    text = node.text if node is not None else None
    return "" if text is None else " ".join(text.decode("utf-8", "replace").split())[:120]


def _first_line(node: Node) -> int:
    """A definition's first line, its decorators or attributes included: they may be all that was changed."""
    first = node.parent if node.parent is not None and node.parent.type == "decorated_definition" else node
    for _ in range(MAX_NESTING):
        before = first.prev_named_sibling
        if before is None or before.type not in DECORATIONS:
            break
        first = before
    return int(first.start_point[0]) + 1


def _within(ordered: Sequence[int], start: int, end: int) -> frozenset[int]:
    return frozenset(ordered[bisect_left(ordered, start) : bisect_right(ordered, end)])


def _any_within(ordered: Sequence[int], start: int, end: int) -> bool:
    at = bisect_left(ordered, start)
    return at < len(ordered) and ordered[at] <= end

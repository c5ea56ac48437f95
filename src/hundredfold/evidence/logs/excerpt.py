"""The part of a log that tells why it failed, within a budget of tokens.

Each line has a score: the weight of its mark, less if its like (`template`) stood in the log before, more the
nearer it stands to the line that says the run ended in failure, and more if it begins a run of its family.
Lines are taken by score, each with the lines that belong to it, until the budget is used up.

Two passes over the log, and no text is kept but the excerpt: some bytes a line, whatever the lines' lengths.
"""

from __future__ import annotations

import heapq
import math
from array import array
from collections.abc import Callable, Iterable, Iterator

from msgspec import Struct

from hundredfold.evidence.logs.cleaning import cleaned, template
from hundredfold.evidence.logs.marks import mark_of

BYTES_PER_TOKEN = 4  # how tokens are estimated: UTF-8 bytes / 4
SHOWN_LINE = 400  # characters of a line that are shown
GAP_BYTES = 22  # of a line that tells how many are left out
MAX_TEMPLATES = 200_000  # kinds of lines that are told apart; what comes later counts as rare

Lines = Callable[[], Iterable[str]]  # the log from its beginning, as often as asked


class Piece(Struct, frozen=True):
    """Consecutive lines of a log, cleaned. `first_line` is 1-based."""

    first_line: int
    lines: tuple[str, ...]


class Excerpt(Struct, frozen=True):
    """Pieces of a log in order. `total_lines` of the whole log; `tokens` of the text (UTF-8 bytes / 4)."""

    pieces: tuple[Piece, ...]
    total_lines: int
    tokens: int

    def text(self) -> str:
        """As it is shown: numbered lines, gaps told."""
        return "\n".join(self._shown())

    def _shown(self) -> Iterator[str]:
        after = 1
        for piece in self.pieces:
            if piece.first_line > after:
                yield _gap(after, piece.first_line - 1)
            yield from (f"{piece.first_line + at}: {line}" for at, line in enumerate(piece.lines))
            after = piece.first_line + len(piece.lines)
        if after <= self.total_lines:
            yield _gap(after, self.total_lines)


def excerpt(lines: Lines, budget_tokens: int = 5_000) -> Excerpt:
    """The telling part of a log within a budget of tokens (UTF-8 bytes / 4, numbers and gaps too)."""
    scored = _scored(lines)
    chosen = _chosen(scored, budget_tokens * BYTES_PER_TOKEN)
    made = Excerpt(tuple(_pieces(lines, chosen)), len(scored.sizes), 0)
    return Excerpt(made.pieces, made.total_lines, -(-len(made.text().encode()) // BYTES_PER_TOKEN))


class _Scored(Struct):
    """The marked lines of a log, and of every line how large it is shown and whether it is blank."""

    sizes: array[int]  # bytes as shown, its number included; 0 is a blank line
    at: array[int]  # the marked lines, 0-based, ascending
    weight: array[float]
    family: list[str]
    end: int  # the line (0-based) that says the run ended in failure, else the last one


#: how much of what stands around a line belongs to it: lines before, and after until a blank one
_AROUND = {"exception": (2, 6), "compile": (1, 5), "failed-test": (1, 8), "assertion": (2, 3), "end": (2, 1)}
_AROUND_OTHERS = (1, 1)
_FADING = 0.94  # each further line of one family is worth this much of the one before
_NEAR_LINES = 300.0  # over which the nearness to the end fades
_NEAR_BONUS = 0.6
_RUN_GAP = 30  # lines without a family end its run; the first of a run tells more than the rest
_FIRST_BONUS = 0.5
_AFTER_END = 2  # lines after the end that are still looked at


def _scored(lines: Lines) -> _Scored:
    sizes: array[int] = array("H")
    at: array[int] = array("L")
    weight: array[float] = array("f")
    kinds: array[int] = array("q")
    family: list[str] = []
    seen: dict[int, int] = {}
    ends: dict[int, int] = {}
    for number, raw in enumerate(lines()):
        line = cleaned(raw)
        sizes.append(min(len(line), SHOWN_LINE) + 9 if line else 0)
        mark = mark_of(line)
        if mark is None:
            continue
        kind = hash(template(line))
        if kind in seen or len(seen) < MAX_TEMPLATES:
            seen[kind] = seen.get(kind, 0) + 1
        at.append(number)
        weight.append(mark.weight)
        kinds.append(kind)
        family.append(mark.family)
        if mark.family == "end":
            ends[mark.weight] = number
    end = ends[max(ends)] if ends else len(sizes) - 1
    scored = _Scored(sizes, at, weight, family, end)
    _weigh(scored, kinds, seen)
    return scored


def _weigh(scored: _Scored, kinds: array[int], seen: dict[int, int]) -> None:
    """Turn the weights of marks into scores, in place."""
    met: dict[int, int] = {}
    last_of: dict[str, int] = {}
    rank_of: dict[str, int] = {}
    for index, number in enumerate(scored.at):
        kind, family = kinds[index], scored.family[index]
        met[kind] = met.get(kind, 0) + 1
        repeated = 1.0 if met[kind] == 1 else 0.6 if met[kind] == seen.get(kind, 1) else 0.25
        near = 1.0 + _NEAR_BONUS * math.exp(-abs(scored.end - number) / _NEAR_LINES)
        late = 0.1 if number > scored.end + _AFTER_END else 1.0
        fresh = number - last_of.get(family, -_RUN_GAP) >= _RUN_GAP
        rank_of[family] = 0 if fresh else rank_of[family] + 1
        last_of[family] = number
        first = 1.0 + _FIRST_BONUS / (1 + rank_of[family])
        scored.weight[index] *= repeated * near * late * first


def _chosen(scored: _Scored, budget: int) -> list[int]:
    """The lines to show, ascending: by falling worth, each with what belongs to it, within the budget."""
    taken: set[int] = set()
    used = 60  # what tells the last gap
    of_family: dict[str, int] = {}
    queue = [(-scored.weight[index], index) for index in range(len(scored.at))]
    heapq.heapify(queue)
    while queue and used < budget:
        worth, index = heapq.heappop(queue)
        family = scored.family[index]
        now = -scored.weight[index] * _FADING ** of_family.get(family, 0)
        if now > worth + 1e-9:  # its family has been shown more since: it waits its turn
            heapq.heappush(queue, (now, index))
            continue
        around = [number for number in _belonging(scored, index) if number not in taken]
        cost = sum(scored.sizes[number] + 2 for number in around) + GAP_BYTES
        if scored.at[index] in taken or used + cost > budget:
            continue
        of_family[family] = of_family.get(family, 0) + 1
        taken.update(around)
        used += cost
    return _filled(scored, taken, budget - used)


def _filled(scored: _Scored, taken: set[int], left: int) -> list[int]:
    """What is left of the budget goes to the lines next to those taken, a line further each time."""
    edge = taken
    while edge and left > 0:
        nearer = sorted(
            {near for number in edge for near in (number + 1, number - 1) if 0 <= near <= scored.end} - taken
        )
        edge = set()
        for number in nearer:
            cost = scored.sizes[number] + 2
            if cost <= left:
                left -= cost
                edge.add(number)
        taken |= edge
    return sorted(taken)


def _belonging(scored: _Scored, index: int) -> range:
    """The line of a mark with the lines around it that belong to it."""
    number = scored.at[index]
    before, after = _AROUND.get(scored.family[index], _AROUND_OTHERS)
    first = number
    while first > 0 and number - first < before and scored.sizes[first - 1]:
        first -= 1
    last = number
    while last + 1 < len(scored.sizes) and last - number < after and scored.sizes[last + 1]:
        last += 1
    return range(first, last + 1)


def _pieces(lines: Lines, chosen: list[int]) -> Iterator[Piece]:
    """The text of the chosen lines, in one more pass that ends with the last of them."""
    wanted = iter(chosen)
    nxt = next(wanted, None)
    first, text = 0, list[str]()
    for number, raw in enumerate(lines()):
        if nxt is None:
            break
        if number != nxt:
            continue
        line = cleaned(raw)
        if text and number != first + len(text):
            yield Piece(first + 1, tuple(text))
            text = []
        if not text:
            first = number
        text.append(line if len(line) <= SHOWN_LINE else line[:SHOWN_LINE] + " …")
        nxt = next(wanted, None)
    if text:
        yield Piece(first + 1, tuple(text))


def _gap(first: int, last: int) -> str:
    return f"… {last - first + 1} lines …" if last > first else "… 1 line …"

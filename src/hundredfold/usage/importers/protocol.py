"""What a log format is to the importer, and the records that flow from its parser to the ledger.

A format finds its files below a home and makes a parser for each. A parser is fed what is new of its file
block by block, looks into no more lines than it must, and hands out rows at the end of what there is. What
it must know to go on later, it puts into `state`. Nothing here imports a database: reading may run in a
process of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

from msgspec import Struct

from hundredfold.store.shortkeys import shortened
from hundredfold.store.text import storable
from hundredfold.usage.consistency import END_US, FIRST_US, MOST_LOGGED, consistent
from hundredfold.vocabulary import Tier, Usage

#: of one request: its key (see `row_key`); where it was made (a number of `Places`); when, in UTC
#: microseconds; then tokens: input, cached, cache_write, cache_write_1h, output, reasoning
Row = tuple[bytes, int, int, int, int, int, int, int, int]


def row_key(text: str) -> bytes:
    """A request's key as the ledger has it, of its response's id or what else it is known by."""
    return shortened(storable(text))


def merged(one: Row, other: Row) -> Row:
    """Of two sightings of a request the one with the larger output, at the earlier time."""
    if (other[7], other[3:]) > (one[7], one[3:]):
        one, other = other, one
    return one if one[2] <= other[2] else (one[0], one[1], other[2], *one[3:])


class Place(Struct, frozen=True):
    """What rows have in common: the route they took, the agent that made them, and the folder it worked in.

    `provider` names the price rows; `served_tier` is "" where the log does not say it. `project`, `person`,
    `api_key` and `label` are what the log itself says of them, mostly nothing.
    """

    provider: str
    dialect: str
    model: str
    tier: Tier
    served_tier: str
    agent: str
    cwd: str = ""
    project: str = ""
    person: str = ""
    api_key: str = ""
    label: str = ""


class Trouble(Struct, frozen=True):
    """What could not be read. `line` is 1-based; 0 if it is the whole file."""

    path: str
    line: int
    what: str


class Thread(Struct, frozen=True):
    """A thread that is counted by its running totals: see `store.tables.imports`."""

    thread: str
    parent: str
    counted_from: int
    chain: bytes


class Found(Struct):
    """What a parser read: rows, what of threads is new, and where it stands.

    `skipped` counts what is no request of a model by reason.
    """

    rows: list[Row]
    state: bytes
    threads: list[Thread] = []
    skipped: dict[str, int] = {}


Complain = Callable[[int, str], None]
"""Says what is wrong with the line at a byte offset of the file."""
CLOSES = ord("}")
NO_OBJECT = "not a JSON object"


def closed(block: bytes, end: int) -> bool:
    """Whether the line whose end is there ends as a JSON object does."""
    return block[end - 1 : end] == b"}" or block[end - 2 : end] == b"}\r"


class Places:
    """Gives each distinct place a number: of so many readers each counts on from its own one, in steps."""

    def __init__(self, reader: int = 0, readers: int = 1) -> None:
        self._next, self._step = reader, readers
        self._numbers: dict[Place, int] = {}
        self._new: dict[int, Place] = {}

    def number(self, place: Place) -> int:
        """The place's number."""
        number = self._numbers.get(place)
        if number is None:
            number = self._numbers[place] = self._next
            self._new[number] = place
            self._next += self._step
        return number

    def new(self) -> dict[int, Place]:
        """Those that were found since this was asked last, by their numbers."""
        new, self._new = self._new, {}
        return new


class Threads(Protocol):
    """What is known of threads so far, from this import and earlier ones."""

    def thread(self, name: str) -> Thread | None:
        """The thread of that name."""

    def children(self, name: str) -> list[Thread]:
        """The threads that were forked from it."""


class Parser(Protocol):
    """Reads the lines of one file."""

    def block(self, base: int, block: bytes) -> int:
        """Take the whole lines at the beginning of a block, which begins at `base` of the file; returns how
        long they are in all."""

    def line(self, offset: int, line: bytes) -> None:
        """Take one line, which begins at `offset` of the file and has no line end."""

    def skips(self, begun: bytes) -> bool:
        """Whether a line that begins so certainly does not count."""

    def end(self) -> Found:
        """All lines there are have been taken."""


class LogFormat(Protocol):
    """One kind of log. `apart`: a request in it is in no log of another format that is so too, so it does not
    matter which of them is read first."""

    name: str
    apart: bool

    def homes(self) -> list[Path]:
        """Where this user's logs are if nothing else is said."""

    def folders(self, home: Path) -> list[Path]:
        """The folders of a home (or files of their own) that hold logs."""

    def is_log(self, name: str) -> bool:
        """Whether a file of that name is one."""

    def parser(self, path: str, state: bytes, threads: Threads, places: Places, complain: Complain) -> Parser:
        """A parser for the file, going on from `state` (b"" at its beginning)."""


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_MINUTE_US = 60_000_000
#: times stand close together: minutes that were read before by their text, "2026-11-01T10:00:"
_minutes: dict[str, int] = {}
_MOST_MINUTES = 4096
_SECONDS = {f"{number:02}.": number * 1_000_000 for number in range(60)}
_MILLISECONDS = {f"{number:03}Z": number * 1000 for number in range(1000)}


def at_us(text: str) -> int:
    """A time in ISO 8601 as UTC microseconds; without a zone it is UTC.

    Raises:
        ValueError: it is no time, or one at which no model was asked (`told_us`).
    """
    try:
        return _minutes[text[:17]] + _SECONDS[text[17:20]] + _MILLISECONDS[text[20:]]
    except KeyError:
        pass
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    found = told_us((moment - _EPOCH) // _MICROSECOND)
    if len(text) == 24 and text[23] == "Z" and text[16] == ":":
        if len(_minutes) >= _MOST_MINUTES:
            _minutes.clear()
        _minutes[text[:17]] = found // _MINUTE_US * _MINUTE_US
    return found


def told_us(at: int) -> int:
    """A time that a log tells, in UTC microseconds, if it can be true: one that can't (milliseconds taken for
    seconds, the year 1) would be on every bill from then on.

    Raises:
        ValueError: it is before 2000 or after 2099.
    """
    if not FIRST_US <= at < END_US:
        raise ValueError("it is not between 2000 and 2099")
    return at


def impossible(input_: int, cached: int, write: int, write_1h: int, output: int, reasoning: int) -> str:
    """Why these counts can't be true; "" if they can."""
    if (
        0 <= write_1h <= write
        and 0 <= cached <= input_ - write <= input_ <= MOST_LOGGED
        and 0 <= reasoning <= output <= MOST_LOGGED
    ):
        return ""
    least = min(input_, cached, write, write_1h, output, reasoning)
    if least < 0:
        return f"a count of {least} tokens"
    if (most := max(input_, cached, write, write_1h, output, reasoning)) > MOST_LOGGED:
        return f"a count of {most:,} tokens"
    if cached + write > input_:
        return f"{cached + write:,} cached tokens of {input_:,} input tokens"
    if write_1h > write:
        return f"{write_1h:,} tokens cached for an hour of {write:,} cached"
    if reasoning > output:
        return f"{reasoning:,} reasoning tokens of {output:,} output tokens"
    return ""


def absurd(counts: tuple[int, ...]) -> str:
    """Why these counts are no request's at all; "" if they may be one's."""
    most = max(counts)
    return "" if most <= MOST_LOGGED else f"a count of {most:,} tokens, which no request has; it is left out"


def possible(
    input_: int, cached: int, write: int, write_1h: int, output: int, reasoning: int
) -> tuple[int, int, int, int, int, int]:
    """The counts as `usage.consistency.consistent` makes them, if they are not `absurd`."""
    made = consistent(
        Usage(
            input=input_,
            cached=cached,
            cache_write=write,
            cache_write_1h=write_1h,
            output=output,
            reasoning=reasoning,
        )
    )
    return (made.input, made.cached, made.cache_write, made.cache_write_1h, made.output, made.reasoning)

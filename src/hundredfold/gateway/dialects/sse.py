"""Finding the few events of a server-sent stream that matter, without parsing the rest.

The format is WHATWG HTML, "Server-sent events": lines end in LF, CRLF or CR, `data:` lines of one event are
joined, a blank line ends it. Bytes may be split anywhere. Only the event under way is kept, and no more of it
than `MOST_EVENT_BYTES`: a longer one is passed over.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable

MOST_EVENT_BYTES = 32 * 1024 * 1024
#: more than any report of usage has
MOST_HELD_BYTES = 64 * 1024
_EVENT_END = re.compile(rb"(?>\r\n|\n|\r)(?>\r\n|\n|\r)")
_LF_EVENT_END = re.compile(rb"\n\n")
_LONGEST_END = 4

#: what marks an event that matters: one pattern each, since a search for one that begins with plain bytes
#: takes a tenth of the time of a search for several at once
Marks = tuple[re.Pattern[bytes], ...]


class EventScanner:
    """Calls `found` with the data of each event in which one of `marks` matches; these may change."""

    def __init__(self, marks: Marks, found: Callable[[bytes], object]) -> None:
        self.marks = marks
        self._found = found
        self._held: list[bytes] = []  # the event under way, always ended by less than a blank line
        self._held_bytes = 0
        self._last = b""
        self._after_cr = False
        self._skipping = False

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes of the stream."""
        if self._after_cr or b"\r" in chunk:
            chunk = self._one_line_end(chunk)
        if not chunk:
            return
        # The blank line may be split between what is held and this chunk.
        if self._last == b"\n" and chunk[0] == 0x0A:
            self._events(b"")
            chunk = chunk[1:]
        end = chunk.rfind(b"\n\n")
        if end >= 0:
            self._events(chunk[: end + 1])
            chunk = chunk[end + 2 :]
        # A chunk that ends an event leaves nothing held: what follows begins a line, as after a line end.
        self._last = chunk[-1:]
        if chunk:
            self._hold(chunk)

    def end(self) -> None:
        """The stream ended: an event whose blank line never came may still be whole."""
        if self._held:
            self._events(b"")

    def _one_line_end(self, chunk: bytes) -> bytes:
        if self._after_cr and chunk.startswith(b"\n"):
            chunk = chunk[1:]
            self._after_cr = False
            if not chunk:
                return chunk
        self._after_cr = chunk.endswith(b"\r") if chunk else self._after_cr
        return chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _hold(self, part: bytes) -> None:
        self._held_bytes += len(part)
        if self._held_bytes > MOST_EVENT_BYTES:
            self._skipping = True
            self._held.clear()
        if not self._skipping:
            self._held.append(part)

    def _events(self, last_part: bytes) -> None:
        """Whole events: what is held goes on in `last_part`, which ends the last of them."""
        events, start = last_part, 0
        if self._held_bytes:
            events = b"".join((*self._held, last_part))
            self._held.clear()
            self._held_bytes = 0
        if self._skipping:
            self._skipping = False
            start = _after(events.find(b"\n\n"), len(events))  # the long one ends here
        while (mark := _first(self.marks, events, start)) >= 0:
            end = _after(events.find(b"\n\n", mark), len(events))
            data = data_of(events[_after(events.rfind(b"\n\n", start, mark), start) : end])
            if data:
                self._found(data)
            start = end


class EventFilter:
    """Passes a stream on event by event, byte for byte, but for the events that `drop` claims; it is asked of
    those in which one of `marks` matches, and the marks may change meanwhile.

    A whole event is handed on with the chunk that ends it, which loses no time: no client acts on half an
    event. One that grows over `MOST_HELD_BYTES` is passed on as it comes and not shown to `drop`.
    """

    def __init__(self, marks: Marks, drop: Callable[[bytes], bool]) -> None:
        self.marks = marks
        self._drop = drop
        self._held = b""
        self._passing = False  # the event under way was too long to hold
        self._swallow: bool | None = None  # an event ended in CR: drop (or pass) the LF that may follow

    def feed(self, chunk: bytes) -> bytes:
        """Take the next bytes; returns those to hand on."""
        if not chunk:
            return b""
        passed: list[bytes] = []
        if self._swallow is not None and chunk[0] == 0x0A:
            if not self._swallow:
                passed.append(b"\n")
            chunk = chunk[1:]
        self._swallow = None
        searched = max(0, len(self._held) - _LONGEST_END + 1)
        held = self._held + chunk
        pattern = _EVENT_END if b"\r" in held else _LF_EVENT_END
        ends = [found.end() for found in pattern.finditer(held, searched)]
        if ends:
            events, held = held[: ends[-1]], held[ends[-1] :]
            kept_from = self._keep(events, ends, passed)
            if not held and events.endswith(b"\r"):
                self._swallow = kept_from == len(events)
        if len(held) > MOST_HELD_BYTES or (self._passing and len(held) >= _LONGEST_END):
            keep = len(held) - _LONGEST_END + 1  # the end of the event may be split here
            passed.append(held[:keep])
            held = held[keep:]
            self._passing = True
        self._held = held
        return b"".join(passed)

    def end(self) -> bytes:
        """The stream ended; returns what is left of it. An event whose blank line never came may be whole."""
        left, self._held = self._held, b""
        return b"" if left and not self._passing and self._claimed(left) else left

    def _keep(self, events: bytes, ends: list[int], passed: list[bytes]) -> int:
        """Append what is not dropped of whole events that end at `ends`; return where the last drop ended."""
        start, kept_from = ends[0] if self._passing else 0, 0
        self._passing = False
        while (mark := _first(self.marks, events, start)) >= 0:
            number = bisect_right(ends, mark)
            begin, start = ends[number - 1] if number else 0, ends[number]
            if self._drop(events[begin:start]):
                passed.append(events[kept_from:begin])
                kept_from = start
        passed.append(events[kept_from:])
        return kept_from

    def _claimed(self, event: bytes) -> bool:
        return _first(self.marks, event, 0) >= 0 and self._drop(event)


def _first(marks: Marks, data: bytes, start: int) -> int:
    """Where the first match from `start` on begins; -1 if there is none."""
    first = -1
    for mark in marks:
        match = mark.search(data, start)
        if match is not None and (first < 0 or match.start() < first):
            first = match.start()
    return first


def _after(blank_line: int, otherwise: int) -> int:
    """What follows a blank line (two line feeds) that was looked for."""
    return blank_line + 2 if blank_line >= 0 else otherwise


def data_of(event: bytes) -> bytes:
    """The data of one event, its lines ended in any way; empty if it has none."""
    lines = event.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    return b"\n".join(line[5:].removeprefix(b" ") for line in lines if line.startswith(b"data:"))

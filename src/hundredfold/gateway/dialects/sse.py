"""Finding the few events of a server-sent stream that matter, without parsing the rest.

The format is WHATWG HTML, "Server-sent events": lines end in LF, CRLF or CR, `data:` lines of one event are
joined, a blank line ends it. Bytes may be split anywhere. Only the event under way is kept, and no more of it
than `MOST_EVENT_BYTES`: a longer one is passed over.
"""

from __future__ import annotations

import re
from collections.abc import Callable

MOST_EVENT_BYTES = 32 * 1024 * 1024
#: more than any report of usage has
MOST_HELD_BYTES = 64 * 1024
_EVENT_END = re.compile(rb"(?>\r\n|\n|\r)(?>\r\n|\n|\r)")
_LONGEST_END = 4


class EventScanner:
    """Calls `found` with the data of each event in which `wanted` matches; `wanted` may change meanwhile."""

    def __init__(self, wanted: re.Pattern[bytes], found: Callable[[bytes], object]) -> None:
        self.wanted = wanted
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
        start = 0
        if self._last == b"\n" and chunk[0] == 0x0A:
            self._event(b"")
            start = 1
        while (end := chunk.find(b"\n\n", start)) >= 0:
            self._event(chunk[start : end + 1])
            start = end + 2
        rest = chunk[start:] if start else chunk
        # A chunk that ends an event leaves nothing held: what follows begins a line, as after a line end.
        self._last = chunk[-1:] if rest else b""
        if rest:
            self._hold(rest)

    def end(self) -> None:
        """The stream ended: an event whose blank line never came may still be whole."""
        if self._held:
            self._event(b"")

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

    def _event(self, last_part: bytes) -> None:
        event = b"".join((*self._held, last_part)) if self._held else last_part
        skipped, self._skipping = self._skipping, False
        self._held.clear()
        self._held_bytes = 0
        self._last = b""
        if skipped or not self.wanted.search(event):
            return
        data = data_of(event)
        if data:
            self._found(data)


class EventFilter:
    """Passes a stream on event by event, byte for byte, but for the events that `drop` claims.

    A whole event is handed on with the chunk that ends it, which loses no time: no client acts on half an
    event. One that grows over `MOST_HELD_BYTES` is passed on as it comes and not shown to `drop`.
    """

    def __init__(self, drop: Callable[[bytes], bool]) -> None:
        self._drop = drop
        self._held = bytearray()
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
        held = self._held
        start, searched = 0, max(0, len(held) - _LONGEST_END + 1)
        held += chunk
        while (found := _EVENT_END.search(held, searched)) is not None:
            event = bytes(held[start : found.end()])
            dropped = not self._passing and self._drop(event)
            if not dropped:
                passed.append(event)
            self._passing = False
            start = searched = found.end()
            if start == len(held) and event.endswith(b"\r"):
                self._swallow = dropped
        del held[:start]
        if len(held) > MOST_HELD_BYTES or (self._passing and len(held) >= _LONGEST_END):
            keep = len(held) - _LONGEST_END + 1  # the end of the event may be split here
            passed.append(bytes(held[:keep]))
            del held[:keep]
            self._passing = True
        return b"".join(passed)

    def end(self) -> bytes:
        """The stream ended; returns what is left of it. An event whose blank line never came may be whole."""
        left, self._held = bytes(self._held), bytearray()
        return b"" if left and not self._passing and self._drop(left) else left


def data_of(event: bytes) -> bytes:
    """The data of one event, its lines ended in any way; empty if it has none."""
    lines = event.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    return b"\n".join(line[5:].removeprefix(b" ") for line in lines if line.startswith(b"data:"))

"""Finding the few events of a server-sent stream that matter, without parsing the rest.

The format is WHATWG HTML, "Server-sent events": lines end in LF, CRLF or CR, `data:` lines of one event are
joined, a blank line ends it. Bytes may be split anywhere. Only the event under way is kept, and no more of it
than `MOST_EVENT_BYTES`: a longer one is passed over.
"""

from __future__ import annotations

import re
from collections.abc import Callable

MOST_EVENT_BYTES = 32 * 1024 * 1024


class EventScanner:
    """Calls `found` with the data of each event in which `wanted` matches."""

    def __init__(self, wanted: re.Pattern[bytes], found: Callable[[bytes], None]) -> None:
        self._wanted = wanted
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
        if skipped or not self._wanted.search(event):
            return
        data = [line[5:].removeprefix(b" ") for line in event.split(b"\n") if line.startswith(b"data:")]
        if data:
            self._found(b"\n".join(data))

"""Reading an answer that is one JSON value: a response, or an error."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from hundredfold.gateway.dialects.protocol import Reading

MOST_JSON_BYTES = 64 * 1024 * 1024


class BodyReader:
    """Keeps the body up to a bound and has `take` read it into the reading at its end; a longer one, or one
    that is not JSON of the dialect, is not read."""

    streams = False
    withholds = False

    def __init__(self, take: Callable[[Reading, bytes], None]) -> None:
        self.reading = Reading()
        self._take = take
        self._parts: list[bytes] = []
        self._bytes = 0

    def feed(self, chunk: bytes) -> bytes:
        """Keep the next bytes."""
        self._bytes += len(chunk)
        if self._bytes > MOST_JSON_BYTES:
            self._parts.clear()
        else:
            self._parts.append(chunk)
        return chunk

    def end(self) -> bytes:
        """Read the whole body."""
        try:
            self._take(self.reading, b"".join(self._parts))
        except msgspec.DecodeError:
            return b""
        finally:
            self._parts.clear()
        self.reading.complete = True
        return b""

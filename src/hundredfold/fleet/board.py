"""What is going on right now, in memory: one row per running attempt, for the live summary."""

from __future__ import annotations

import time
from collections import deque

from msgspec import Struct

from hundredfold.agents.protocol import Event, Progress, Retrying, Spent, Started
from hundredfold.vocabulary import Route, Usage

TRANSCRIPT_LINES = 2000


class Row(Struct):
    """One running attempt. `since` is monotonic seconds."""

    attempt: str
    item: str
    title: str
    label: str
    route: Route
    since: float
    last: str = "starting"
    usage: Usage = Usage()


class Board:
    """The running attempts and the newest things that ended."""

    def __init__(self) -> None:
        self.rows: dict[str, Row] = {}
        self.ended: deque[str] = deque(maxlen=1000)

    def open(self, attempt: str, item: str, title: str, label: str, route: Route) -> None:
        """An attempt began."""
        self.rows[attempt] = Row(attempt, item, title, label, route, time.monotonic())

    def tell(self, attempt: str, event: Event) -> None:
        """Something happened in an attempt."""
        row = self.rows.get(attempt)
        if row is None:
            return
        match event:
            case Started():
                row.last = "running"
            case Retrying(status=status, delay_s=delay):
                row.last = f"retrying after {status or 'an error'}" + (f", in {delay:.0f} s" if delay else "")
            case Progress(kind=kind, text=text):
                row.last = f"{kind}: {text}"
            case Spent(usage=usage):
                row.usage += usage

    def close(self, attempt: str, how: str) -> None:
        """An attempt ended."""
        if (row := self.rows.pop(attempt, None)) is not None:
            self.ended.append(f"{row.title}: {row.label} {how}")

    def top(self, count: int) -> list[Row]:
        """The attempts that have run longest."""
        return sorted(self.rows.values(), key=lambda row: row.since)[:count]


class Transcript:
    """The events of one attempt as JSON lines, bounded: the first half and the newest half are kept."""

    def __init__(self) -> None:
        self._head: list[Event] = []
        self._tail: deque[Event] = deque(maxlen=TRANSCRIPT_LINES // 2)
        self._seen = 0

    def add(self, event: Event) -> None:
        """Keep an event."""
        self._seen += 1
        if len(self._head) < TRANSCRIPT_LINES // 2:
            self._head.append(event)
        else:
            self._tail.append(event)

    def encoded(self) -> bytes:
        """All kept events, one JSON object a line, with a line that counts those left out."""
        import msgspec

        encode = msgspec.json.encode
        left_out = self._seen - len(self._head) - len(self._tail)
        gap = [encode({"left_out": left_out})] if left_out else []
        return b"\n".join([*map(encode, self._head), *gap, *map(encode, self._tail)])

"""The durable spool: what was sent and what came of it, on disk before anybody acts on it.

Append-only segments of JSON lines, `JOURNAL/00000042.jsonl`. An *intent* is written, in one write, before a
request is forwarded; its *row* before the last byte of the answer is handed on. A kill of the process loses
neither, since the bytes are with the operating system by then (a power cut may lose the last second).

Segments are removed oldest first and only when every line of theirs is in the ledger and every intent of
theirs has its row. So what is left always tells the whole story of what is not in the ledger yet.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections import Counter
from pathlib import Path

import msgspec
from msgspec import Struct

from hundredfold.errors import StorageError
from hundredfold.vocabulary import RequestStatus, Tier, Usage

SEGMENT_BYTES = 4 * 1024 * 1024
READ_BYTES = 1024 * 1024


class Intent(Struct, frozen=True, tag="intent", tag_field="_"):
    """A request about to be forwarded: whom it is booked to, where it goes, and the most it may use."""

    id: str
    at_us: int
    attempt: int
    project: str
    job: str
    agent: str
    person: str
    payer: str
    cost_centre: str
    upstream: str
    prices: str
    dialect: str
    model: str
    tier: Tier
    simulated: bool
    worst: Usage


class Row(Struct, frozen=True, tag="row", tag_field="_"):
    """What came of an intent. `usage` is exact, or the worst case where `status` is cut or unsettled, and
    `floor` then the least."""

    intent: Intent
    status: RequestStatus
    usage: Usage
    floor: Usage = Usage()
    response_id: str = ""
    served_model: str = ""
    served_tier: str = ""
    http_status: int | None = None
    error: str = ""
    first_byte_ms: int | None = None
    total_ms: int | None = None


class Position(Struct, frozen=True, order=True):
    """A place in the journal: segment number and byte offset."""

    segment: int
    offset: int


_encode = msgspec.json.Encoder().encode
_line = msgspec.json.Decoder(Intent | Row)


class Journal:
    """The journal of one gateway process. Writing belongs to one thread; `read` may run in another."""

    def __init__(self, folder: Path) -> None:
        """Open the folder and continue in a new segment.

        Raises:
            StorageError: it can't be written.
        """
        self._folder = folder
        self._old = sorted(int(path.stem) for path in folder.glob("[0-9]*.jsonl"))
        self.start = Position(self._old[0] if self._old else 1, 0)
        self._segment = self._old[-1] if self._old else 0
        self._open: Counter[int] = Counter()  # intents without a row, by segment
        self._where: dict[str, int] = {}
        self._file = -1
        self._offset = 0
        self._unwritten: list[Row] = []
        try:
            self._next_segment()
        except OSError as error:
            raise StorageError(
                f"the gateway's journal {folder} can't be written: {error.strerror}",
                "Free some disk space or check its permissions.",
            ) from error

    @property
    def end(self) -> Position:
        """Where the next line goes."""
        return Position(self._segment, self._offset)

    def intend(self, intent: Intent) -> None:
        """Write an intent; return once the operating system has it.

        Raises:
            StorageError: it can't be written; nothing may be sent.
        """
        try:
            self._write_waiting()
            self._write(intent)
        except OSError as error:
            raise StorageError(
                f"the gateway's journal {self._folder} can't be written: {error.strerror}",
                "Free some disk space or check its permissions; nothing is sent unmetered.",
            ) from error
        self._open[self._segment] += 1
        self._where[intent.id] = self._segment

    def conclude(self, row: Row) -> None:
        """Write the row of an intent (or a refused request's, which had none).

        If the disk refuses, it is kept and written before the next line. There are never more such rows
        than requests were in flight, since no intent is taken meanwhile; a kill leaves the intent's worst.
        """
        try:
            self._write_waiting()
            self._write(row)
        except OSError:
            if row.status != "refused":  # nothing was sent for that one
                self._unwritten.append(row)
            return
        self._close_intent(row.intent.id)

    def settle_dead(self) -> int:
        """Give every intent that an earlier process left open a row with its worst case; how many."""
        orphans: dict[str, Intent] = {}
        for number in self._old:
            position = Position(number, 0)
            while True:
                lines, following = self._read_segment(position, None)
                for line in lines:
                    if isinstance(line, Intent):
                        orphans[line.id] = line
                    else:
                        orphans.pop(line.intent.id, None)
                if following == position:
                    break
                position = following
        for intent in orphans.values():
            self.conclude(Row(intent=intent, status="unsettled", usage=intent.worst, error="gateway_died"))
        return len(orphans)

    def read(self, position: Position, until: Position) -> tuple[list[Row], Position]:
        """Rows from `position` on, not beyond `until`, at most about a megabyte of them; and where to go on.

        The position returned equals `until` when all was read. Torn lines are passed over.

        Raises:
            OSError: a segment can't be read.
        """
        while position < until:
            bound = until.offset if position.segment == until.segment else None
            lines, following = self._read_segment(position, bound)
            if following == position:
                if position.segment == until.segment:
                    return [], until
                position = Position(position.segment + 1, 0)
                continue
            rows = [line for line in lines if isinstance(line, Row)]
            if rows:
                return rows, following
            position = following
        return [], until

    def retire(self, read_to: Position) -> None:
        """Remove the oldest segments whose lines are all in the ledger: those wholly before `read_to`."""
        while self.start.segment < read_to.segment and not self._open[self.start.segment]:
            with contextlib.suppress(FileNotFoundError):
                self._path(self.start.segment).unlink()
            del self._open[self.start.segment]
            self.start = Position(self.start.segment + 1, 0)

    def close(self) -> None:
        """Close the segment under way."""
        os.close(self._file)

    def _write_waiting(self) -> None:
        while self._unwritten:
            self._write(self._unwritten[-1])
            self._close_intent(self._unwritten.pop().intent.id)

    def _close_intent(self, intent: str) -> None:
        segment = self._where.pop(intent, None)
        if segment is not None:
            self._open[segment] -= 1

    def _write(self, line: Intent | Row) -> None:
        if self._offset >= SEGMENT_BYTES:
            self._next_segment()
        data = _encode(line) + b"\n"
        try:
            written = os.write(self._file, data)
            if written != len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError:
            # Half a line may stay behind; nothing must be glued to it, so the next line begins a segment.
            self._offset = SEGMENT_BYTES
            raise
        self._offset += written

    def _next_segment(self) -> None:
        file = os.open(
            self._path(self._segment + 1), os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600
        )
        if self._file >= 0:
            os.close(self._file)
        self._file = file
        self._segment += 1
        self._offset = 0

    def _path(self, segment: int) -> Path:
        return self._folder / f"{segment:08d}.jsonl"

    def _read_segment(self, position: Position, bound: int | None) -> tuple[list[Intent | Row], Position]:
        """Whole lines of one segment; the position is unchanged at its end."""
        try:
            file = os.open(self._path(position.segment), os.O_RDONLY)
        except FileNotFoundError:  # retired
            return [], position
        try:
            size = READ_BYTES if bound is None else min(READ_BYTES, bound - position.offset)
            data = os.pread(file, size, position.offset)
        finally:
            os.close(file)
        whole = data[: data.rfind(b"\n") + 1]
        lines: list[Intent | Row] = []
        for raw in whole.splitlines():
            with contextlib.suppress(msgspec.DecodeError):
                lines.append(_line.decode(raw))
        return lines, Position(position.segment, position.offset + len(whole))

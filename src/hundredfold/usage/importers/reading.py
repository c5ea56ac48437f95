"""Reading what is new in a file, line by line, without looking into lines that can't count.

Lines are found with `memchr`; most are told by their first bytes and never decoded, and of one that is longer
than a block no more than that is kept. A file may grow while it is read: only whole lines are taken, and the
offset of the first that is not is where the next import goes on.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from hashlib import blake2b

import msgspec
from msgspec import Struct

from hundredfold.usage.importers.protocol import NO_OBJECT, Complain, Parser

#: less than what the C library maps anew for every block, page by page
BLOCK = 120 * 1024
#: a line that may count is read up to this length
MOST_LINE = 64 * 1024 * 1024
HEAD, TAIL = 1024, 256


class Cursor(Struct, frozen=True):
    """How far a file was read: see `store.tables.imports.import_cursors`."""

    format: str
    path: str
    device: int
    inode: int
    size: int
    mtime_ns: int
    offset: int
    head: bytes
    tail: bytes
    state: bytes

    def unchanged(self, about: os.stat_result) -> bool:
        """Whether the file is as it was when it was read."""
        there = (about.st_size, about.st_mtime_ns, about.st_ino)
        return (self.size, self.mtime_ns, self.inode) == there


def continues(fd: int, cursor: Cursor, size: int) -> bool:
    """Whether the file still holds what was read of it, so that reading may go on behind it."""
    return size >= cursor.offset and marks(fd, cursor.offset) == (cursor.head, cursor.tail)


def marks(fd: int, offset: int) -> tuple[bytes, bytes]:
    """Digests of the first bytes of the file and of the last ones before `offset`."""
    head = os.pread(fd, min(HEAD, offset), 0)
    tail = os.pread(fd, min(TAIL, offset), max(0, offset - TAIL))
    return blake2b(head, digest_size=8).digest(), blake2b(tail, digest_size=8).digest()


def line_numbers(path: str, offsets: Sequence[int]) -> list[int]:
    """The 1-based numbers of the lines that begin at these offsets, which ascend."""
    numbers, number, position = [], 1, 0
    with open(path, "rb") as file:  # noqa: PTH123
        for offset in offsets:
            while position < offset and (block := file.read(min(offset - position, 1 << 20))):
                number += block.count(b"\n")
                position += len(block)
            numbers.append(number)
    return numbers


def take_lines(fd: int, offset: int, parser: Parser, complain: Complain) -> Iterator[int]:
    """Have the parser take the lines from `offset` on; each value is the offset behind those taken so far.

    A last line without an end is taken if it is a whole JSON value, and is otherwise left for the next time.
    """
    while block := os.pread(fd, BLOCK, offset):  # it begins with a line: nothing is put together
        if taken := parser.block(offset, block):
            offset += taken
        elif len(block) == BLOCK and parser.skips(block):
            length, closed = _behind_line(fd, offset, block)
            if not length:
                return
            if not closed:
                complain(offset, NO_OBJECT)
            offset += length
        else:
            line, length = _whole_line(fd, offset, block)
            if not length and not _is_json(line):
                return
            if len(line) > MOST_LINE:
                complain(offset, f"a line longer than {MOST_LINE:,} bytes, which is not read")
            else:
                parser.line(offset, line)
            offset += length or len(line)
        yield offset


def _behind_line(fd: int, offset: int, begun: bytes) -> tuple[int, bool]:
    """How long the line that begins there is with its end (0 if it has none), and if it ends as an object."""
    length, last = len(begun), begun[-2:]
    while block := os.pread(fd, BLOCK, offset + length):
        end = block.find(b"\n")
        if end >= 0:
            return length + end + 1, (last + block[:end]).rstrip(b"\r").endswith(b"}")
        length += len(block)
        last = block[-2:]
    return 0, False


def _whole_line(fd: int, offset: int, begun: bytes) -> tuple[bytes, int]:
    """The line that begins there, and its length with its end: 0 if it has none yet."""
    parts, length = [begun], len(begun)
    while block := os.pread(fd, BLOCK, offset + length):
        end = block.find(b"\n")
        if length <= MOST_LINE:
            parts.append(block if end < 0 else block[:end])
        if end >= 0:
            return b"".join(parts), length + end + 1
        length += len(block)
    return b"".join(parts), 0


def _is_json(text: bytes) -> bool:
    """Whether a last line without an end is whole: a JSON object, or the end of one over many lines."""
    if text.strip() in (b"}", b"]}"):
        return True
    try:
        msgspec.json.decode(text, type=msgspec.Raw)
    except (msgspec.DecodeError, RecursionError):
        return False
    return text.rstrip().endswith(b"}")

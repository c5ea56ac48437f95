"""Reading what is new in a file, line by line, without looking into lines that can't count.

Lines are found with `memchr`; most are told by their first bytes and never decoded, and of one that is longer
than a block no more than that is kept. A file may grow while it is read: only whole lines are taken, and the
offset of the first that is not is where the next import goes on.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Generator, Sequence
from hashlib import blake2b

import msgspec
from msgspec import Struct

from hundredfold.usage.importers.protocol import Complain

BLOCK = 256 * 1024
#: a line that may count is read up to this length
MOST_LINE = 64 * 1024 * 1024
HEAD, TAIL = 1024, 256
_CLOSES = 0x7D  # "}"


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


def whole_lines(
    fd: int, offset: int, skip: re.Pattern[bytes], complain: Complain, read: Callable[[int], None]
) -> Generator[tuple[int, bytes], None, int]:
    """Each line from `offset` on that `skip` does not match at its beginning, and where it begins.

    The generator's value is the offset behind the last line taken. A last line without an end is taken if it
    is a whole JSON value, and is otherwise left for the next time. `read` hears how much was read.
    """
    os.lseek(fd, offset, os.SEEK_SET)
    skips = skip.match
    base = offset
    while block := _block(fd, base):  # a block begins with a line: nothing is put together
        find = block.find
        position = 0
        while (end := find(b"\n", position)) >= 0:
            if skips(block, position) is None:
                if end - position > 1 or block[position:end].strip():
                    yield base + position, block[position:end]
            elif block[end - 1] != _CLOSES and block[end - 2 : end] != b"}\r":
                complain(base + position, "not a JSON object")
            position = end + 1
        if position:
            read(position)
            base += position
            continue
        if len(block) == BLOCK and skips(block):
            length, last = _behind_line(fd, base, block, read)
            if not last:
                return base
            if last != b"}":
                complain(base, "not a JSON object")
        else:
            whole, length = _long_line(fd, base, block, read)
            if not length:
                if _is_json(whole):
                    if skips(whole) is None:
                        yield base, whole
                    base += len(whole)
                return base
            if len(whole) > MOST_LINE:
                complain(base, f"a line longer than {MOST_LINE:,} bytes, which is not read")
            else:
                yield base, whole
        base += length
    return base


def _block(fd: int, offset: int) -> bytes:
    os.lseek(fd, offset, os.SEEK_SET)
    return os.read(fd, BLOCK)


def _is_json(text: bytes) -> bool:
    """Whether a last line without an end is whole: a JSON object, or the end of one over many lines."""
    if text.strip() in (b"}", b"]}"):
        return True
    try:
        msgspec.json.decode(text, type=msgspec.Raw)
    except msgspec.DecodeError:
        return False
    return text.rstrip().endswith(b"}")


def _behind_line(fd: int, base: int, begun: bytes, read: Callable[[int], None]) -> tuple[int, bytes]:
    """How long the begun line is with its end, and its last byte; b"" if it has no end yet."""
    length, last = len(begun), begun[-2:]
    while block := _block(fd, base + length):
        read(len(block))
        end = block.find(b"\n")
        if end >= 0:
            return length + end + 1, (last + block[:end]).rstrip(b"\r")[-1:] or b"\n"
        length += len(block)
        last = block[-2:]
    return length, b""


def _long_line(fd: int, base: int, begun: bytes, read: Callable[[int], None]) -> tuple[bytes, int]:
    """A line that may count and is longer than a block, and its length with its end: 0 if it has none yet."""
    parts, length = [begun], len(begun)
    while block := _block(fd, base + length):
        read(len(block))
        end = block.find(b"\n")
        if length <= MOST_LINE:
            parts.append(block if end < 0 else block[:end])
        if end >= 0:
            return b"".join(parts), length + end + 1
        length += len(block)
    return b"".join(parts), 0

"""Objects by name through one long-lived `git cat-file --batch`: no process per file."""

from __future__ import annotations

import os
import select
import subprocess
import threading
import time

from msgspec import Struct

from hundredfold.errors import RepositoryError
from hundredfold.gitcommand import FSCK, SLOW, Git

ANSWER_S = 60.0
_HEADER_BYTES = 1 << 16
_PIECE = 1 << 16


class Found(Struct, frozen=True):
    """An object: its type ("blob", "tree", "commit", "tag"), size in bytes, and content unless too large."""

    kind: str
    size: int
    content: bytes | None


class ObjectReader:
    """Reads objects of a view. Safe to use from several threads, one at a time gets its answer."""

    def __init__(self, git: Git) -> None:
        self._lock = threading.Lock()
        self._batch = _Batch(git)

    def read(self, name: bytes, bound: int) -> Found | None:
        """The object called `name` (`SHA` or `SHA:path`, no newline in it); None if there is none.

        Content is None if it is larger than `bound` bytes.

        Raises:
            RepositoryError: git stopped or did not answer.
        """
        with self._lock:
            header = self._batch.ask(name)
            if header is None:
                return None
            kind, size = header
            if size <= bound:
                return Found(kind, size, self._batch.take(size))
            self._batch.end()  # it can't be kept from sending all of the object, and starting anew is cheap
            return Found(kind, size, None)

    def close(self) -> None:
        """End the process."""
        with self._lock:
            self._batch.end()


class _Batch:
    """`git cat-file --batch`, started when first asked and again after it was lost."""

    def __init__(self, git: Git) -> None:
        self._git = git
        self._process: subprocess.Popen[bytes] | None = None
        self._buffer = bytearray()

    def ask(self, name: bytes) -> tuple[str, int] | None:
        """The type and size of the object, whose content is to be taken next; None if there is none."""
        for last in (False, True):
            try:
                self._send(name + b"\n")
                header = self._line()
                break
            except RepositoryError:
                self.end()
                if last:
                    raise
        kind, _, size = header.rpartition(b" ")
        kind = kind.rpartition(b" ")[2]
        # A name that is not there is echoed, whatever is in it, and followed by a word that is no number.
        if not size.isdigit() or kind not in (b"blob", b"tree", b"commit", b"tag"):
            return None
        return kind.decode(), int(size)

    def take(self, size: int) -> bytes:
        """The `size` bytes of content that follow an answer."""
        try:
            self._fill(size + 1)
        except RepositoryError:
            self.end()
            raise
        content = bytes(self._buffer[:size])
        del self._buffer[: size + 1]
        return content

    def end(self) -> None:
        process, self._process = self._process, None
        self._buffer.clear()
        if process is None:
            return
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()

    def _send(self, line: bytes) -> None:
        if self._process is None:
            self._process = subprocess.Popen(
                self._git.command("cat-file", "--batch"),
                env=self._git.environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                bufsize=0,
            )
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(line)
        except OSError as error:
            raise RepositoryError(f"git cat-file stopped: {error}", FSCK) from error

    def _line(self) -> bytes:
        until = 0
        while (end := self._buffer.find(b"\n", max(0, until - 1))) < 0:
            until = len(self._buffer)
            if until > _HEADER_BYTES:
                raise RepositoryError("git cat-file answered out of order", FSCK)
            self._fill(until + 1)
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        return line

    def _fill(self, wanted: int) -> None:
        """Read until the buffer has `wanted` bytes."""
        assert self._process is not None and self._process.stdout is not None
        descriptor = self._process.stdout.fileno()
        waiting = select.poll()
        waiting.register(descriptor, select.POLLIN)
        deadline = time.monotonic() + ANSWER_S
        while len(self._buffer) < wanted:
            left = deadline - time.monotonic()
            if left <= 0 or not waiting.poll(left * 1000):
                raise RepositoryError(f"git cat-file did not answer within {ANSWER_S:.0f} s", SLOW)
            piece = os.read(descriptor, max(_PIECE, wanted - len(self._buffer)))
            if not piece:
                raise RepositoryError("git cat-file stopped", FSCK)
            self._buffer += piece

"""Running generators in processes of their own, forked from this one, and having what they yield here.

They must not touch what this process has open; what they yield is numbers or records of one type.
"""

from __future__ import annotations

import marshal
import os
import select
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

Record = TypeVar("Record", bound=Struct)
#: a pipe's buffer, so that neither side waits for the other at every record
_PIPE_BYTES = 1024 * 1024
#: bytes that say how long the value behind them is
_HEAD = 4


def beside(
    generators: Sequence[Callable[[], Iterator[int | Record]]], kind: type[Record]
) -> Iterator[int | Record]:
    """The same values, each generator's in their order, made in other processes.

    Where the system can't fork they are made in this one, one generator after the other.

    Raises:
        RuntimeError: one of the other processes failed; the message is its traceback.
    """
    if not hasattr(os, "fork") or sys.platform == "darwin":  # where frameworks break in forked processes
        for generator in generators:
            yield from generator()
        return
    helpers: list[_Helper] = []
    try:
        for generator in generators:
            helpers.append(_Helper(generator, helpers))
        while running := {one.reader: one for one in helpers if not one.ended}:
            for reader in select.select(list(running), [], [])[0]:
                for value in running[reader].arrived():
                    if isinstance(value, str):
                        raise RuntimeError(f"the reading process failed:\n{value}")
                    yield value if isinstance(value, int) else _record(value, kind)
    finally:
        for one in helpers:
            one.close()


class _Helper:
    """One of the other processes, and the end of its pipe that is here."""

    def __init__(self, generator: Callable[[], Iterator[Any]], earlier: Sequence[_Helper]) -> None:
        self.reader, writer = os.pipe()
        self.ended = False
        self._rest = b""
        sys.stdout.flush()
        sys.stderr.flush()
        self._process = os.fork()
        if self._process == 0:
            for reader in (self.reader, *(one.reader for one in earlier)):
                os.close(reader)
            _serve(generator, writer)
        os.close(writer)
        with suppress(ImportError, AttributeError, OSError):
            import fcntl

            fcntl.fcntl(self.reader, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)

    def arrived(self) -> Iterator[Any]:
        """The values that are whole by now, after waiting for more to come.

        Raises:
            RuntimeError: the process ended before it was done.
        """
        data = os.read(self.reader, _PIPE_BYTES)
        if not data:
            self.ended = True
            _, status = os.waitpid(self._process, 0)
            self._process = 0
            if status:
                raise RuntimeError(f"the reading process ended with {status}")
        data, at = self._rest + data, 0
        while len(data) >= (begin := at + _HEAD) and len(data) >= (
            end := begin + int.from_bytes(data[at:begin], "little")
        ):
            yield marshal.loads(memoryview(data)[begin:end])  # noqa: S302
            at = end
        self._rest = data[at:]

    def close(self) -> None:
        """End the process, if it has not ended."""
        os.close(self.reader)
        if self._process:
            os.kill(self._process, signal.SIGKILL)
            os.waitpid(self._process, 0)


def _serve(generator: Callable[[], Iterator[int | Record]], writer: int) -> None:
    """The other process: it never returns."""
    code = 1
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the first process decides
        with os.fdopen(writer, "wb", buffering=256 * 1024) as stream:
            try:
                for value in generator():
                    _send(stream, value if isinstance(value, int) else _plain(value))
                code = 0
            except Exception:
                _send(stream, traceback.format_exc())
    finally:
        os._exit(code)


def _send(stream: Any, value: Any) -> None:
    data = marshal.dumps(value)
    stream.write(len(data).to_bytes(_HEAD, "little"))
    stream.write(data)


def _plain(record: Struct) -> tuple[Any, ...]:
    """The record's fields, records within them as msgpack: a list of plain rows stays as it is."""
    return tuple(
        value if name == "rows" else msgspec.msgpack.encode(value)
        for name, value in ((name, getattr(record, name)) for name in record.__struct_fields__)
    )


def _record(value: tuple[Any, ...], kind: type[Record]) -> Record:
    import typing

    types = _types.get(kind)
    if types is None:
        types = _types[kind] = [
            None if name == "rows" else msgspec.msgpack.Decoder(typing.get_type_hints(kind)[name])
            for name in kind.__struct_fields__
        ]
    return kind(*(part if one is None else one.decode(part) for one, part in zip(types, value, strict=True)))


_types: dict[type[Struct], list[msgspec.msgpack.Decoder[Any] | None]] = {}

"""Running a generator in a process of its own, forked from this one, and having what it yields here.

It must not touch what this process has open; what it yields is numbers or records of one type.
"""

from __future__ import annotations

import marshal
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

Record = TypeVar("Record", bound=Struct)
#: a pipe's buffer, so that neither side waits for the other at every record
_PIPE_BYTES = 1024 * 1024


def beside(generator: Callable[[], Iterator[int | Record]], kind: type[Record]) -> Iterator[int | Record]:
    """The same values, made in another process; in this one where the system can't fork.

    Raises:
        RuntimeError: the other process failed; the message is its traceback.
    """
    if not hasattr(os, "fork") or sys.platform == "darwin":  # where frameworks break in forked processes
        yield from generator()
        return
    reader, writer = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        os.close(reader)
        _serve(generator, writer)
    os.close(writer)
    with suppress(ImportError, AttributeError, OSError):
        import fcntl

        fcntl.fcntl(reader, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
    try:
        with os.fdopen(reader, "rb", buffering=_PIPE_BYTES) as stream:
            while head := stream.read(4):
                value = marshal.loads(stream.read(int.from_bytes(head, "little")))  # noqa: S302
                if isinstance(value, str):
                    raise RuntimeError(f"the reading process failed:\n{value}")
                yield value if isinstance(value, int) else _record(value, kind)
        _, status = os.waitpid(child, 0)
        child = 0
        if status:
            raise RuntimeError(f"the reading process ended with {status}")
    finally:
        if child:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)


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
    stream.write(len(data).to_bytes(4, "little"))
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

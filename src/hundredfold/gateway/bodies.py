"""Bytes in a content encoding, opened with a bound: a small body must not become a huge one."""

from __future__ import annotations

import zlib
from collections.abc import Callable

import zstandard

_ANY_ZLIB_OR_GZIP = 47  # zlib's wbits: 32 KB window, header told from the data


class TooLarge(Exception):
    """The opened body is over the bound."""


class UnknownEncoding(Exception):
    """Not an encoding that can be opened, or the bytes are not in it."""


def opened(body: bytes, encoding: str, most: int) -> bytes:
    """The body without its content encoding; the same object if it has none.

    Raises:
        TooLarge: it would be over `most` bytes.
        UnknownEncoding: gzip, deflate and zstd are known.
    """
    if encoding in ("", "identity"):
        return body
    try:
        if encoding == "zstd":
            with zstandard.ZstdDecompressor().stream_reader(body, read_across_frames=True) as reader:
                plain = reader.read(most + 1)
        elif encoding in ("gzip", "deflate"):
            plain = zlib.decompressobj(_ANY_ZLIB_OR_GZIP).decompress(body, most + 1)
        else:
            raise UnknownEncoding(f"the content encoding {encoding!r} is not known")
    except (zlib.error, zstandard.ZstdError) as error:
        raise UnknownEncoding(f"the body is not {encoding}") from error
    if len(plain) > most:
        raise TooLarge
    return plain


def opener(encoding: str) -> Callable[[bytes], bytes] | None:
    """Opens an answer's bytes as they come, for reading its usage; None if the encoding is not known."""
    if encoding in ("", "identity"):
        return bytes
    if encoding in ("gzip", "deflate"):
        inflating = zlib.decompressobj(_ANY_ZLIB_OR_GZIP)

        def inflate(chunk: bytes) -> bytes:
            try:
                return inflating.decompress(chunk)
            except zlib.error:  # the usage stays unread, and the request an interval
                return b""

        return inflate
    return None

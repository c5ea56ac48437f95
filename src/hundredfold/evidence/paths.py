"""Paths as git keeps them: any bytes but NUL. Decoding, git's quoting, and a form that is safe to print."""

from __future__ import annotations

import re

_ESCAPES = {b"a": 7, b"b": 8, b"t": 9, b"n": 10, b"v": 11, b"f": 12, b"r": 13, b'"': 34, b"\\": 92}
_ESCAPED = re.compile(rb'\\([0-7]{3}|[abtnvfr"\\])')


def decode_path(raw: bytes) -> str:
    """A path's bytes as text; bytes that are no UTF-8 become lone surrogates, as `encode_path` expects."""
    return raw.decode("utf-8", "surrogateescape")


def encode_path(path: str) -> bytes:
    """The bytes of a path that `decode_path` made."""
    return path.encode("utf-8", "surrogateescape")


def unquote(name: bytes) -> bytes:
    """A name as git prints it: C-quoted in double quotes if it has unusual bytes, else as it is."""
    if len(name) < 2 or not (name.startswith(b'"') and name.endswith(b'"')):
        return name
    return _ESCAPED.sub(lambda m: bytes([_ESCAPES.get(m[1]) or int(m[1], 8) & 255]), name[1:-1])


def quote(name: bytes) -> bytes:
    """The inverse of `unquote`, for the files in which git reads quoted names."""
    return b'"' + re.sub(rb'[\x00-\x1f"\\\x7f-\xff]', lambda m: b"\\%03o" % m[0][0], name) + b'"'


def display_path(path: str) -> str:
    """The path in one printable line: control, bidirectional and undecodable characters are escaped."""
    return "".join(c if c.isprintable() and c != "\\" else _escape(c) for c in path)


def _escape(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    return character.encode("unicode_escape").decode("ascii")

"""Text that both databases take: PostgreSQL refuses NUL, and neither encodes a lone surrogate."""

from __future__ import annotations

import re

_REFUSED = re.compile("[\x00\ud800-\udfff]")


def storable(text: str) -> str:
    """`text` with NUL and undecodable bytes (surrogateescape) as `\\xNN`, other surrogates as `\\uNNNN`."""
    if text.isascii() and "\x00" not in text:
        return text
    return _REFUSED.sub(_escaped, text)


def _escaped(match: re.Match[str]) -> str:
    code = ord(match.group())
    if code == 0:
        return "\\x00"
    return f"\\x{code - 0xDC00:02x}" if 0xDC80 <= code <= 0xDCFF else f"\\u{code:04x}"

"""Setting one top-level value of a JSON body, every other byte as it was.

Parsing and writing the body anew would change numbers, spaces and escapes that are none of our business, and
break the provider's prompt cache keys with them.
"""

from __future__ import annotations

import re
from collections.abc import Callable

MOST_MENTIONS = 64
_VALUE = rb'"\s*:\s*("(?:[^"\\]|\\.)*"|\{[^{}]*\}|null|true|false)'


def with_value(
    body: bytes, key: str, value: bytes, *, present: bool, is_set: Callable[[bytes], bool]
) -> bytes | None:
    """The body with `key` set; None if it can't be told from the text where the key stands.

    Nested keys of the same name are told from the top-level one by asking `is_set` of the outcome.
    """
    if not present:
        start = body.index(b"{") + 1
        inserted = body[:start] + b'"%b":%b,' % (key.encode(), value) + body[start:]
        if is_set(inserted):
            return inserted
    for number, mention in enumerate(re.finditer(rb'"' + re.escape(key.encode()) + _VALUE, body)):
        if number == MOST_MENTIONS:
            break
        changed = body[: mention.start(1)] + value + body[mention.end(1) :]
        if is_set(changed):
            return changed
    return None

"""Setting one top-level value of a JSON body, every other byte as it was.

Parsing and writing the body anew would change numbers, spaces and escapes that are none of our business, and
break the provider's prompt cache keys with them.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable

from hundredfold.gateway.dialects.protocol import BadRequest

MOST_MENTIONS = 64
_VALUE = re.compile(rb'"(?:[^"\\]|\\.)*"|\{[^{}]*\}|null')


def with_value(
    body: bytes, key: str, value: bytes, *, present: bool, is_set: Callable[[bytes], bool]
) -> bytes | None:
    """The body with `key` set; None if it can't be told from the text where the key stands.

    Nested keys of the same name are told from the top-level one by asking `is_set` of the outcome, which may
    raise BadRequest. A key that stands there as null may count as not present: it overrules the one inserted,
    and is then replaced.
    """
    if not present:
        start = body.index(b"{") + 1
        inserted = body[:start] + b'"%b":%b,' % (key.encode(), value) + body[start:]
        if _holds(is_set, inserted):
            return inserted
    mentions = re.finditer(rb'"%b"\s*:\s*' % re.escape(key.encode()), body)
    for mention in itertools.islice(mentions, MOST_MENTIONS):
        old = _VALUE.match(body, mention.end())
        if old is not None:
            changed = body[: old.start()] + value + body[old.end() :]
            if _holds(is_set, changed):
                return changed
    return None


def _holds(is_set: Callable[[bytes], bool], body: bytes) -> bool:
    try:
        return is_set(body)
    except BadRequest:  # it was no value of that kind, and the body is none any more
        return False

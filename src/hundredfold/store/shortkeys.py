"""Response ids in few bytes: most are a known word and hexadecimal digits, which take half the room as bytes.

Every text comes back as it was (`tests/test_store_shortkeys.py`), and equal texts are equal bytes, so a
unique index works on them. The first byte says how the rest is to be read.
"""

from __future__ import annotations

import re

_PLAIN = b"\x00"
#: beginnings of keys that hexadecimal digits follow; a number is never given to another word
_WORDS = {1: "resp_", 2: "intent:", 3: "chatcmpl-", 4: "gen-", 5: ""}
_NUMBERS = {word: bytes((number,)) for number, word in _WORDS.items()}
_worded = re.compile(rf"({'|'.join(_WORDS.values())})([0-9a-f]+)").fullmatch


def shortened(key: str) -> bytes:
    """The key as bytes."""
    if key.startswith("resp_"):  # as most keys do, so this is the quick way of what is below
        digits = key[5:]
        try:
            raw = bytes.fromhex(digits)
        except ValueError:
            return _PLAIN + key.encode()
        return b"\1" + raw if raw and raw.hex() == digits else _PLAIN + key.encode()
    found = _worded(key)
    if found is None or len(found[2]) % 2:
        return _PLAIN + key.encode()
    return _NUMBERS[found[1]] + bytes.fromhex(found[2])


def lengthened(raw: bytes) -> str:
    """The key that `shortened` made the bytes of."""
    word = _WORDS.get(raw[0])
    return raw[1:].decode() if word is None else word + raw[1:].hex()

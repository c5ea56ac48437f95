"""Response ids in few bytes come back as they were."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hundredfold.store.shortkeys import lengthened, shortened

hexadecimal = st.text("0123456789abcdefABCDEF ", max_size=60)


@given(st.sampled_from(["", "resp_", "resp", "intent:", "chatcmpl-", "msg_"]), st.text() | hexadecimal)
def test_every_key_comes_back_as_it_was(word: str, rest: str) -> None:
    key = word + "".join(c for c in rest if not 0xD800 <= ord(c) <= 0xDFFF)
    assert lengthened(shortened(key)) == key


@given(st.lists(st.text() | hexadecimal.map(lambda digits: "resp_" + digits), unique=True, max_size=20))
def test_other_keys_are_other_bytes(keys: list[str]) -> None:
    assert len({shortened(key) for key in keys}) == len(keys)


@pytest.mark.parametrize(
    ("key", "size"),
    [("resp_" + "0a" * 25, 26), ("intent:" + "0a" * 12, 13), ("0a" * 16, 17), ("msg_01Ab", 9)],
)
def test_known_forms_are_short(key: str, size: int) -> None:
    assert len(shortened(key)) == size

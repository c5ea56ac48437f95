"""What a provider asks for when it refuses is understood the same everywhere."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hundredfold.refusals import pause_asked

NOON_S = 1_785_585_600.0  # Sat, 01 Aug 2026 12:00:00 GMT


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after-ms": "soon", "retry-after": "9"}, 9.0),
        ({"retry-after": "Sat, 01 Aug 2026 12:00:30 GMT"}, 30.0),
        ({"retry-after": "Sat, 01 Aug 2026 11:00:00 GMT"}, 0.0),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({}, None),
    ],
)
def test_a_pause_is_read_in_each_of_its_forms(headers: dict[str, str], seconds: float | None) -> None:
    assert pause_asked(headers, NOON_S) == seconds


@given(st.text(max_size=60))
def test_no_header_breaks_the_reading_of_a_pause(value: str) -> None:
    asked = pause_asked({"retry-after": value, "retry-after-ms": value}, NOON_S)
    assert asked is None or asked >= 0

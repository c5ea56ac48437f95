"""Usage is read from an answer however its bytes are split, and a body changes in nothing but its tier."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hundredfold.gateway.bodies import TooLarge, opened
from hundredfold.gateway.dialects import sse
from hundredfold.gateway.dialects.protocol import BadRequest, Prepared, Reading
from hundredfold.gateway.dialects.responses import Responses
from hundredfold.gateway.worth import expected_usage, status_of
from hundredfold.vocabulary import Usage

DIALECT = Responses()
PLAIN = Prepared(body=b"", model="m", output_cap=None, opaque=False)
USAGE = {
    "input_tokens": 1000,
    "input_tokens_details": {"cached_tokens": 896},
    "output_tokens": 70,
    "output_tokens_details": {"reasoning_tokens": 64},
}


def stream(*found: dict[str, Any], end: str = "\n") -> bytes:
    lines = "".join(f"event: {one['type']}\ndata: {json.dumps(one)}\n\n" for one in found)
    return lines.replace("\n", end).encode()


def completed(**more: Any) -> dict[str, Any]:
    response = {"id": "resp_1", "model": "gpt-5.5", "service_tier": "priority", "usage": USAGE, **more}
    return {"type": "response.completed", "response": response}


def read(chunks: list[bytes], status: int = 200, kind: str = "text/event-stream; charset=utf-8") -> Reading:
    reader = DIALECT.reader(PLAIN, status, kind)
    for chunk in chunks:
        reader.feed(chunk)
    reader.end()
    return reader.reading


@given(st.lists(st.integers(1, 60), max_size=40), st.sampled_from(["\n", "\r\n", "\r"]), st.text(max_size=20))
def test_usage_is_read_however_the_stream_is_split(sizes: list[int], end: str, text: str) -> None:
    delta = {"type": "response.output_text.delta", "delta": text + '"response.completed"'}
    raw = stream({"type": "response.created", "response": {"id": "resp_1"}}, delta, completed(), end=end)
    chunks, start = [], 0
    for size in sizes:
        chunks.append(raw[start : start + size])
        start += size
    reading = read([*chunks, raw[start:]])
    assert reading.complete
    assert reading.usage == Usage(input=1000, cached=896, output=70, reasoning=64)
    assert (reading.response_id, reading.served_tier) == ("resp_1", "priority")


@given(st.integers(0, 400))
def test_a_stream_cut_anywhere_is_never_taken_for_complete(length: int) -> None:
    raw = stream({"type": "response.created", "response": {"id": "resp_1"}}, completed())
    whole = raw.rindex(b"\n\n")
    reading = read([raw[: min(length, whole - 1)]])
    assert not reading.complete
    assert status_of(200, reading) == "cut"


@given(st.binary(max_size=300))
def test_no_bytes_break_the_reader(noise: bytes) -> None:
    assert read([noise, b"\n\n", stream(completed())]).usage is not None or b"data:" in noise


def test_data_over_several_lines_and_without_event_names_is_read() -> None:
    pretty = json.dumps(completed(), indent=1).replace("\n", "\ndata: ")
    assert read([f"data:{pretty}\n\n".encode()]).usage is not None


def test_an_event_over_the_bound_is_passed_over_and_the_next_one_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sse, "MOST_EVENT_BYTES", 1000)
    long = stream({"type": "response.output_text.delta", "delta": "x" * 5000})
    pieces = [long[i : i + 100] for i in range(0, len(long), 100)]
    assert read([*pieces, stream(completed())]).usage is not None


@pytest.mark.parametrize(
    ("found", "status", "failure"),
    [
        (completed(), "settled", ""),
        ({**completed(), "type": "response.incomplete"}, "settled", ""),
        (completed(usage=None), "cut", ""),
        (completed(usage={**USAGE, "output_tokens": 1}), "cut", ""),
        (
            {"type": "response.failed", "response": {"id": "r", "error": {"code": "server_is_overloaded"}}},
            "error",
            "server_is_overloaded",
        ),
        ({"type": "error", "code": "rate_limit_exceeded"}, "error", "rate_limit_exceeded"),
        ({"type": "error", "error": {"type": "overloaded", "code": None}}, "error", "overloaded"),
    ],
)
def test_each_way_a_stream_ends_has_its_status(found: dict[str, Any], status: str, failure: str) -> None:
    reading = read([stream(found)])
    assert (status_of(200, reading), reading.failure) == (status, failure)


def test_a_failure_after_output_is_an_interval_not_free() -> None:
    delta = {"type": "response.output_text.delta", "delta": "x"}
    reading = read([stream(delta), stream({"type": "error", "code": "server_error"})])
    assert status_of(200, reading) == "cut"


def test_an_error_body_names_its_code() -> None:
    reading = read([b'{"error": {"code": "insufficient_quota"}}'], 429, "application/json")
    assert (reading.failure, status_of(429, reading)) == ("insufficient_quota", "error")


scalars = st.none() | st.booleans() | st.integers() | st.text(max_size=8)
values = st.recursive(
    scalars | st.just("service_tier"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=5) | st.just("service_tier"), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(
    st.dictionaries(st.text(max_size=5), values, max_size=4),
    st.sampled_from([None, "default", "auto", "flex", "priority", "fast"]),
    st.sampled_from(["fast", "standard", "flex"]),
    st.sampled_from([None, 2]),
)
def test_a_body_changes_in_its_top_level_tier_alone(
    extra: dict[str, Any], asked: str | None, tier: Any, indent: int | None
) -> None:
    body = {**extra, "model": "m", **({"service_tier": asked} if asked else {})}
    for known in ("previous_response_id", "max_output_tokens"):
        body.pop(known, None)
    if not asked:
        body.pop("service_tier", None)
    raw = json.dumps(body, indent=indent).encode()
    out = DIALECT.prepare(raw, tier).body
    wanted = {"fast": ("priority", "fast"), "standard": ("default", "auto", None), "flex": ("flex",)}[tier]
    if asked in wanted:
        assert out is raw
    else:
        assert msgspec.json.decode(out) == {**msgspec.json.decode(raw), "service_tier": wanted[0]}
        assert len(out) - len(raw) <= len(b'"service_tier":"priority",')


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"model": 3}', b'{"model": "m", "max_output_tokens": "x"}']
)
def test_what_cannot_be_metered_is_refused(body: bytes) -> None:
    with pytest.raises(BadRequest):
        DIALECT.prepare(body, "standard")


def test_a_request_that_refers_to_what_the_provider_keeps_is_opaque() -> None:
    for extra in (
        b'"previous_response_id":"r"',
        b'"conversation":{"id":"c"}',
        b'"prompt":{"id":"p"}',
        b'"input":[{"type":"input_image","image_url":"u"}]',
    ):
        assert DIALECT.prepare(b'{"model":"m",' + extra + b"}", "standard").opaque
    plain = DIALECT.prepare(b'{"model":"m","max_output_tokens":100,"input":"x"}', "standard")
    assert not plain.opaque
    assert expected_usage(plain, 300, 8192) == Usage(input=100, output=100)


def test_a_small_body_cannot_open_into_a_huge_one() -> None:
    import gzip

    import zstandard

    bomb = bytes(10_000_000)
    for encoding, packed in (("gzip", gzip.compress(bomb)), ("zstd", zstandard.compress(bomb))):
        with pytest.raises(TooLarge):
            opened(packed, encoding, 1_000_000)
        assert opened(packed, encoding, 10_000_000) == bomb

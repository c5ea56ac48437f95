"""Chat Completions and Messages: usage is read however an answer is split, and the client's bytes are the
provider's but for the report that only the gateway asked for."""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hundredfold.gateway.dialects import sse
from hundredfold.gateway.dialects.chat import Chat
from hundredfold.gateway.dialects.messages import Messages
from hundredfold.gateway.dialects.protocol import BadRequest, Dialect, Problem, Reading
from hundredfold.gateway.worth import expected_usage, status_of, worst_usage
from hundredfold.prices.book import load_book
from hundredfold.usage.pricing import billed_tier
from hundredfold.vocabulary import Tier, Usage
from tests.support.wires import CHAT_DONE, CHAT_REPORT, CHAT_USAGE, START_USAGE, chat_chunk, message_events

CHAT, MESSAGES = Chat(), Messages()
CHAT_BODY = b'{"model": "gpt-5.5", "stream": true, "messages": []}'
MESSAGE_BODY = b'{"model": "claude-opus-4-7", "max_tokens": 1000, "stream": true, "messages": []}'
ENDS = st.sampled_from([b"\n", b"\r\n", b"\r"])
SIZES = st.lists(st.integers(1, 70), max_size=60)


def split(raw: bytes, sizes: list[int]) -> list[bytes]:
    chunks, start = [], 0
    for size in sizes:
        chunks.append(raw[start : start + size])
        start += size
    return [*chunks, raw[start:]]


def read(
    dialect: Dialect, body: bytes, chunks: list[bytes], kind: str = "text/event-stream", status: int = 200
) -> tuple[Reading, bytes]:
    """What was read, and what the client gets."""
    reader = dialect.reader(dialect.prepare(body, "standard"), status, kind)
    passed = [reader.feed(chunk) for chunk in chunks]
    passed.append(reader.end())
    return reader.reading, b"".join(passed)


# ------------------------------------------------------------------ chat


@given(SIZES, ENDS, st.booleans())
def test_the_unasked_report_alone_is_withheld_however_the_stream_is_split(
    sizes: list[int], end: bytes, done: bool
) -> None:
    said = chat_chunk(choices=[{"delta": {"content": '"usage": {"choices": []} data: [DONE]'}}])
    kept_parts = [b": hello\n\n", chat_chunk(), said, b"\n", CHAT_DONE if done else b""]
    before, after = [part.replace(b"\n", end) for part in (b"".join(kept_parts[:3]), kept_parts[4])]
    raw = before + CHAT_REPORT.replace(b"\n", end) + after
    reading, passed = read(CHAT, CHAT_BODY, split(raw, sizes))
    assert passed == before + after
    assert reading.usage == Usage(input=1000, cached=896, output=70, reasoning=64)
    assert (reading.response_id, reading.served_tier) == ("chatcmpl-1", "priority")
    assert reading.complete == done
    assert status_of(200, reading) == "settled"


@given(SIZES, ENDS, st.lists(st.sampled_from([b"data: x", b"\n", b"\r", b"\r\n", b": c"]), max_size=30))
def test_the_filter_passes_what_it_does_not_drop_and_judges_alike_whatever_the_splits(
    sizes: list[int], end: bytes, lines: list[bytes]
) -> None:
    raw = b"".join(lines) + b"data: drop" + end + end + b"".join(lines)

    def run(chunks: list[bytes]) -> tuple[bytes, list[bytes]]:
        judged: list[bytes] = []

        def drop(event: bytes) -> bool:
            judged.append(sse.data_of(event))
            return b"drop" in event

        found = sse.EventFilter((re.compile(rb"(?s)."),), drop)
        return b"".join(found.feed(chunk) for chunk in chunks) + found.end(), judged

    whole, judged = run([raw])
    assert run(split(raw, sizes)) == (whole, judged)
    assert run([raw[i : i + 1] for i in range(len(raw))]) == (whole, judged)
    assert b"drop" not in whole


def test_a_client_that_asked_for_the_report_gets_it_and_every_other_byte() -> None:
    body = b'{"model": "m", "stream": true, "stream_options": {"include_usage": true}}'
    raw = chat_chunk() + CHAT_REPORT + CHAT_DONE
    assert CHAT.prepare(body, "standard").body is body
    reading, passed = read(CHAT, body, split(raw, [7] * 30))
    assert passed == raw
    assert reading.usage is not None


def test_an_event_too_long_to_hold_is_passed_as_it_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "MOST_HELD_BYTES", 1000)
    long = chat_chunk(choices=[{"delta": {"content": "x" * 5000}}])
    reader = CHAT.reader(CHAT.prepare(CHAT_BODY, "standard"), 200, "text/event-stream")
    assert len(reader.feed(long[:3000])) > 2900
    rest = [reader.feed(piece) for piece in split(long[3000:] + CHAT_REPORT + CHAT_DONE, [50] * 80)]
    assert b"".join(rest).endswith(b'"usage": null}\n\n' + CHAT_DONE)
    assert reader.reading.usage is not None


def test_a_usage_that_grows_chunk_by_chunk_counts_at_the_end_only() -> None:
    growing = [chat_chunk({**CHAT_USAGE, "completion_tokens": n, "total_tokens": 1000 + n}) for n in (65, 70)]
    whole, passed = read(CHAT, CHAT_BODY, [*growing, CHAT_DONE])
    assert (whole.usage and whole.usage.output, passed) == (70, b"".join(growing) + CHAT_DONE)
    cut, _ = read(CHAT, CHAT_BODY, growing[:1])
    assert (cut.usage, status_of(200, cut)) == (None, "cut")


def test_reasoning_that_a_provider_leaves_out_of_its_output_is_counted() -> None:
    usage = {**CHAT_USAGE, "completion_tokens": 6}
    reading, _ = read(CHAT, CHAT_BODY, [chat_chunk(usage, choices=[]), CHAT_DONE])
    assert reading.usage == Usage(input=1000, cached=896, output=70, reasoning=64)


@pytest.mark.parametrize(
    ("parts", "status", "failure"),
    [
        ([CHAT_REPORT, CHAT_DONE], "settled", ""),
        ([chat_chunk(), CHAT_DONE], "cut", ""),
        ([chat_chunk()], "cut", ""),
        ([b'data: {"error": {"code": "server_error"}}\n\n'], "error", "server_error"),
        ([chat_chunk(), b'data: {"error": {"type": "overloaded"}}\n\n'], "cut", "overloaded"),
        ([chat_chunk({**CHAT_USAGE, "prompt_tokens": -1}, choices=[]), CHAT_DONE], "cut", ""),
    ],
)
def test_each_way_a_chat_ends_has_its_status(parts: list[bytes], status: str, failure: str) -> None:
    reading, _ = read(CHAT, CHAT_BODY, parts)
    assert (status_of(200, reading), reading.failure) == (status, failure)


def test_an_unstreamed_chat_is_read_whole() -> None:
    answer = {"id": "chatcmpl-2", "model": "m", "service_tier": "flex", "usage": CHAT_USAGE, "choices": [{}]}
    body = b'{"model": "m"}'
    raw = json.dumps(answer).encode()
    assert CHAT.prepare(body, "standard").body is body, "no report is asked for where there is no stream"
    reading, passed = read(CHAT, body, split(raw, [9] * 20), "application/json")
    assert (reading.usage, reading.served_tier, passed) == (
        Usage(input=1000, cached=896, output=70, reasoning=64),
        "flex",
        raw,
    )


scalars = st.none() | st.booleans() | st.integers() | st.text(max_size=8)
names = st.text(max_size=5) | st.sampled_from(["stream_options", "include_usage", "service_tier", "speed"])
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=8,
)
OPTIONS = st.sampled_from(
    [..., None, {}, {"include_usage": False}, {"include_usage": True}, {"include_obfuscation": False}]
)


@given(st.dictionaries(names, values, max_size=4), OPTIONS, st.sampled_from([None, 2]))
def test_asking_for_the_report_changes_nothing_else(
    extra: dict[str, Any], options: Any, indent: int | None
) -> None:
    body = {**extra, "model": "m", "stream": True}
    for known in ("service_tier", "stream_options", "n"):
        body.pop(known, None)
    if options is not ...:
        body["stream_options"] = options
    raw = json.dumps(body, indent=indent).encode()
    prepared = CHAT.prepare(raw, "standard")
    asked = bool(options and options is not ... and options.get("include_usage"))
    assert prepared.withhold != asked
    if asked:
        assert prepared.body is raw
    else:
        told = {} if options in (..., None) else options
        expected = {**msgspec.json.decode(raw), "stream_options": {**told, "include_usage": True}}
        assert msgspec.json.decode(prepared.body) == expected
        assert len(prepared.body) - len(raw) <= len(b'"stream_options":{"include_usage":true},')


def test_several_answers_and_what_cannot_be_bounded_are_reserved_for() -> None:
    prepared = CHAT.prepare(b'{"model": "gpt-5.5", "n": 3, "max_completion_tokens": 100}', "standard")
    assert expected_usage(prepared, 300, 8192).output == 300
    assert worst_usage(load_book(), "openai", prepared, 300).output == 300
    image = b'{"model": "m", "messages": [{"content": [{"type": "image_url", "image_url": {}}]}]}'
    assert CHAT.prepare(image, "standard").opaque
    assert CHAT.prepare(b'{"model": "m", "max_tokens": 9, "prediction": {}}', "standard").output_cap is None


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b'{"messages": []}',
        b'{"model": "m", "n": 0}',
        b'{"model": "m", "modalities": ["text", "audio"]}',
        b'{"model": "m", "messages": [{"content": [{"type": "input_audio", "input_audio": {}}]}]}',
        b'{"model": "m", "stream": true, "stream\\u005foptions": {"a": "}"}}',
    ],
)
def test_a_chat_that_cannot_be_metered_is_refused(body: bytes) -> None:
    with pytest.raises(BadRequest):
        CHAT.prepare(body, "standard")


# ------------------------------------------------------------------ messages


@given(SIZES, ENDS)
def test_a_messages_usage_is_read_however_it_is_split_and_no_byte_is_lost(
    sizes: list[int], end: bytes
) -> None:
    raw = b"".join(message_events()).replace(b"\n", end)
    reading, passed = read(MESSAGES, MESSAGE_BODY, split(raw, sizes))
    assert passed == raw
    assert reading.complete
    assert reading.usage == Usage(input=3210, cached=3000, cache_write=200, output=40, cache_write_1h=50)
    assert (reading.response_id, reading.served_model) == ("msg_1", "claude-opus-4-7")


def test_later_counts_replace_earlier_ones_and_compaction_is_added() -> None:
    compacting = {"type": "compaction", "input_tokens": 180_000, "output_tokens": 3500}
    same = {"type": "message", "input_tokens": 10, "output_tokens": 40}
    final = {
        "input_tokens": 20,
        "cache_read_input_tokens": 4000,
        "output_tokens_details": {"thinking_tokens": 30},
        "iterations": [compacting, same],
    }
    reading, _ = read(MESSAGES, MESSAGE_BODY, message_events(final))
    assert reading.usage == Usage(184_220, 4000, 200, 3540, 30, cache_write_1h=50)


def test_cache_writes_are_read_by_kind_where_their_sum_is_left_out() -> None:
    usage = {key: value for key, value in START_USAGE.items() if key != "cache_creation_input_tokens"}
    raw = json.dumps({"id": "msg_2", "model": "m", "usage": usage}).encode()
    reading, _ = read(MESSAGES, MESSAGE_BODY, [raw], "application/json")
    assert reading.usage == Usage(input=3210, cached=3000, cache_write=200, output=1, cache_write_1h=50)


@pytest.mark.parametrize(
    ("usage", "billed"),
    [
        ({"speed": "fast", "service_tier": "standard"}, "fast"),
        ({"speed": "standard", "service_tier": "priority"}, "standard"),
        ({"service_tier": "batch"}, "batch"),
    ],
)
def test_speed_is_what_costs_more_and_priority_is_not(usage: dict[str, str], billed: str) -> None:
    reading, _ = read(MESSAGES, MESSAGE_BODY, message_events(usage))
    assert billed_tier("flex", reading.served_tier) == billed


@pytest.mark.parametrize(
    ("parts", "status", "failure"),
    [
        (message_events(stop=False), "cut", ""),
        (message_events()[:-1], "cut", ""),
        (
            [b'data: {"type": "error", "error": {"type": "overloaded_error"}}\n\n'],
            "error",
            "overloaded_error",
        ),
        (
            [*message_events(stop=False), b'data: {"type":"error","error":{"type":"api_error"}}\n\n'],
            "cut",
            "api_error",
        ),
    ],
)
def test_each_way_a_message_ends_has_its_status(parts: list[bytes], status: str, failure: str) -> None:
    reading, _ = read(MESSAGES, MESSAGE_BODY, parts)
    assert (status_of(200, reading), reading.failure) == (status, failure)


@given(st.binary(max_size=300))
def test_no_bytes_break_a_reader_and_all_are_passed(noise: bytes) -> None:
    for dialect, body in ((CHAT, CHAT_BODY), (MESSAGES, MESSAGE_BODY)):
        assert read(dialect, body, [noise[:100], noise[100:]])[1] == noise


@pytest.mark.parametrize(
    ("asked", "tier", "written", "beta"),
    [
        (None, "standard", None, False),
        ("standard", "standard", "standard", False),
        ("fast", "standard", "standard", False),
        (None, "fast", "fast", True),
        ("fast", "fast", "fast", False),
        (None, "flex", None, False),
    ],
)
def test_the_routes_speed_wins(asked: str | None, tier: Tier, written: str | None, beta: bool) -> None:
    raw = json.dumps({"model": "m", **({"speed": asked} if asked else {})}).encode()
    prepared = MESSAGES.prepare(raw, tier)
    assert json.loads(prepared.body).get("speed") == written
    assert (prepared.body is raw) == (asked == written)
    assert bool(prepared.headers) == beta


def test_a_message_that_calls_another_model_is_refused_and_own_tools_are_reserved_for() -> None:
    for other in (b'"tools": [{"type": "advisor_20260301"}]', b'"fallbacks": [{"model": "dearer"}]'):
        with pytest.raises(BadRequest, match="second model"):
            MESSAGES.prepare(b'{"model": "m", ' + other + b"}", "standard")
    search = b'{"model": "m", "max_tokens": 10, "tools": [{"type": "web_search_20250305"}]}'
    prepared = MESSAGES.prepare(search, "standard")
    assert (prepared.opaque, prepared.samplings) == (True, 11)
    assert worst_usage(load_book(), "anthropic", prepared, 50).output == 110
    assert not MESSAGES.prepare(MESSAGE_BODY, "standard").opaque


def test_refusals_have_the_shape_that_each_apis_clients_stop_on() -> None:
    limit = Problem(429, "insufficient_quota", "insufficient_quota", "over", final=True)
    status, body = MESSAGES.shaped(limit)
    assert (status, json.loads(body)) == (
        402,
        {"type": "error", "error": {"type": "billing_error", "message": "over"}},
    )
    status, body = CHAT.shaped(limit)
    assert (status, json.loads(body)["error"]["code"]) == (429, "insufficient_quota")

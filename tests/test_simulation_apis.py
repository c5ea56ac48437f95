"""The simulated provider's three APIs, read by the gateway's dialects: what was billed is what is read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hundredfold.gateway.dialects.chat import Chat as ChatDialect
from hundredfold.gateway.dialects.messages import Messages as MessagesDialect
from hundredfold.gateway.dialects.protocol import Dialect
from hundredfold.gateway.dialects.responses import Responses as ResponsesDialect
from hundredfold.simulation.provider.apis.chat import Chat
from hundredfold.simulation.provider.apis.messages import Messages
from hundredfold.simulation.provider.apis.protocol import Answer, Api
from hundredfold.simulation.provider.apis.responses import Responses
from hundredfold.simulation.provider.moves import Call, Move, Say
from hundredfold.vocabulary import Usage
from tests.support.provider import simulated_provider

PAIRS: list[tuple[Api, Dialect]] = [
    (Responses(), ResponsesDialect()),
    (Chat(), ChatDialect()),
    (Messages(), MessagesDialect()),
]
MOVES: list[Move] = [
    Say('A word: "data: [DONE]"\n\nevent: message_stop'),
    Say("No.", refusal=True),
    Call("function", "Bash", "", '{"command": "ls \\n"}'),
]


@st.composite
def usages(draw: st.DrawFn) -> Usage:
    whole, output = draw(st.integers(0, 10**7)), draw(st.integers(1, 10**6))
    cached = draw(st.integers(0, whole))
    written = draw(st.integers(0, whole - cached))
    return Usage(whole, cached, written, output, draw(st.integers(0, output)))


@pytest.mark.parametrize("pair", PAIRS, ids=["responses", "chat", "messages"])
@given(usage=usages(), move=st.sampled_from(MOVES), cut=st.integers(1, 200), data=st.data())
def test_what_is_written_is_what_the_gateway_reads(
    pair: tuple[Api, Dialect], usage: Usage, move: Move, cut: int, data: st.DataObject
) -> None:
    api, dialect = pair
    answer = Answer(
        response_id=f"{api.prefix}1", model="m-1", created=1, asked_tier="auto", tier="priority",
        moves=(move,), usage=usage,
    )  # fmt: skip
    body = json.dumps({"model": "m", "input": "x", "messages": [], "max_tokens": 9, "stream": True}).encode()
    prepared = dialect.prepare(body, "fast")
    streamed = dialect.reader(prepared, 200, "text/event-stream")
    whole = dialect.reader(prepared, 200, "application/json")
    events = b"".join(api.events(answer))
    for start in range(0, len(events), cut * 7):
        streamed.feed(events[start : start + cut * 7])
    streamed.end()
    whole.feed(api.whole(answer))
    whole.end()
    for reader in (streamed, whole):
        reading = reader.reading
        assert reading.usage == usage
        assert reading.response_id == f"{api.prefix}1"
        assert reading.served_model == "m-1"
        assert reading.served_tier in ("priority", "fast")
        assert reading.failure == ""
    # A stream that broke before its last events is never taken for a whole one.
    until = data.draw(st.integers(1, len(api.events(answer)) - api.tail))
    broken = dialect.reader(prepared, 200, "text/event-stream")
    broken.feed(b"".join(api.events(answer)[:until]))
    broken.end()
    assert not broken.reading.complete
    assert broken.reading.usage is None


SCHEMA = {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}}


def chat_body(messages: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    tool = {"name": "read_file", "parameters": {"type": "object", "properties": {"path": {"type": "string"}}}}
    form = {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}}
    tools = [{"type": "function", "function": tool}]
    return {"model": "gpt-5.5", "messages": messages, "tools": tools, "response_format": form, **more}


async def test_a_conversation_by_chat_completions_calls_a_tool_and_answers_by_the_schema(
    tmp_path: Path,
) -> None:
    messages: list[dict[str, Any]] = [{"role": "user", "content": "Look at src/main.py."}]
    with simulated_provider(tmp_path, mind={"rounds": [1, 1]}) as provider:
        async with aiohttp.ClientSession() as session:
            url = f"{provider.base_url}/chat/completions"
            async with session.post(url, json=chat_body(messages)) as answer:
                first = await answer.json()
            called = first["choices"][0]["message"]
            messages += [
                called,
                {"role": "tool", "tool_call_id": called["tool_calls"][0]["id"], "content": "x"},
            ]
            async with session.post(url, json=chat_body(messages)) as answer:
                second = await answer.json()
            unasked = chat_body(messages, stream=True)
            asked = chat_body(messages, stream=True, stream_options={"include_usage": True})
            told = []
            for body in (unasked, asked):
                async with session.post(url, json=body) as answer:
                    told.append(b'"prompt_tokens"' in await answer.read())
        log = provider.lines()
    assert json.loads(called["tool_calls"][0]["function"]["arguments"])["path"] == "src/main.py"
    assert first["choices"][0]["finish_reason"] == "tool_calls"
    assert isinstance(json.loads(second["choices"][0]["message"]["content"])["n"], int)
    assert told == [False, True]
    used = [line.usage for line in log]
    for said, true in zip((first, second), used, strict=False):
        assert true is not None
        assert said["usage"]["prompt_tokens"] == true.input
        assert said["usage"]["completion_tokens"] == true.output


async def test_a_message_writes_what_is_marked_to_the_cache_and_reads_it_again(tmp_path: Path) -> None:
    mark = {"cache_control": {"type": "ephemeral"}}
    long = {"type": "text", "text": "word " * 2000}
    first = {"role": "user", "content": [{**long, **mark}]}
    later = [{"role": "user", "content": [long]}, {"role": "assistant", "content": "yes"}, first]
    with simulated_provider(tmp_path, mind={"rounds": [0, 0]}) as provider:
        async with aiohttp.ClientSession() as session:
            used = []
            for messages in ([first], later):
                body = {"model": "claude-opus-5-5", "max_tokens": 999, "messages": messages}
                async with session.post(f"{provider.base_url}/messages", json=body) as answer:
                    used.append((await answer.json())["usage"])
            count = {"model": "m", "messages": [first]}
            async with session.post(f"{provider.base_url}/messages/count_tokens", json=count) as answer:
                counted = (await answer.json())["input_tokens"]
        log = provider.lines()
    assert used[0]["cache_read_input_tokens"] == 0
    assert used[0]["cache_creation_input_tokens"] > 2000
    assert used[1]["cache_read_input_tokens"] > 2000
    assert len(log) == 2  # counting bills nothing
    assert log[0].usage is not None
    assert counted == log[0].usage.input
    parts = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
    assert sum(used[0][part] for part in parts) == log[0].usage.input


@pytest.mark.parametrize(
    ("fault", "path", "status", "words"),
    [
        ("throttled", "messages", 429, "rate_limit_error"),
        ("quota", "messages", 402, "billing_error"),
        ("context", "messages", 400, "prompt is too long"),
        ("overloaded", "messages", 529, "overloaded_error"),
        ("quota", "chat/completions", 429, "insufficient_quota"),
        ("overloaded", "chat/completions", 503, "server_is_overloaded"),
    ],
)
async def test_each_api_says_an_error_in_its_own_words(
    tmp_path: Path, fault: str, path: str, status: int, words: str
) -> None:
    body = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "x"}]}
    with simulated_provider(tmp_path, faults={fault: 1.0}) as provider:
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{provider.base_url}/{path}", json=body) as answer,
        ):
            said = await answer.text()
            assert answer.status == status
        (line,) = provider.lines()
    assert words in said
    assert line.usage is None
    assert line.status == status

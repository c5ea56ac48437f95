"""Answers of the Chat Completions and Messages APIs as bytes, for readers and for a tiny provider."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from tests.support.upstream import Respond, Seen

CHAT_USAGE = {
    "prompt_tokens": 1000,
    "completion_tokens": 70,
    "total_tokens": 1070,
    "prompt_tokens_details": {"cached_tokens": 896},
    "completion_tokens_details": {"reasoning_tokens": 64},
}
START_USAGE = {
    "input_tokens": 10,
    "cache_creation_input_tokens": 200,
    "cache_read_input_tokens": 3000,
    "cache_creation": {"ephemeral_5m_input_tokens": 150, "ephemeral_1h_input_tokens": 50},
    "output_tokens": 1,
    "service_tier": "standard",
}


def chat_chunk(usage: dict[str, Any] | None = None, **more: Any) -> bytes:
    """One chunk of a chat stream."""
    chunk = {"id": "chatcmpl-1", "model": "gpt-5.5-2026-04-23", "service_tier": "priority", **more}
    chunk.setdefault("choices", [{"index": 0, "delta": {"content": "wörd"}, "finish_reason": None}])
    return b"data: " + json.dumps({**chunk, "usage": usage}).encode() + b"\n\n"


#: the extra chunk of a stream whose usage was asked for
CHAT_REPORT = chat_chunk(CHAT_USAGE, choices=[])
CHAT_DONE = b"data: [DONE]\n\n"


def message_events(
    final: Mapping[str, Any] | None = None, *, deltas: int = 3, stop: bool = True
) -> list[bytes]:
    """The events of a message's stream; `final` is added to the usage at its end."""
    message = {"id": "msg_1", "type": "message", "model": "claude-opus-4-7", "usage": START_USAGE}
    found: list[dict[str, Any]] = [{"type": "message_start", "message": message}]
    found.append({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}})
    found.append({"type": "ping"})
    delta = {"type": "text_delta", "text": 'says "type":"message_stop" and more'}
    found += [{"type": "content_block_delta", "index": 0, "delta": delta}] * deltas
    found.append({"type": "content_block_stop", "index": 0})
    if stop:
        ended = {"stop_reason": "end_turn"}
        found.append(
            {"type": "message_delta", "delta": ended, "usage": {"output_tokens": 40, **(final or {})}}
        )
        found.append({"type": "message_stop"})
    return [f"event: {one['type']}\ndata: {json.dumps(one)}\n\n".encode() for one in found]


def sent(*parts: bytes, content_length: bool = False) -> Respond:
    """Answers everything with these parts of an event stream."""

    async def respond(seen: Seen, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        if content_length:
            response.content_length = sum(map(len, parts))
        await response.prepare(request)
        for part in parts:
            await response.write(part)
        await response.write_eof()
        return response

    return respond

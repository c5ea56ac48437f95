"""Anthropic's Messages API: `POST /v1/messages`, streamed or not.

Source: platform.claude.com/docs, "Messages", "Streaming messages", "Prompt caching", "Errors". Its
`input_tokens` leave out what was read from and written to the prompt cache. What is marked with
`cache_control` is written to the cache; the marks move from request to request, so they are no part of what
tokens are counted on. Claude Code asks for answers by a schema through a tool, `StructuredOutput`.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

import msgspec
from msgspec import Raw, Struct

from hundredfold.simulation.provider.apis.protocol import Answer, Refusal, pieces
from hundredfold.simulation.provider.moves import Call, Move, Say
from hundredfold.simulation.provider.request import PREAMBLES, Request, Tool, conversation_of
from hundredfold.vocabulary import Usage

#: the tool by which Claude Code takes an answer that obeys a schema
ANSWER_TOOL = "StructuredOutput"

_MARK = re.compile(rb',?\s*"cache_control"\s*:\s*\{[^{}]*\}')
#: what Claude Code says of itself; it differs from request to request
_BILLING = re.compile(rb"x-anthropic-billing-header:[^\"\\]*")
_ERROR_TYPES = {
    "throttled": (429, "rate_limit_error"),
    "quota": (402, "billing_error"),
    "context": (400, "invalid_request_error"),
    "overloaded": (529, "overloaded_error"),
    "invalid": (400, "invalid_request_error"),
}
_TOO_LONG = "prompt is too long: 250000 tokens > 200000 maximum"

_json = msgspec.json.encode


class _Block(Struct):
    type: str = "text"
    text: str = ""
    name: str = ""
    is_error: bool | None = None


class _Message(Struct):
    role: str
    content: list[_Block] | str


class _Tool(Struct):
    name: str
    type: str | None = None
    input_schema: dict[str, Any] | None = None


class _Format(Struct):
    type: str = "text"
    schema: dict[str, Any] | None = None


class _Config(Struct):
    effort: str | None = None
    format: _Format | None = None


class _Metadata(Struct):
    user_id: str | None = None


class _Choice(Struct):
    type: str = "auto"


class _Body(Struct):
    model: str
    messages: list[Raw]
    max_tokens: int = 4096
    system: Raw = Raw(b'""')
    tools: Raw = Raw(b"[]")
    tool_choice: _Choice | None = None
    output_config: _Config | None = None
    metadata: _Metadata | None = None
    stream: bool | None = None
    speed: str | None = None


_body = msgspec.json.Decoder(_Body)
_message = msgspec.json.Decoder(_Message)
_tools = msgspec.json.Decoder(list[_Tool])


class Messages:
    """`Api` for the Messages API."""

    path = "/v1/messages"
    prefix = "msg_"
    tail = 2

    def read(self, body: bytes) -> Request:
        """See `Api.read`."""
        raw = _body.decode(body)
        blocks = [_MARK.sub(b"", bytes(message)) for message in raw.messages]
        offered = _offered(_MARK.sub(b"", bytes(raw.tools)))
        said = _Said()
        for block in blocks:
            said.take(_message.decode(block))
        answer_tool = next((tool for tool in offered if tool.name == ANSWER_TOOL), None)
        form = raw.output_config.format if raw.output_config else None
        silent = raw.tool_choice is not None and raw.tool_choice.type == "none"
        head = [_BILLING.sub(b"", _MARK.sub(b"", bytes(part))) for part in (raw.system, raw.tools)]
        return Request(
            model=raw.model,
            tier="fast" if raw.speed == "fast" else "",
            stream=bool(raw.stream),
            effort=(raw.output_config.effort or "") if raw.output_config else "",
            conversation=(raw.metadata.user_id if raw.metadata else None) or conversation_of(blocks),
            max_output_tokens=raw.max_tokens,
            schema=answer_tool.parameters if answer_tool else form.schema if form else None,
            tools=() if silent else tuple(tool for tool in offered if tool is not answer_tool),
            prompt="\n\n".join(said.prompt),
            rounds=said.rounds,
            answered=said.answered,
            blocks=(*head, *blocks),
            answer_tool=answer_tool.name if answer_tool else "",
            writes=b'"cache_control"' in body,
        )

    def whole(self, answer: Answer) -> bytes:
        """The whole answer as one JSON object."""
        content = [_content(answer, number, move) for number, move in enumerate(answer.moves)]
        usage = _usage(answer, answer.usage) if answer.usage is not None else None
        return _json({**_shell(answer), "content": content, "stop_reason": _reason(answer), "usage": usage})

    def events(self, answer: Answer) -> list[bytes]:
        """See `Api.events`. The input is told at the start, the output at the end."""
        start: dict[str, Any] = {**_shell(answer), "content": [], "stop_reason": None}
        if answer.usage is not None:
            begun = msgspec.structs.replace(answer.usage, output=min(1, answer.usage.output), reasoning=0)
            start["usage"] = _usage(answer, begun)
        found = [_event("message_start", message=start), _event("ping")]
        for number, move in enumerate(answer.moves):
            whole = _content(answer, number, move)
            empty = {**whole, "text": ""} if isinstance(move, Say) else {**whole, "input": {}}
            found.append(_event("content_block_start", index=number, content_block=empty))
            kind, key, text = ("text_delta", "text", move.text) if isinstance(move, Say) else (
                "input_json_delta", "partial_json", move.arguments
            )  # fmt: skip
            found += [
                _event("content_block_delta", index=number, delta={"type": kind, key: piece})
                for piece in pieces(text)
            ]
            found.append(_event("content_block_stop", index=number))
        ended: dict[str, Any] = {"delta": {"stop_reason": _reason(answer), "stop_sequence": None}}
        if answer.usage is not None:
            ended["usage"] = {
                "output_tokens": answer.usage.output,
                "output_tokens_details": {"thinking_tokens": answer.usage.reasoning},
            }
        return [*found, _event("message_delta", **ended), _event("message_stop")]

    def refused(self, refusal: Refusal) -> tuple[int, bytes]:
        """An error of Anthropic's shape."""
        status, kind = _ERROR_TYPES.get(refusal.outcome, (refusal.status, "api_error"))
        message = _TOO_LONG if refusal.outcome == "context" else refusal.message
        return status, _json({"type": "error", "error": {"type": kind, "message": message}})

    def overloaded(self, response_id: str, refusal: Refusal) -> bytes | None:
        """A stream that holds nothing but the error."""
        return _event("error", error={"type": "overloaded_error", "message": "Overloaded"})


class _Said:
    """What the conversation holds so far."""

    def __init__(self) -> None:
        self.prompt: list[str] = []
        self.rounds = 0
        self.answered = False
        self._last_tool = ""

    def take(self, message: _Message) -> None:
        content = message.content
        blocks = [_Block(text=content)] if isinstance(content, str) else content
        if message.role == "assistant":
            self.answered = not any(block.type == "tool_use" for block in blocks)
            self._last_tool = next((b.name for b in reversed(blocks) if b.type == "tool_use"), "")
            return
        results = [block for block in blocks if block.type == "tool_result"]
        self.rounds += len(results)
        self.answered = self._last_tool == ANSWER_TOOL and any(not block.is_error for block in results)
        texts = [block.text for block in blocks if block.type == "text"]
        self.prompt += [text for text in texts if not text.lstrip().startswith(PREAMBLES)]


@lru_cache(maxsize=64)
def _offered(tools: bytes) -> tuple[Tool, ...]:
    return tuple(
        Tool("function", tool.name, "", tool.input_schema)
        for tool in _tools.decode(tools)
        if tool.input_schema is not None
    )


def _event(name: str, **fields: Any) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (name.encode(), _json({"type": name, **fields}))


def _shell(answer: Answer) -> dict[str, Any]:
    return {
        "id": answer.response_id,
        "type": "message",
        "role": "assistant",
        "model": answer.model,
        "stop_sequence": None,
    }


def _content(answer: Answer, number: int, move: Move) -> dict[str, Any]:
    if isinstance(move, Call):
        identity = f"toolu_{answer.response_id.removeprefix('msg_')}{number}"
        return {
            "type": "tool_use",
            "id": identity,
            "name": move.name,
            "input": msgspec.json.decode(move.arguments),
        }
    return {"type": "text", "text": move.text}


def _reason(answer: Answer) -> str:
    if answer.incomplete:
        return "max_tokens"
    if any(isinstance(move, Say) and move.refusal for move in answer.moves):
        return "refusal"
    return "end_turn" if all(isinstance(move, Say) for move in answer.moves) else "tool_use"


def _usage(answer: Answer, usage: Usage) -> dict[str, Any]:
    told: dict[str, Any] = {
        "input_tokens": usage.input - usage.cached - usage.cache_write,
        "cache_creation_input_tokens": usage.cache_write,
        "cache_read_input_tokens": usage.cached,
        "cache_creation": {
            "ephemeral_5m_input_tokens": usage.cache_write,
            "ephemeral_1h_input_tokens": 0,
        },
        "output_tokens": usage.output,
        "output_tokens_details": {"thinking_tokens": usage.reasoning},
    }
    if answer.tier is not None:
        told |= {"service_tier": "standard", "speed": "fast" if answer.tier == "priority" else "standard"}
    return told

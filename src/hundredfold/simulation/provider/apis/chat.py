"""OpenAI's Chat Completions API: `POST /v1/chat/completions`, streamed or not.

Source: platform.openai.com/docs/api-reference/chat. A stream says what it used only if it was asked to
(`stream_options.include_usage`), in one extra chunk without choices before `[DONE]`.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw, Struct

from hundredfold.simulation.provider.apis import openai
from hundredfold.simulation.provider.apis.protocol import Answer, Refusal, pieces
from hundredfold.simulation.provider.moves import Say
from hundredfold.simulation.provider.request import PREAMBLES, Request, Tool, conversation_of
from hundredfold.vocabulary import Usage

_json = msgspec.json.encode


class _Schema(Struct):
    schema: dict[str, Any] | None = None


class _Format(Struct):
    type: str = "text"
    json_schema: _Schema | None = None


class _Part(Struct):
    text: str = ""


class _Message(Struct):
    role: str
    content: list[_Part] | str | None = None
    tool_calls: list[Raw] | None = None


class _Function(Struct):
    name: str
    parameters: dict[str, Any] | None = None


class _Tool(Struct):
    type: str
    function: _Function | None = None


class _Options(Struct):
    include_usage: bool = False


class _Body(Struct):
    model: str
    messages: list[Raw]
    tools: Raw = Raw(b"[]")
    tool_choice: str | dict[str, Any] = "auto"
    response_format: _Format | None = None
    reasoning_effort: str | None = None
    service_tier: str | None = None
    stream: bool | None = None
    stream_options: _Options | None = None
    max_completion_tokens: int | None = None
    max_tokens: int | None = None
    prompt_cache_key: str | None = None


_body = msgspec.json.Decoder(_Body)
_message = msgspec.json.Decoder(_Message)
_tools = msgspec.json.Decoder(list[_Tool])


class Chat:
    """`Api` for Chat Completions."""

    path = "/v1/chat/completions"
    prefix = "chatcmpl-"
    tail = 3

    def read(self, body: bytes) -> Request:
        """See `Api.read`."""
        raw = _body.decode(body)
        blocks = [bytes(message) for message in raw.messages]
        prompt: list[str] = []
        rounds, answered = 0, False
        for block in blocks:
            message = _message.decode(block)
            match message.role:
                case "user":
                    text = _text_of(message)
                    if not text.startswith(PREAMBLES):
                        prompt.append(text)
                case "assistant":
                    answered = not message.tool_calls
                case "tool":
                    rounds, answered = rounds + 1, False
        form = raw.response_format
        return Request(
            model=raw.model,
            tier=raw.service_tier or "",
            stream=bool(raw.stream),
            effort=raw.reasoning_effort or "",
            conversation=raw.prompt_cache_key or conversation_of(blocks[1:] or blocks),
            max_output_tokens=raw.max_completion_tokens or raw.max_tokens,
            schema=form.json_schema.schema if form is not None and form.json_schema is not None else None,
            tools=() if raw.tool_choice == "none" else _offered(raw.tools),
            prompt="\n\n".join(prompt),
            rounds=rounds,
            answered=answered,
            blocks=(bytes(raw.tools), *blocks),
            told=raw.stream_options is not None and raw.stream_options.include_usage,
        )

    def whole(self, answer: Answer) -> bytes:
        """The whole answer as one JSON object."""
        message = {"role": "assistant", "content": None, "refusal": None, **_said(answer)}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": _reason(answer)}
        usage = _usage(answer.usage) if answer.usage is not None else None
        body = {**_named(answer, "chat.completion"), "choices": [choice], "usage": usage}
        return _json(_served(answer, body))

    def events(self, answer: Answer) -> list[bytes]:
        """See `Api.events`."""
        chunks = [_choice(answer, {"role": "assistant", "content": ""})]
        for number, move in enumerate(answer.moves):
            if isinstance(move, Say):
                key = "refusal" if move.refusal else "content"
                chunks += [_choice(answer, {key: piece}) for piece in pieces(move.text)]
                continue
            begun = {"index": number, "id": f"call_{answer.response_id[9:]}{number}", "type": "function"}
            named = {**begun, "function": {"name": move.name, "arguments": ""}}
            chunks.append(_choice(answer, {"tool_calls": [named]}))
            chunks += [
                _choice(answer, {"tool_calls": [{"index": number, "function": {"arguments": piece}}]})
                for piece in pieces(move.arguments)
            ]
        chunks.append(_served(answer, _choice(answer, {}, _reason(answer))))
        if answer.told and answer.usage is not None:
            report = {
                **_named(answer, "chat.completion.chunk"),
                "choices": [],
                "usage": _usage(answer.usage),
            }
            chunks.append(_served(answer, report))
        return [b"data: %b\n\n" % _json(chunk) for chunk in chunks] + [b"data: [DONE]\n\n"]

    def refused(self, refusal: Refusal) -> tuple[int, bytes]:
        """An error of OpenAI's shape."""
        return openai.refused(refusal)

    def overloaded(self, response_id: str, refusal: Refusal) -> bytes | None:
        """Always an HTTP error."""
        return None


def _text_of(message: _Message) -> str:
    if isinstance(message.content, str):
        return message.content
    return "\n".join(part.text for part in message.content or ())


def _offered(tools: Raw) -> tuple[Tool, ...]:
    return tuple(
        Tool("function", one.function.name, "", one.function.parameters or {})
        for one in _tools.decode(tools)
        if one.type == "function" and one.function is not None
    )


def _named(answer: Answer, kind: str) -> dict[str, Any]:
    return {"id": answer.response_id, "object": kind, "created": answer.created, "model": answer.model}


def _served(answer: Answer, body: dict[str, Any]) -> dict[str, Any]:
    return body if answer.tier is None else {**body, "service_tier": answer.tier}


def _choice(answer: Answer, delta: dict[str, Any], reason: str | None = None) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
    return {**_named(answer, "chat.completion.chunk"), "choices": [choice], "usage": None}


def _said(answer: Answer) -> dict[str, Any]:
    found: dict[str, Any] = {}
    calls = []
    for number, move in enumerate(answer.moves):
        if isinstance(move, Say):
            found["refusal" if move.refusal else "content"] = move.text
        else:
            function = {"name": move.name, "arguments": move.arguments}
            identity = f"call_{answer.response_id[9:]}{number}"
            calls.append({"id": identity, "type": "function", "function": function})
    return {**found, "tool_calls": calls} if calls else found


def _reason(answer: Answer) -> str:
    if answer.incomplete:
        return "length"
    return "stop" if all(isinstance(move, Say) for move in answer.moves) else "tool_calls"


def _usage(usage: Usage) -> dict[str, Any]:
    inputs = {"cached_tokens": usage.cached}
    if usage.cache_write:
        inputs["cache_write_tokens"] = usage.cache_write
    return {
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.input + usage.output,
        "prompt_tokens_details": inputs,
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning},
    }

"""OpenAI's Responses API: `POST /v1/responses`, streamed or not.

Events are assembled from byte templates; only text is encoded. A stream names its response in every event
that an agent program or a proxy reads: created, each item, completed with usage and served tier. Models of
the newer families are offered their tools as input items ("additional_tools").
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import msgspec
from msgspec import Raw, Struct

from hundredfold.simulation.provider.apis import openai
from hundredfold.simulation.provider.apis.protocol import Answer, Refusal, pieces
from hundredfold.simulation.provider.moves import Call, Move, Say
from hundredfold.simulation.provider.request import PREAMBLES, Request, Tool, conversation_of
from hundredfold.vocabulary import Usage

_json = msgspec.json.encode


class _Format(Struct):
    type: str = "text"
    schema: dict[str, Any] | None = None


class _Text(Struct):
    format: _Format | None = None


class _Reasoning(Struct):
    effort: str | None = None


class _Part(Struct):
    text: str = ""


class _Item(Struct):
    type: str = "message"
    role: str = ""
    content: list[_Part] | str | None = None
    tools: Raw = Raw(b"[]")


class _Tool(Struct):
    type: str
    name: str = ""
    parameters: dict[str, Any] | None = None
    tools: list[_Tool] = []


class _Body(Struct):
    model: str
    input: list[Raw] | str
    instructions: str | None = None
    tools: Raw = Raw(b"[]")
    text: _Text | None = None
    reasoning: _Reasoning | None = None
    service_tier: str | None = None
    stream: bool = False
    prompt_cache_key: str | None = None
    max_output_tokens: int | None = None
    tool_choice: str | dict[str, Any] = "auto"


class Responses:
    """`Api` for the Responses API."""

    path = "/v1/responses"
    prefix = "resp_"
    tail = 1

    def read(self, body: bytes) -> Request:
        """See `Api.read`."""
        return read_request(body)

    def whole(self, answer: Answer) -> bytes:
        """The whole answer as one JSON object."""
        return response_json(answer)

    def events(self, answer: Answer) -> list[bytes]:
        """See `Api.events`."""
        return events(answer)

    def refused(self, refusal: Refusal) -> tuple[int, bytes]:
        """An error of OpenAI's shape."""
        return openai.refused(refusal)

    def overloaded(self, response_id: str, refusal: Refusal) -> bytes | None:
        """A stream that fails at once."""
        return failed_event(response_id, refusal.code, refusal.message)


_body = msgspec.json.Decoder(_Body)
_items = msgspec.json.Decoder(_Item)
_tools = msgspec.json.Decoder(list[_Tool])


def read_request(body: bytes) -> Request:
    """Decode a request's body.

    Raises:
        msgspec.DecodeError: it is not a Responses request (`ValidationError` is one of these).
    """
    raw = _body.decode(body)
    offered = list(_offered(bytes(raw.tools)))
    prompt: list[str] = []
    rounds = 0
    answered = False
    if isinstance(raw.input, str):
        blocks = [raw.input.encode()]
        prompt.append(raw.input)
    else:
        blocks = [bytes(item) for item in raw.input]
        for block in blocks:
            item = _items.decode(block)
            if item.type == "message":
                if item.role == "user":
                    text = _text_of(item)
                    if not text.startswith(PREAMBLES):
                        prompt.append(text)
                elif item.role == "assistant":
                    answered = True
            elif item.type.endswith("_call_output"):
                rounds += 1
                answered = False
            elif item.type == "additional_tools":
                offered.extend(_offered(bytes(item.tools)))
    head = [(raw.instructions or "").encode(), bytes(raw.tools)]
    form = raw.text.format if raw.text else None
    return Request(
        model=raw.model,
        tier=raw.service_tier or "",
        stream=raw.stream,
        effort=(raw.reasoning.effort or "") if raw.reasoning else "",
        conversation=raw.prompt_cache_key or conversation_of(blocks),
        max_output_tokens=raw.max_output_tokens,
        schema=form.schema if form is not None and form.type == "json_schema" else None,
        tools=() if raw.tool_choice == "none" else tuple(offered),
        prompt="\n\n".join(prompt),
        rounds=rounds,
        answered=answered,
        blocks=(*head, *blocks),
    )


def _text_of(item: _Item) -> str:
    if isinstance(item.content, str):
        return item.content
    return "\n".join(part.text for part in item.content or ())


@lru_cache(maxsize=64)
def _offered(tools: bytes) -> tuple[Tool, ...]:
    return tuple(_flatten(_tools.decode(tools), ""))


def _flatten(tools: list[_Tool], namespace: str) -> list[Tool]:
    found: list[Tool] = []
    for tool in tools:
        if tool.type == "namespace":
            found.extend(_flatten(tool.tools, tool.name))
        elif tool.type in ("function", "custom"):
            found.append(Tool(tool.type, tool.name, namespace, tool.parameters or {}))
    return found


def usage_object(usage: Usage) -> dict[str, Any]:
    """Usage as the Responses API writes it."""
    details = {"cached_tokens": usage.cached}
    if usage.cache_write:
        details["cache_write_tokens"] = usage.cache_write
    return {
        "input_tokens": usage.input,
        "input_tokens_details": details,
        "output_tokens": usage.output,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": usage.input + usage.output,
    }


def response_json(answer: Answer) -> bytes:
    """The whole answer as one JSON object."""
    items = [_item(answer, number, move)[1] for number, move in enumerate(answer.moves)]
    return _response(answer, answer.status, b"[" + b",".join(items) + b"]", ended=True)


def failed_event(response_id: str, code: str, message: str) -> bytes:
    """A stream's `response.failed` event."""
    body = {
        "type": "response.failed",
        "response": {
            "id": response_id,
            "object": "response",
            "status": "failed",
            "error": {"code": code, "message": message},
            "usage": None,
        },
    }
    return b"event: response.failed\ndata: " + _json(body) + b"\n\n"


def events(answer: Answer) -> list[bytes]:
    """The answer as server-sent events, the terminal one last."""
    stream = _Stream()
    opened = _response(answer, b"in_progress", b"[]", ended=False)
    stream.add(b"response.created", b'"response":' + opened)
    stream.add(b"response.in_progress", b'"response":' + opened)
    items: list[bytes] = []
    for number, move in enumerate(answer.moves):
        started, finished = _item(answer, number, move)
        at = b'"output_index":%d,' % number
        stream.add(b"response.output_item.added", at + b'"item":' + started)
        _deltas(stream, answer, number, move)
        stream.add(b"response.output_item.done", at + b'"item":' + finished)
        items.append(finished)
    done = _response(answer, answer.status, b"[" + b",".join(items) + b"]", ended=True)
    stream.add(b"response." + answer.status, b'"response":' + done)
    return stream.events


class _Stream:
    """Events under construction, numbered."""

    def __init__(self) -> None:
        self.events: list[bytes] = []

    def add(self, name: bytes, fields: bytes) -> None:
        number = len(self.events)
        self.events.append(
            b'event: %b\ndata: {"type":"%b","sequence_number":%d,%b}\n\n' % (name, name, number, fields)
        )


def _response(answer: Answer, status: bytes, output: bytes, *, ended: bool) -> bytes:
    usage = _json(usage_object(answer.usage)) if ended and answer.usage is not None else b"null"
    named = answer.tier if ended or answer.tier is None else answer.asked_tier
    tier = b"" if named is None else b'"service_tier":%b,' % _json(named)
    return (
        b'{"id":%b,"object":"response","created_at":%d,"status":"%b","error":null,"incomplete_details":%b,'
        b'"max_output_tokens":%b,"model":%b,"output":%b,"parallel_tool_calls":true,'
        b'"reasoning":{"effort":%b,"summary":null},%b"store":false,"usage":%b}'
    ) % (
        _json(answer.response_id),
        answer.created,
        status,
        b'{"reason":"max_output_tokens"}' if status == b"incomplete" else b"null",
        _json(answer.max_output_tokens),
        _json(answer.model),
        output,
        _json(answer.effort or None),
        tier,
        usage,
    )


def _id(answer: Answer, number: int, prefix: str) -> str:
    return f"{prefix}_{answer.response_id.removeprefix('resp_')}{number}"


def _part(move: Say) -> bytes:
    if move.refusal:
        return b'{"type":"refusal","refusal":%b}' % _json(move.text)
    return b'{"type":"output_text","annotations":[],"logprobs":[],"text":%b}' % _json(move.text)


def _item(answer: Answer, number: int, move: Move) -> tuple[bytes, bytes]:
    """An output item as it is when it begins and when it is done."""
    if isinstance(move, Say):
        shape = b'{"id":%b,"type":"message","status":"%b","role":"assistant","content":[%b]}'
        name = _json(_id(answer, number, "msg"))
        return shape % (name, b"in_progress", b""), shape % (name, b"completed", _part(move))
    field, prefix = ("input", "ctc") if move.kind == "custom" else ("arguments", "fc")
    shape = b'{"id":%b,"type":"%b_call","status":"%b","call_id":%b,"name":%b,%b"' + field.encode() + b'":%b}'
    kind = b"custom_tool" if move.kind == "custom" else b"function"
    name, call = _json(_id(answer, number, prefix)), _json(_id(answer, number, "call"))
    space = b'"namespace":%b,' % _json(move.namespace) if move.namespace else b""
    begun = shape % (name, kind, b"in_progress", call, _json(move.name), space, b'""')
    return begun, shape % (
        name,
        kind,
        b"completed",
        call,
        _json(move.name),
        space,
        _json(move.arguments),
    )


def _deltas(stream: _Stream, answer: Answer, number: int, move: Move) -> None:
    prefix, text = ("msg", move.text) if isinstance(move, Say) else ("fc", move.arguments)
    if isinstance(move, Call) and move.kind == "custom":
        prefix = "ctc"
    where = b'"item_id":%b,"output_index":%d,' % (_json(_id(answer, number, prefix)), number)
    if isinstance(move, Say):
        where += b'"content_index":0,'
        kind, final = (b"refusal", b"refusal") if move.refusal else (b"output_text", b"text")
        empty = Say("", refusal=move.refusal)
        stream.add(b"response.content_part.added", where + b'"part":' + _part(empty))
    elif move.kind == "custom":
        kind, final = b"custom_tool_call_input", b"input"
    else:
        kind, final = b"function_call_arguments", b"arguments"
    for piece in pieces(text):
        stream.add(b"response.%b.delta" % kind, where + b'"delta":' + _json(piece))
    stream.add(b"response.%b.done" % kind, where + b'"%b":' % final + _json(text))
    if isinstance(move, Say):
        stream.add(b"response.content_part.done", where + b'"part":' + _part(move))

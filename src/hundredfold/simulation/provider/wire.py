"""The bytes of an answer: the event stream of the Responses API, or its plain JSON.

Events are assembled from byte templates; only text is encoded. A stream names its response in every event
that an agent program or a proxy reads: created, each item, completed with usage and served tier.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct

from hundredfold.simulation.provider.moves import Call, Move, Say
from hundredfold.vocabulary import Usage

MOST_DELTAS = 32
LEAST_DELTA = 16  # characters

_json = msgspec.json.encode


class Answer(Struct, frozen=True):
    """All that an answer says.

    `tier` and `usage` are None where it leaves them out; `max_output_tokens` ended an `incomplete` one early.
    While a stream is under way its events name `asked_tier`; only the last one names the tier that served it.
    """

    response_id: str
    model: str
    created: int
    asked_tier: str
    tier: str | None
    moves: tuple[Move, ...]
    usage: Usage | None
    effort: str = ""
    max_output_tokens: int | None = None
    incomplete: bool = False

    @property
    def status(self) -> bytes:
        """How the API calls its end."""
        return b"incomplete" if self.incomplete else b"completed"


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
    for piece in _pieces(text):
        stream.add(b"response.%b.delta" % kind, where + b'"delta":' + _json(piece))
    stream.add(b"response.%b.done" % kind, where + b'"%b":' % final + _json(text))
    if isinstance(move, Say):
        stream.add(b"response.content_part.done", where + b'"part":' + _part(move))


def _pieces(text: str) -> Sequence[str]:
    size = max(LEAST_DELTA, -(-len(text) // MOST_DELTAS))
    return [text[start : start + size] for start in range(0, len(text), size)]

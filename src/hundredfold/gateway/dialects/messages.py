"""Anthropic's Messages API: POST /messages, streamed or not; counting tokens is free and passed on.

Source: platform.claude.com/docs, "Messages", "Streaming messages", "Prompt caching", "Fast mode",
"Compaction" and "Errors". Its `input_tokens` exclude what was read from and written to the prompt cache; ours
include both. A stream states its input at its start and its output, cumulative, towards its end.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from hundredfold.gateway.dialects import openai
from hundredfold.gateway.dialects.protocol import BadRequest, Prepared, Problem, Reader, Reading
from hundredfold.gateway.dialects.rewriting import with_value
from hundredfold.gateway.dialects.sse import EventScanner
from hundredfold.gateway.dialects.whole import BodyReader
from hundredfold.vocabulary import Tier, Usage

FAST_BETA = ("anthropic-beta", "fast-mode-2026-02-01")
#: the provider may run the model this often in one request that has tools of its own: ten rounds of them,
#: and one to compact the conversation
MOST_SAMPLINGS = 11

_OPAQUE = re.compile(rb'"type"\s*:\s*"(?:image|document|container_upload)"|"file_id"\s*:')
_OWN_TOOLS = re.compile(
    rb'"type"\s*:\s*"(?:web_search|web_fetch|code_execution|tool_search|mcp|compact)_|"mcp_servers"\s*:'
)
_ADVISOR = re.compile(rb'"type"\s*:\s*"advisor_')
_TELLING = (re.compile(rb'"type"\s*:\s*"(?:message_start|message_delta|message_stop|error)"'),)
_SPEEDS: dict[Tier, str] = {"fast": "fast", "standard": "standard", "flex": "standard", "batch": "standard"}
_ERROR_TYPES = {
    402: "billing_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
}


class _Asked(Struct):
    model: str
    max_tokens: int | None = None
    speed: str | None = None
    fallbacks: Any = None


class _Writes(Struct):
    ephemeral_5m_input_tokens: int | None = None
    ephemeral_1h_input_tokens: int | None = None


class _Details(Struct):
    thinking_tokens: int | None = None


class _Tokens(Struct):
    input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation: _Writes | None = None
    output_tokens: int | None = None
    output_tokens_details: _Details | None = None
    service_tier: str | None = None
    speed: str | None = None
    type: str | None = None
    iterations: list[_Tokens] | None = None


class _Message(Struct):
    """A whole answer, an error, or what `message_start` holds."""

    id: str | None = None
    model: str | None = None
    usage: _Tokens | None = None
    error: openai.Error | None = None


class _Event(Struct):
    type: str
    message: _Message | None = None
    usage: _Tokens | None = None
    error: openai.Error | None = None


_asked = msgspec.json.Decoder(_Asked)
_event = msgspec.json.Decoder(_Event)
_message = msgspec.json.Decoder(_Message)


class Messages:
    """`Dialect` for the Messages API."""

    name = "messages"

    def metered(self, method: str, path: str) -> bool:
        """Creating a message."""
        return method == "POST" and path == "/messages"

    def free(self, method: str, path: str, headers: Mapping[str, str]) -> bool:
        """Counting tokens, and listing models as this API's clients do."""
        if path == "/messages/count_tokens":
            return method == "POST"
        listing = path == "/models" or path.startswith("/models/")
        return listing and method in ("GET", "HEAD") and "anthropic-version" in headers

    def prepare(self, body: bytes, tier: Tier) -> Prepared:
        """See `Dialect.prepare`; there is no flex or batch here, so both go out as standard."""
        asked = _decoded(body)
        if asked.fallbacks or _ADVISOR.search(body):
            raise BadRequest("it names a second model, as an advisor or a fallback, besides the route's")
        speed = _SPEEDS[tier]
        headers: tuple[tuple[str, str], ...] = ()
        if (asked.speed or "standard") != speed:
            body = _with_speed(body, asked, speed)
            headers = (FAST_BETA,) if speed == "fast" else ()
        looping = _OWN_TOOLS.search(body) is not None
        return Prepared(
            body=body,
            model=asked.model,
            output_cap=asked.max_tokens,
            opaque=looping or _OPAQUE.search(body) is not None,
            samplings=MOST_SAMPLINGS if looping else 1,
            headers=headers,
        )

    def reader(self, prepared: Prepared, status: int, content_type: str) -> Reader:
        """A stream's reader, or one for a single JSON body."""
        if status == 200 and content_type.startswith("text/event-stream"):
            return StreamReader()
        return BodyReader(_take_whole)

    def credentials(self, key: str) -> tuple[str, str]:
        """See `Dialect.credentials`."""
        return "x-api-key", key

    def shaped(self, problem: Problem) -> tuple[int, bytes]:
        """An error as Anthropic's clients show it. They retry every 429, so a limit is a billing error."""
        status = 402 if problem.code == "insufficient_quota" else problem.status
        kind = _ERROR_TYPES.get(status, "invalid_request_error" if status < 500 else "api_error")
        error = {"type": "error", "error": {"type": kind, "message": problem.message}}
        return status, msgspec.json.encode(error)


class StreamReader:
    """Reads a stream of events."""

    streams = True
    withholds = False

    def __init__(self) -> None:
        self.reading = Reading()
        self._scanner = EventScanner(_TELLING, self._found)
        self._tokens = _Tokens()

    def feed(self, chunk: bytes) -> bytes:
        """Take the next bytes; what follows the terminal event can't change the reading."""
        if not self.reading.complete:
            self._scanner.feed(chunk)
        return chunk

    def end(self) -> bytes:
        """The stream ended."""
        if not self.reading.complete:
            self._scanner.end()
        return b""

    def _found(self, data: bytes) -> None:
        reading = self.reading
        if reading.complete:
            return
        try:
            event = _event.decode(data)
        except msgspec.DecodeError:  # not ours to mend; a stream without a readable end is counted as cut
            return
        match event.type:
            case "message_start" if event.message is not None:
                reading.began = True
                _take(reading, event.message)
                self._add(event.message.usage)
            case "message_delta":
                self._add(event.usage)
            case "message_stop":
                reading.complete = True
                reading.usage = reading.so_far
            case "error":
                reading.complete = True
                reading.failure = (event.error or openai.Error()).name

    def _add(self, tokens: _Tokens | None) -> None:
        """Later counts replace earlier ones; what a later report leaves out stays as it was."""
        if tokens is None:
            return
        told = {name: value for name, value in msgspec.structs.asdict(tokens).items() if value is not None}
        self._tokens = msgspec.structs.replace(self._tokens, **told)
        self.reading.so_far = _usage(self._tokens)
        self.reading.served_tier = _tier(self._tokens)


def _take_whole(reading: Reading, body: bytes) -> None:
    message = _message.decode(body)
    _take(reading, message)
    if message.usage is not None:
        reading.usage = _usage(message.usage)
        reading.served_tier = _tier(message.usage)


def _take(reading: Reading, message: _Message) -> None:
    reading.response_id = message.id or reading.response_id
    reading.served_model = message.model or reading.served_model
    if message.error is not None:
        reading.failure = message.error.name


def _usage(tokens: _Tokens) -> Usage | None:
    """The tokens, or None if they can't be true or the report lacks its input or output.

    Compacting the conversation is billed, but stands among the iterations only.
    """
    if tokens.input_tokens is None or tokens.output_tokens is None:
        return None
    compacting = [one for one in tokens.iterations or () if one.type == "compaction"]
    counted = (tokens, *compacting)
    cached = sum(one.cache_read_input_tokens or 0 for one in counted)
    cache_write = sum(_written(one) for one in counted)
    return openai.possible(
        Usage(
            input=sum(one.input_tokens or 0 for one in counted) + cached + cache_write,
            cached=cached,
            cache_write=cache_write,
            cache_write_1h=min(cache_write, sum(_written_for_an_hour(one) for one in counted)),
            output=sum(one.output_tokens or 0 for one in counted),
            reasoning=(tokens.output_tokens_details or _Details()).thinking_tokens or 0,
        )
    )


def _written(tokens: _Tokens) -> int:
    """Tokens written to the cache, for five minutes or an hour."""
    if tokens.cache_creation_input_tokens is not None or tokens.cache_creation is None:
        return tokens.cache_creation_input_tokens or 0
    kinds = tokens.cache_creation
    return (kinds.ephemeral_5m_input_tokens or 0) + (kinds.ephemeral_1h_input_tokens or 0)


def _written_for_an_hour(tokens: _Tokens) -> int:
    kinds = tokens.cache_creation
    return (kinds.ephemeral_1h_input_tokens or 0) if kinds is not None else 0


def _tier(tokens: _Tokens) -> str:
    """The tier to bill, in the words of the ledger. "priority" is capacity bought beforehand and is no dearer
    per token, unlike OpenAI's tier of that name; what costs more here is `speed`."""
    if tokens.speed == "fast":
        return "fast"
    if tokens.service_tier == "batch":
        return "batch"
    return "standard" if tokens.service_tier or tokens.speed else ""


def _with_speed(body: bytes, asked: _Asked, speed: str) -> bytes:
    changed = with_value(
        body,
        "speed",
        b'"%b"' % speed.encode(),
        present=asked.speed is not None,
        is_set=lambda found: _decoded(found).speed == speed,
    )
    if changed is None:
        raise BadRequest("its speed can't be told from its text")
    return changed


def _decoded(body: bytes) -> _Asked:
    try:
        return _asked.decode(body)
    except msgspec.DecodeError as error:
        raise BadRequest(str(error)) from error

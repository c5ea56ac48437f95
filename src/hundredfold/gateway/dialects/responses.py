"""OpenAI's Responses API: POST /responses, streamed or not, and /responses/compact.

Source: platform.openai.com/docs/api-reference/responses and .../responses-streaming. The body is passed on
byte for byte; only `service_tier` is set where the route wants another, and then only that value's bytes
change. Of a stream only the events that carry an id, usage or an error are parsed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from hundredfold.gateway.dialects import openai
from hundredfold.gateway.dialects.protocol import BadRequest, Prepared, Problem, Reader, Reading
from hundredfold.gateway.dialects.sse import EventScanner
from hundredfold.gateway.dialects.whole import BodyReader
from hundredfold.vocabulary import Tier, Usage

_OPAQUE = re.compile(rb'"(?:item_reference|file_id|file_url|file_data|image_url|input_audio)"')
_TELLING = (re.compile(rb'"(?:response\.(?:completed|incomplete|failed|created)|error)"'),)
_TERMINAL = frozenset({"response.completed", "response.incomplete", "response.failed", "error"})


class _Asked(Struct):
    model: str
    service_tier: str | None = None
    max_output_tokens: int | None = None
    previous_response_id: str | None = None
    conversation: Any = None
    prompt: Any = None


class _InputDetails(Struct):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None


class _OutputDetails(Struct):
    reasoning_tokens: int | None = None


class _Tokens(Struct):
    input_tokens: int
    output_tokens: int
    input_tokens_details: _InputDetails | None = None
    output_tokens_details: _OutputDetails | None = None


class _Response(Struct):
    id: str | None = None
    model: str | None = None
    service_tier: str | None = None
    status: str | None = None
    usage: _Tokens | None = None
    error: openai.Error | None = None


class _Event(Struct):
    type: str
    response: _Response | None = None
    error: openai.Error | None = None
    code: str | int | None = None


_asked = msgspec.json.Decoder(_Asked)
_event = msgspec.json.Decoder(_Event)
_response = msgspec.json.Decoder(_Response)


class Responses:
    """`Dialect` for the Responses API."""

    name = "responses"

    def metered(self, method: str, path: str) -> bool:
        """Creating a response, or compacting a conversation."""
        return method == "POST" and path in ("/responses", "/responses/compact")

    def free(self, method: str, path: str, headers: Mapping[str, str]) -> bool:
        """Listing models."""
        return method in ("GET", "HEAD") and (path == "/models" or path.startswith("/models/"))

    def prepare(self, body: bytes, tier: Tier) -> Prepared:
        """See `Dialect.prepare`."""
        asked = _decoded(body)
        body = openai.with_tier(body, asked.service_tier, tier, lambda found: _decoded(found).service_tier)
        return Prepared(
            body=body,
            model=asked.model,
            output_cap=asked.max_output_tokens,
            opaque=bool(
                asked.previous_response_id or asked.conversation or asked.prompt or _OPAQUE.search(body)
            ),
        )

    def reader(self, prepared: Prepared, status: int, content_type: str) -> Reader:
        """A stream's reader, or one for a single JSON body."""
        if status == 200 and content_type.startswith("text/event-stream"):
            return StreamReader()
        return BodyReader(lambda reading, body: _take(reading, _response.decode(body)))

    def credentials(self, key: str) -> tuple[str, str]:
        """See `Dialect.credentials`."""
        return openai.credentials(key)

    def shaped(self, problem: Problem) -> tuple[int, bytes]:
        """See `Dialect.shaped`."""
        return openai.shaped(problem)


class StreamReader:
    """Reads a stream of events."""

    streams = True
    withholds = False

    def __init__(self) -> None:
        self.reading = Reading()
        self._scanner = EventScanner(_TELLING, self._found)

    def feed(self, chunk: bytes) -> bytes:
        """Take the next bytes; what follows the terminal event can't change the reading."""
        reading = self.reading
        if not reading.complete:
            if not reading.began:
                reading.began = b".delta" in chunk or b"output_item.added" in chunk
            self._scanner.feed(chunk)
        return chunk

    def end(self) -> bytes:
        """The stream ended."""
        if not self.reading.complete:
            self._scanner.end()
        return b""

    def _found(self, data: bytes) -> None:
        if self.reading.complete:
            return
        try:
            event = _event.decode(data)
        except msgspec.DecodeError:  # not ours to mend; a stream without a readable end is counted as cut
            return
        if event.response is not None:
            _take(self.reading, event.response)
        if event.type not in _TERMINAL:
            self.reading.usage = None  # whatever it says, it is not final
        else:
            self.reading.complete = True
            if event.type == "error":
                self.reading.failure = (event.error or openai.Error(code=event.code)).name
            elif event.type == "response.failed" and not self.reading.failure:
                self.reading.failure = "failed"


def _take(reading: Reading, response: _Response) -> None:
    reading.response_id = response.id or reading.response_id
    reading.served_model = response.model or reading.served_model
    reading.served_tier = response.service_tier or reading.served_tier
    if response.usage is not None:
        reading.usage = _usage(response.usage)
    if response.error is not None:
        reading.failure = response.error.name


def _usage(tokens: _Tokens) -> Usage | None:
    """The tokens, or None if they can't be true (negative, or a part greater than its whole)."""
    inputs = tokens.input_tokens_details or _InputDetails()
    outputs = tokens.output_tokens_details or _OutputDetails()
    return openai.possible(
        Usage(
            input=tokens.input_tokens,
            cached=inputs.cached_tokens or 0,
            cache_write=inputs.cache_write_tokens or 0,
            output=tokens.output_tokens,
            reasoning=outputs.reasoning_tokens or 0,
        )
    )


def _decoded(body: bytes) -> _Asked:
    try:
        return _asked.decode(body)
    except msgspec.DecodeError as error:
        raise BadRequest(str(error)) from error

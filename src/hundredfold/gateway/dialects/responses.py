"""OpenAI's Responses API: POST /responses, streamed or not, and /responses/compact.

Source: platform.openai.com/docs/api-reference/responses and .../responses-streaming. The body is passed on
byte for byte; only `service_tier` is set where the route wants another, and then only that value's bytes
change. Of a stream only the events that carry an id, usage or an error are parsed.
"""

from __future__ import annotations

import re

import msgspec
from msgspec import Struct

from hundredfold.gateway.dialects.protocol import BadRequest, Prepared, Reader, Reading
from hundredfold.gateway.dialects.sse import EventScanner
from hundredfold.vocabulary import Tier, Usage

MOST_JSON_BYTES = 64 * 1024 * 1024
MOST_TIER_MENTIONS = 64

#: What the wire may say for a tier, the first being what we write. None stands for an absent key. "batch"
#: has an API of its own, so a batch route's requests go out as flex, which costs the same.
WIRE_TIERS: dict[Tier, tuple[str | None, ...]] = {
    "fast": ("priority", "fast"),
    "standard": ("default", "auto", None),
    "flex": ("flex",),
    "batch": ("flex",),
}

_TIER_VALUE = re.compile(rb'"service_tier"\s*:\s*("(?:[^"\\]|\\.)*"|null)')
_OPAQUE = re.compile(rb'"(?:item_reference|file_id|file_url|file_data|image_url|input_audio)"')
_TELLING = re.compile(rb'"(?:response\.(?:completed|incomplete|failed|created)|error)"')
_TERMINAL = frozenset({"response.completed", "response.incomplete", "response.failed", "error"})


class _Asked(Struct):
    model: str
    service_tier: str | None = None
    max_output_tokens: int | None = None
    previous_response_id: str | None = None
    conversation: msgspec.Raw | None = None
    prompt: msgspec.Raw | None = None


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


class _Error(Struct):
    code: str | int | None = None
    type: str | None = None


class _Response(Struct):
    id: str | None = None
    model: str | None = None
    service_tier: str | None = None
    status: str | None = None
    usage: _Tokens | None = None
    error: _Error | None = None


class _Event(Struct):
    type: str
    response: _Response | None = None
    error: _Error | None = None
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

    def free(self, method: str, path: str) -> bool:
        """Listing models."""
        return method in ("GET", "HEAD") and (path == "/models" or path.startswith("/models/"))

    def prepare(self, body: bytes, tier: Tier) -> Prepared:
        """See `Dialect.prepare`."""
        asked = _decoded(body)
        wanted = WIRE_TIERS[tier]
        if asked.service_tier not in wanted:
            assert wanted[0] is not None
            body = _with_tier(body, wanted[0], present=asked.service_tier is not None)
        return Prepared(
            body=body,
            model=asked.model,
            output_cap=asked.max_output_tokens,
            opaque=bool(
                asked.previous_response_id or asked.conversation or asked.prompt or _OPAQUE.search(body)
            ),
        )

    def reader(self, status: int, content_type: str) -> Reader:
        """A stream's reader, or one for a single JSON body."""
        if status == 200 and content_type.startswith("text/event-stream"):
            return StreamReader()
        return BodyReader()


class StreamReader:
    """Reads a stream of events."""

    streams = True

    def __init__(self) -> None:
        self.reading = Reading()
        self._scanner = EventScanner(_TELLING, self._found)

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes; what follows the terminal event can't change the reading."""
        reading = self.reading
        if reading.complete:
            return
        if not reading.began:
            reading.began = b".delta" in chunk or b"output_item.added" in chunk
        self._scanner.feed(chunk)

    def end(self) -> None:
        """The stream ended."""
        if not self.reading.complete:
            self._scanner.end()

    def _found(self, data: bytes) -> None:
        if self.reading.complete:
            return
        try:
            event = _event.decode(data)
        except msgspec.DecodeError:  # not ours to mend; a stream without a readable end is counted as cut
            return
        if event.response is not None:
            _take(self.reading, event.response)
        if event.type in _TERMINAL:
            self.reading.complete = True
            if event.type == "error":
                self.reading.failure = _code(event.error or _Error(code=event.code))
            elif event.type == "response.failed" and not self.reading.failure:
                self.reading.failure = "failed"


class BodyReader:
    """Reads a body that is one JSON value: a response, or an error."""

    streams = False

    def __init__(self) -> None:
        self.reading = Reading()
        self._parts: list[bytes] = []
        self._bytes = 0

    def feed(self, chunk: bytes) -> None:
        """Keep the next bytes, up to a bound; a longer body is not read."""
        self._bytes += len(chunk)
        if self._bytes > MOST_JSON_BYTES:
            self._parts.clear()
        else:
            self._parts.append(chunk)

    def end(self) -> None:
        """Read the whole body."""
        try:
            response = _response.decode(b"".join(self._parts))
        except msgspec.DecodeError:
            return
        finally:
            self._parts.clear()
        _take(self.reading, response)
        self.reading.complete = True


def _take(reading: Reading, response: _Response) -> None:
    reading.response_id = response.id or reading.response_id
    reading.served_model = response.model or reading.served_model
    reading.served_tier = response.service_tier or reading.served_tier
    if response.usage is not None:
        reading.usage = _usage(response.usage)
    if response.error is not None:
        reading.failure = _code(response.error)


def _usage(tokens: _Tokens) -> Usage | None:
    """The tokens, or None if they can't be true (negative, or a part greater than its whole)."""
    inputs = tokens.input_tokens_details or _InputDetails()
    outputs = tokens.output_tokens_details or _OutputDetails()
    usage = Usage(
        input=tokens.input_tokens,
        cached=inputs.cached_tokens or 0,
        cache_write=inputs.cache_write_tokens or 0,
        output=tokens.output_tokens,
        reasoning=outputs.reasoning_tokens or 0,
    )
    possible = (
        min(usage.input, usage.cached, usage.cache_write, usage.output, usage.reasoning) >= 0
        and usage.cached + usage.cache_write <= usage.input
        and usage.reasoning <= usage.output
    )
    return usage if possible else None


def _code(error: _Error) -> str:
    return str(error.code or error.type or "error")[:100]


def _decoded(body: bytes) -> _Asked:
    try:
        return _asked.decode(body)
    except msgspec.DecodeError as error:
        raise BadRequest(str(error)) from error


def _with_tier(body: bytes, tier: str, *, present: bool) -> bytes:
    """The body with its top-level service_tier set, every other byte as it was.

    Nested keys of the same name are told from the top-level one by decoding the outcome.
    """
    value = b'"%b"' % tier.encode()
    if not present:
        start = body.index(b"{") + 1
        inserted = body[:start] + b'"service_tier":' + value + b"," + body[start:]
        if _decoded(inserted).service_tier == tier:
            return inserted
    for number, mention in enumerate(_TIER_VALUE.finditer(body)):
        if number == MOST_TIER_MENTIONS:
            break
        changed = body[: mention.start(1)] + value + body[mention.end(1) :]
        if _decoded(changed).service_tier == tier:
            return changed
    raise BadRequest("its service_tier can't be told from its text")

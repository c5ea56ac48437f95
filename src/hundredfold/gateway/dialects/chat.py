"""OpenAI's Chat Completions API, which most other providers speak too: POST /chat/completions.

Source: platform.openai.com/docs/api-reference/chat and .../chat-streaming. A stream says what it used only
if asked to by `stream_options.include_usage`, in one extra chunk without choices before `[DONE]`. Where the
client did not ask, the gateway does, and keeps that chunk to itself; every other byte is passed on.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from hundredfold.gateway.dialects import openai
from hundredfold.gateway.dialects.protocol import BadRequest, Prepared, Problem, Reader, Reading
from hundredfold.gateway.dialects.rewriting import with_value
from hundredfold.gateway.dialects.sse import EventFilter, EventScanner, data_of
from hundredfold.gateway.dialects.whole import BodyReader
from hundredfold.vocabulary import Tier, Usage

_OPAQUE = re.compile(rb'"(?:image_url|file_id|file_data|web_search_options)"\s*:')
_AUDIO = re.compile(rb'"input_audio"\s*:')
_ANY = (re.compile(rb"data:"),)
_TELLING = tuple(map(re.compile, (rb'"usage"\s*:\s*\{', rb'"error"\s*:\s*\{', rb"\[DONE\]")))


class _Asked(Struct):
    model: str
    stream: bool | None = None
    stream_options: dict[str, Any] | None = None
    service_tier: str | None = None
    max_completion_tokens: int | None = None
    max_tokens: int | None = None
    n: Annotated[int, Meta(ge=1, le=128)] | None = None
    modalities: list[str] | None = None
    prediction: Any = None


class _InputDetails(Struct):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None


class _OutputDetails(Struct):
    reasoning_tokens: int | None = None


class _Tokens(Struct):
    prompt_tokens: int
    completion_tokens: int = 0
    total_tokens: int | None = None
    prompt_tokens_details: _InputDetails | None = None
    completion_tokens_details: _OutputDetails | None = None


class _Answer(Struct):
    """A chunk of a stream, a whole answer or an error."""

    id: str | None = None
    model: str | None = None
    service_tier: str | None = None
    choices: list[msgspec.Raw] | None = None
    usage: _Tokens | None = None
    error: openai.Error | None = None


_asked = msgspec.json.Decoder(_Asked)
_answer = msgspec.json.Decoder(_Answer)


class Chat:
    """`Dialect` for Chat Completions."""

    name = "chat"

    def metered(self, method: str, path: str) -> bool:
        """Creating a completion."""
        return method == "POST" and path == "/chat/completions"

    def free(self, method: str, path: str, headers: Mapping[str, str]) -> bool:
        """Nothing but what the Responses API has as well."""
        return False

    def prepare(self, body: bytes, tier: Tier) -> Prepared:
        """See `Dialect.prepare`; a stream is made to report its usage."""
        asked = _decoded(body)
        if set(asked.modalities or ()) - {"text"} or _AUDIO.search(body):
            raise BadRequest("it uses audio, whose tokens have prices of their own that are not known")
        body = openai.with_tier(body, asked.service_tier, tier, lambda found: _decoded(found).service_tier)
        withhold = bool(asked.stream) and not _reports(asked)
        if withhold:
            body = _with_report(body, asked)
        cap = asked.max_tokens if asked.max_completion_tokens is None else asked.max_completion_tokens
        return Prepared(
            body=body,
            model=asked.model,
            # What of a prediction is rejected is billed as output, and no cap is documented to bound it.
            output_cap=cap if asked.prediction is None else None,
            opaque=_OPAQUE.search(body) is not None,
            answers=asked.n or 1,
            withhold=withhold,
        )

    def reader(self, prepared: Prepared, status: int, content_type: str) -> Reader:
        """A stream's reader, or one for a single JSON body."""
        if status == 200 and content_type.startswith("text/event-stream"):
            return StreamReader(prepared.withhold)
        return BodyReader(_take_whole)

    def credentials(self, key: str) -> tuple[str, str]:
        """See `Dialect.credentials`."""
        return openai.credentials(key)

    def shaped(self, problem: Problem) -> tuple[int, bytes]:
        """See `Dialect.shaped`."""
        return openai.shaped(problem)


class StreamReader:
    """Reads a stream of chunks, and withholds the report of usage if told to."""

    streams = True

    def __init__(self, withholds: bool) -> None:
        self.withholds = withholds
        self.reading = Reading()
        self._scanner = EventScanner(_ANY, self._is_report)
        self._filter = EventFilter(_ANY, lambda event: self._is_report(data_of(event)))

    def feed(self, chunk: bytes) -> bytes:
        """Take the next bytes."""
        reading = self.reading
        if not reading.began:
            reading.began = b'"delta"' in chunk
        if self.withholds:
            return self._filter.feed(chunk)
        if not reading.complete:
            self._scanner.feed(chunk)
        return chunk

    def end(self) -> bytes:
        """The stream ended."""
        if self.withholds:
            return self._filter.end()
        if not self.reading.complete:
            self._scanner.end()
        return b""

    def _is_report(self, data: bytes) -> bool:
        """Read an event; whether it is the extra chunk that only says what was used."""
        reading = self.reading
        if reading.complete:
            return False
        if data.strip() == b"[DONE]":
            reading.complete = True
            # Some providers say it in chunks that have choices, ever growing: the last one holds.
            reading.usage = reading.usage or reading.so_far
            return False
        try:
            chunk = _answer.decode(data)
        except msgspec.DecodeError:  # not ours to mend; a stream without a readable end is counted as cut
            return False
        _take(reading, chunk)
        if reading.response_id:
            self._scanner.marks = self._filter.marks = _TELLING
        reading.complete = chunk.error is not None
        if chunk.usage is None:
            return False
        reading.so_far = _usage(chunk.usage)
        if chunk.choices:
            return False
        reading.usage = reading.so_far
        return True


def _take_whole(reading: Reading, body: bytes) -> None:
    answer = _answer.decode(body)
    _take(reading, answer)
    reading.usage = _usage(answer.usage) if answer.usage is not None else None


def _take(reading: Reading, answer: _Answer) -> None:
    reading.response_id = answer.id or reading.response_id
    reading.served_model = answer.model or reading.served_model
    reading.served_tier = answer.service_tier or reading.served_tier
    if answer.error is not None:
        reading.failure = answer.error.name


def _usage(tokens: _Tokens) -> Usage | None:
    """The tokens, or None if they can't be true.

    Some providers leave reasoning out of `completion_tokens`, but not out of the total, so output is what the
    total leaves for it.
    """
    inputs = tokens.prompt_tokens_details or _InputDetails()
    outputs = tokens.completion_tokens_details or _OutputDetails()
    return openai.possible(
        Usage(
            input=tokens.prompt_tokens,
            cached=inputs.cached_tokens or 0,
            cache_write=inputs.cache_write_tokens or 0,
            output=max(tokens.completion_tokens, (tokens.total_tokens or 0) - tokens.prompt_tokens),
            reasoning=outputs.reasoning_tokens or 0,
        )
    )


def _reports(asked: _Asked) -> bool:
    return bool((asked.stream_options or {}).get("include_usage"))


def _with_report(body: bytes, asked: _Asked) -> bytes:
    value = msgspec.json.encode({**(asked.stream_options or {}), "include_usage": True})
    changed = with_value(
        body,
        "stream_options",
        value,
        present=asked.stream_options is not None,
        is_set=lambda found: _reports(_decoded(found)),
    )
    if changed is None:
        raise BadRequest("its stream_options can't be told from its text")
    return changed


def _decoded(body: bytes) -> _Asked:
    try:
        return _asked.decode(body)
    except msgspec.DecodeError as error:
        raise BadRequest(str(error)) from error

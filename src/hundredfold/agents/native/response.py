"""What the provider answered: records for the parts we read, and the reading of its event stream."""

from __future__ import annotations

import msgspec
from msgspec import Raw, Struct, field

from hundredfold.agents.protocol import ErrorKind
from hundredfold.refusals import QUOTA_CODES
from hundredfold.vocabulary import Usage

#: one event may be this long (the terminal one repeats the whole answer)
MOST_EVENT_BYTES = 16 * 2**20


class _Details(Struct, frozen=True):
    cached_tokens: int = 0
    reasoning_tokens: int = 0


class _Usage(Struct, frozen=True):
    input_tokens: int = 0
    output_tokens: int = 0
    input_tokens_details: _Details | None = None
    output_tokens_details: _Details | None = None


class Failure(Struct, frozen=True):
    """The provider's error object; the names differ between servers, so nothing is required."""

    message: str | None = ""
    type: str | None = ""
    code: str | int | None = ""


class _Incomplete(Struct, frozen=True):
    reason: str = ""


class Response(Struct, frozen=True):
    """A whole answer. `output` items stay encoded: they go back as they came."""

    status: str = "completed"
    output: list[Raw] = field(default_factory=list)
    usage: _Usage | None = None
    error: Failure | None = None
    incomplete_details: _Incomplete | None = None

    def tokens(self) -> Usage:
        """The usage in our words."""
        usage = self.usage or _Usage()
        return Usage(
            input=usage.input_tokens,
            cached=(usage.input_tokens_details or _Details()).cached_tokens,
            output=usage.output_tokens,
            reasoning=(usage.output_tokens_details or _Details()).reasoning_tokens,
        )


class _Part(Struct, frozen=True):
    type: str = ""
    text: str = ""
    refusal: str = ""


class OutputItem(Struct, frozen=True):
    """An item of the output, as far as it concerns us: a message, a function call, or something else."""

    type: str = ""
    call_id: str = ""
    name: str = ""
    arguments: str = ""
    encrypted_content: str | None = None
    content: list[_Part] | None = None

    def text(self) -> str:
        """What a message says."""
        return "".join(part.text for part in self.content or [] if part.type == "output_text")

    def refusal(self) -> str:
        """What a message declines with, or ""."""
        return "".join(part.refusal for part in self.content or [] if part.type == "refusal")


class _Event(Struct, frozen=True):
    type: str = ""
    response: Response | None = None
    error: Failure | None = None
    message: str | None = ""
    code: str | int | None = ""


class ApiError(Exception):
    """The provider, or the gateway in its name, answered with an error.

    `retryable`: the same request may be sent again; `retry_after_s`: not before that many seconds.
    """

    def __init__(
        self,
        kind: ErrorKind,
        message: str,
        *,
        status: int | None = None,
        retryable: bool = False,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.status = status
        self.retryable = retryable
        self.retry_after_s = retry_after_s


_KIND_OF_CODE: dict[str, tuple[ErrorKind, bool]] = {
    "context_length_exceeded": ("context", False),
    "rate_limit_exceeded": ("throttled", True),
    "invalid_api_key": ("auth", False),
    "invalid_prompt": ("request", False),
    "server_is_overloaded": ("provider", True),
    "slow_down": ("throttled", True),
}


def api_error(status: int | None, failure: Failure, retry_after_s: float | None = None) -> ApiError:
    """The error for an HTTP status (None: it came inside a stream) and what the body says."""
    codes = {str(failure.code), str(failure.type)}
    message = f"{failure.message or 'no message'} ({failure.code or failure.type or status})"
    kind: ErrorKind
    if codes & QUOTA_CODES:
        kind, retryable = "quota", False
    elif known := next((_KIND_OF_CODE[code] for code in codes if code in _KIND_OF_CODE), None):
        kind, retryable = known
    elif status == 429:
        kind, retryable = "throttled", True
    elif status in (401, 403):
        kind, retryable = "auth", False
    elif status is None or status >= 500 or status in (408, 409):
        kind, retryable = "provider", True
    else:
        kind, retryable = "request", False
    return ApiError(kind, message, status=status, retryable=retryable, retry_after_s=retry_after_s)


def read_failure(body: bytes) -> Failure:
    """The error object of an error's body, whatever its shape."""
    try:
        event = msgspec.json.decode(body, type=_Event)
    except msgspec.DecodeError:
        return Failure(message=body[:300].decode("utf-8", "replace"))
    return event.error or Failure(message=event.message, code=event.code)


class EventStream:
    """Reads server-sent events split anywhere. Only the terminal event is decoded; deltas are passed over."""

    _TERMINAL = (
        b"response.completed",
        b"response.incomplete",
        b"response.failed",
        b"error",
    )

    def __init__(self) -> None:
        self._pending = bytearray()
        self._wanted = True

    def feed(self, data: bytes) -> Response | None:
        """Take the next bytes; the answer, once it is complete.

        Raises:
            ApiError: the stream says that the answer failed, or can't be read.
        """
        self._pending += data
        *lines, rest = bytes(self._pending).split(b"\n") if b"\n" in data else (bytes(self._pending),)
        if len(rest) > MOST_EVENT_BYTES:
            raise ApiError("provider", f"an event is longer than {MOST_EVENT_BYTES} bytes", retryable=False)
        self._pending = bytearray(rest)
        for line in lines:
            if line.startswith(b"event:"):
                self._wanted = line[6:].strip() in self._TERMINAL
            elif line.startswith(b"data:") and self._wanted:
                response = _terminal(line[5:].strip())
                if response is not None:
                    return response
            elif not line.strip():
                self._wanted = True  # a server that sends no event names: look into the data
        return None


def _terminal(data: bytes) -> Response | None:
    if data == b"[DONE]":
        return None
    try:
        event = msgspec.json.decode(data, type=_Event)
    except msgspec.DecodeError as error:
        raise ApiError("provider", f"an event can't be read: {error}", retryable=True) from error
    if event.type == "error":
        raise api_error(None, event.error or Failure(message=event.message, code=event.code))
    if event.type not in ("response.completed", "response.incomplete", "response.failed"):
        return None
    return event.response

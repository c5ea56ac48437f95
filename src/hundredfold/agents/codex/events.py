"""What Codex says of a turn, read into our words: progress, tokens, retries and how it ended."""

from __future__ import annotations

import re
from typing import Any, Literal

import msgspec
from msgspec import Raw, Struct

from hundredfold.agents.declining import declines
from hundredfold.agents.protocol import ErrorKind, Outcome, Progress
from hundredfold.vocabulary import Usage

MOST_TEXT = 200


class Item(Struct, rename="camel"):
    """One thing in a turn. Only the fields of its `type` are set."""

    type: str
    text: str | None = None
    command: str | None = None
    changes: list[dict[str, Any]] | None = None
    tool: str | None = None
    server: str | None = None


class TurnError(Struct, rename="camel"):
    """Why a turn failed or a request is tried again."""

    message: str = ""
    codex_error_info: str | dict[str, Any] | None = None
    additional_details: str | None = None


class Turn(Struct, rename="camel"):
    """A turn as Codex tells of it."""

    id: str
    status: str
    items: list[Item] = []
    error: TurnError | None = None


class Tokens(Struct, rename="camel"):
    """Token counts; cached ones are among the input, reasoning among the output."""

    input_tokens: int = 0
    cached_input_tokens: int = 0
    cache_write_input_tokens: int = 0
    output_tokens: int = 0
    reasoning_output_tokens: int = 0

    def usage(self) -> Usage:
        """The same in our words."""
        return Usage(
            self.input_tokens,
            self.cached_input_tokens,
            self.cache_write_input_tokens,
            self.output_tokens,
            self.reasoning_output_tokens,
        )


class _TokenUsage(Struct):
    total: Tokens


class _ItemNotice(Struct, rename="camel"):
    item: Item
    turn_id: str = ""


class _TurnNotice(Struct):
    turn: Turn


class _TokensNotice(Struct, rename="camel"):
    token_usage: _TokenUsage


class _ErrorNotice(Struct, rename="camel"):
    error: TurnError
    will_retry: bool = False


_item = msgspec.json.Decoder(_ItemNotice)
_turn = msgspec.json.Decoder(_TurnNotice)
_tokens = msgspec.json.Decoder(_TokensNotice)
_error = msgspec.json.Decoder(_ErrorNotice)

_KINDS: dict[str, Literal["command", "message", "reasoning", "file", "tool", "other"]] = {
    "commandExecution": "command",
    "agentMessage": "message",
    "reasoning": "reasoning",
    "fileChange": "file",
    "mcpToolCall": "tool",
    "dynamicToolCall": "tool",
    "webSearch": "tool",
    "imageView": "tool",
}

#: what Codex calls an error, where the name alone decides; most have a vague one
_ERROR_KINDS: dict[str, ErrorKind] = {
    "contextWindowExceeded": "context",
    "sessionBudgetExceeded": "quota",
    "usageLimitExceeded": "quota",
    "rateLimitExceeded": "throttled",
    "flexUnavailable": "throttled",
    "serverOverloaded": "provider",
    "internalServerError": "provider",
    "unauthorized": "auth",
    "sandboxError": "agent",
    "tooManyDenials": "agent",
}
_CONNECTION = frozenset(
    {
        "httpConnectionFailed",
        "responseStreamConnectionFailed",
        "responseStreamDisconnected",
        "responseTooManyFailedAttempts",
    }
)
#: words that decide where the name is vague: the provider's codes, which Codex passes on as text
_TELLING: tuple[tuple[str, ErrorKind], ...] = (
    ("context_length_exceeded", "context"),
    ("insufficient_quota", "quota"),
    ("Quota exceeded", "quota"),
    ("stream disconnected", "provider"),
    ("invalid_request_error", "request"),
    ("at capacity", "provider"),
)
_KIND_OF_STATUS: dict[int, ErrorKind] = {401: "auth", 403: "auth", 429: "throttled"}
_DECLINED = frozenset({"cyberPolicy", "misalignmentPolicyViolation"})

_STATUS = re.compile(r"\b(?:status:?|unexpected status)\s+([45]\d\d)\b")

SILENT_REFUSAL = "the model answered nothing (Codex drops a refusal's text)"


def item_of(params: Raw) -> Item:
    """The item of `item/started` and `item/completed`."""
    return _item.decode(params).item


def turn_of(params: Raw) -> Turn:
    """The turn of `turn/started` and `turn/completed`."""
    return _turn.decode(params).turn


def total_of(params: Raw) -> Usage:
    """The thread's tokens so far, of `thread/tokenUsage/updated`."""
    return _tokens.decode(params).token_usage.total.usage()


def error_of(params: Raw) -> tuple[TurnError, bool]:
    """The error of an `error` notification, and whether Codex tries again. It is never the end."""
    notice = _error.decode(params)
    return notice.error, notice.will_retry


def progress_of(item: Item) -> Progress:
    """One short line about the item, for people."""
    kind = _KINDS.get(item.type, "other")
    if item.type == "fileChange":
        text = ", ".join(str(change.get("path", "")) for change in item.changes or ())
    else:
        named = " ".join(part for part in (item.server, item.tool) if part)
        text = item.command or item.text or named or item.type
    return Progress(kind, " ".join(text[: 2 * MOST_TEXT].split())[:MOST_TEXT])


def status_of(error: TurnError) -> int | None:
    """The HTTP status behind the error, from its fields, else from its words."""
    info = error.codex_error_info
    if isinstance(info, dict):
        for detail in info.values():
            if isinstance(detail, dict) and isinstance(detail.get("httpStatusCode"), int):
                return int(detail["httpStatusCode"])
    found = _STATUS.search(error.message)
    return int(found[1]) if found else None


def outcome_of(turn: Turn, message: str | None) -> Outcome:
    """How a turn that is over ended; `message` is the last one the agent said in it, if any was heard."""
    said = [item.text for item in turn.items if item.type == "agentMessage" and item.text]
    text = (said[-1] if said else message) or ""
    if turn.status == "completed" and turn.error is None:
        if not text.strip():
            return Outcome("refused", text=SILENT_REFUSAL)
        return Outcome("refused" if declines(text) else "completed", text=text)
    if turn.status == "interrupted" and turn.error is None:
        return Outcome("failed", error_kind="agent", error="the turn was interrupted")
    return _failure(turn.error or TurnError("Codex did not say why the turn failed"))


def _failure(error: TurnError) -> Outcome:
    words = f"{error.message} {error.additional_details or ''}".strip()
    if _name(error) in _DECLINED:
        return Outcome("refused", text=words)
    return Outcome("failed", error_kind=_kind(error, words), error=words)


def _kind(error: TurnError, words: str) -> ErrorKind:
    name, status = _name(error), status_of(error)
    if name in _ERROR_KINDS:
        return _ERROR_KINDS[name]
    for telling, kind in _TELLING:
        if telling in words:
            return kind
    if status is not None:
        return _KIND_OF_STATUS.get(status, "provider" if status >= 500 else "request")
    if name in _CONNECTION:
        return "provider"
    # The body of a 400 is passed on bare.
    return "request" if name == "badRequest" or words.startswith('{"error"') else "agent"


def _name(error: TurnError) -> str:
    info = error.codex_error_info
    if isinstance(info, dict):
        return next(iter(info), "")
    return info or ""

"""What Claude Code prints, read into our words: progress, tokens, retries and how it ended.

Its lines are those of `--output-format stream-json --verbose`. Retries that are used up end in a line with
`subtype: "success"` and `is_error: true`, so the latter decides.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Raw, Struct

from hundredfold.agents.declining import declines
from hundredfold.agents.protocol import ErrorKind, Event, Outcome, Progress, Retrying, Spent
from hundredfold.vocabulary import Usage

MOST_TEXT = 200


class _Details(Struct):
    thinking_tokens: int | None = None


class _Tokens(Struct):
    """Token counts; what was read from and written to the cache stands beside the input, not in it."""

    input_tokens: int = 0
    cache_creation_input_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    output_tokens: int = 0
    output_tokens_details: _Details | None = None

    def usage(self) -> Usage:
        cached, written = self.cache_read_input_tokens or 0, self.cache_creation_input_tokens or 0
        thinking = (self.output_tokens_details or _Details()).thinking_tokens or 0
        return Usage(self.input_tokens + cached + written, cached, written, self.output_tokens, thinking)


class _Block(Struct):
    type: str = ""
    text: str = ""
    thinking: str = ""
    name: str = ""
    input: dict[str, Any] | None = None


class _Message(Struct):
    id: str = ""
    content: list[_Block] | str = ""
    usage: _Tokens | None = None
    stop_reason: str | None = None


class _Line(Struct):
    type: str
    subtype: str = ""
    message: _Message | None = None
    is_error: bool = False
    result: str | None = None
    structured_output: Raw = Raw(b"null")
    stop_reason: str | None = None
    usage: _Tokens | None = None
    api_error_status: int | None = None
    error_status: int | None = None
    error: Any = None
    errors: list[Any] | None = None
    retry_delay_ms: float | None = None


_line = msgspec.json.Decoder(_Line)

_KIND_OF_STATUS: dict[int, ErrorKind] = {401: "auth", 402: "quota", 403: "auth", 429: "throttled"}
#: words that decide, in this order; Claude Code passes the provider's on, or has its own
_TELLING: tuple[tuple[str, ErrorKind], ...] = (
    (r"prompt is too long|context (?:window|length)|exceed context limit", "context"),
    (r"billing_error|credit balance|usage limit|insufficient_quota", "quota"),
    (r"rate.?limit|too many requests|\b429\b", "throttled"),
    (r"authentication_error|invalid api key|invalid x-api-key|/login|permission_error", "auth"),
    (r"overloaded|api_error|internal server|connection|timed? ?out|stream|unable to connect", "provider"),
    (r"invalid_request_error", "request"),
)
_STATUS = re.compile(r"\bAPI Error: ([45]\d\d)\b|\bstatus (?:code )?([45]\d\d)\b")
_COMMANDS = frozenset({"Bash", "BashOutput"})
_FILES = frozenset({"Edit", "Write", "NotebookEdit"})
_ANSWER_TOOL = "StructuredOutput"


class Listener:
    """Hears one Claude Code (`agents.programs.protocol.Listener`)."""

    def __init__(self, report: Callable[[Event], None]) -> None:
        self._report = report
        self._messages: set[str] = set()
        self._reported = Usage()
        self._said = ""
        self._offered = ""  # the last answer it gave, which the schema may have refused
        self._refused = False
        self._end: _Line | None = None

    def hear(self, line: bytes) -> bool:
        """Take in one line."""
        try:
            heard = _line.decode(line)
        except msgspec.DecodeError:
            return False
        if heard.type == "system" and heard.subtype == "api_retry":
            delay = None if heard.retry_delay_ms is None else heard.retry_delay_ms / 1000
            self._report(Retrying(heard.error_status, delay, _words(heard.error)[:500]))
            return False
        if heard.type == "assistant" and heard.message is not None:
            self._assistant(heard.message)
        elif heard.type == "result":
            self._end = heard
            if heard.usage is not None:
                self._spend(heard.usage.usage())
        return True

    def ended(self, exit_code: int | None, words: str) -> Outcome:
        """How the attempt ended."""
        end = self._end
        if end is None:
            error = f"Claude Code ended with exit code {exit_code} and no result. {words}".strip()
            return Outcome("failed", error_kind="agent", error=error)
        if end.stop_reason == "refusal" or self._refused:
            return Outcome("refused", text=self._said or end.result or "the model declined")
        answer = bytes(end.structured_output)
        if answer != b"null":
            return Outcome("completed", text=answer.decode())
        said = end.result or self._said
        if end.is_error or end.subtype != "success":
            told = said or _words(end.errors or end.error) or end.subtype
            if end.subtype == "error_max_structured_output_retries":
                return Outcome("completed", text=self._offered)
            return Outcome("failed", error_kind=_kind(end, told), error=told[:2000])
        return Outcome("refused" if declines(said) else "completed", text=said)

    def _assistant(self, message: _Message) -> None:
        if message.stop_reason == "refusal":
            self._refused = True
        if message.usage is not None and message.id not in self._messages:
            self._messages.add(message.id)
            so_far = self._reported + message.usage.usage()
            self._spend(so_far)
        blocks = [] if isinstance(message.content, str) else message.content
        for block in blocks:
            if block.type == "text":
                self._said = block.text
                self._report(Progress("message", _short(block.text)))
            elif block.type == "thinking":
                self._report(Progress("reasoning", _short(block.thinking)))
            elif block.type == "tool_use" and block.name == _ANSWER_TOOL:
                self._offered = _words(block.input)
            elif block.type == "tool_use":
                self._report(_progress(block))

    def _spend(self, total: Usage) -> None:
        """Report what is new. Within a turn output is known at its end only."""
        more = Usage(
            max(0, total.input - self._reported.input),
            max(0, total.cached - self._reported.cached),
            max(0, total.cache_write - self._reported.cache_write),
            max(0, total.output - self._reported.output),
            max(0, total.reasoning - self._reported.reasoning),
        )
        if more != Usage():
            self._report(Spent(more))
        self._reported = self._reported + more


def _progress(block: _Block) -> Progress:
    given = block.input or {}
    text = str(given.get("command") or given.get("file_path") or given.get("pattern") or block.name)
    if block.name in _COMMANDS:
        return Progress("command", _short(text))
    return Progress("file" if block.name in _FILES else "tool", _short(f"{block.name} {text}"))


def _kind(end: _Line, words: str) -> ErrorKind:
    found = _STATUS.search(words)
    status = end.api_error_status or (int(found[1] or found[2]) if found else None)
    lowered = words.lower()
    for pattern, kind in _TELLING[:2]:
        if re.search(pattern, lowered):
            return kind
    if status is not None:
        return _KIND_OF_STATUS.get(status, "provider" if status >= 500 else "request")
    for pattern, kind in _TELLING:
        if re.search(pattern, lowered):
            return kind
    return "agent"


def _words(error: Any) -> str:
    if error is None:
        return ""
    return error if isinstance(error, str) else msgspec.json.encode(error).decode()


def _short(text: str) -> str:
    return " ".join(text[: 2 * MOST_TEXT].split())[:MOST_TEXT]

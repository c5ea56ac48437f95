"""What `codex exec --json` prints, read into our words.

Its lines are lossier than the app-server's: errors are words without a name, exit code 0 does not mean that
work was done, and usage is told once, at the turn's end, cumulative over a conversation that went on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Struct

from hundredfold.agents.codex import events
from hundredfold.agents.codex.events import Turn, TurnError
from hundredfold.agents.protocol import Event, Outcome, Progress, Retrying, Spent
from hundredfold.vocabulary import Usage


class _Tokens(Struct):
    input_tokens: int = 0
    cached_input_tokens: int = 0
    cache_write_input_tokens: int = 0
    output_tokens: int = 0
    reasoning_output_tokens: int = 0


class _Item(Struct):
    type: str = ""
    text: str = ""
    command: str = ""
    message: str = ""
    server: str = ""
    tool: str = ""
    changes: list[dict[str, Any]] | None = None


class _Error(Struct):
    message: str = ""


class _Line(Struct):
    type: str
    item: _Item | None = None
    usage: _Tokens | None = None
    error: _Error | None = None
    message: str = ""


#: how the line of a retry begins; other errors are what the turn's end says again
_RETRIES = "Reconnecting"

_line = msgspec.json.Decoder(_Line)


class Listener:
    """Hears one `codex exec` (`agents.programs.protocol.Listener`)."""

    def __init__(self, report: Callable[[Event], None], before: Usage = Usage()) -> None:  # noqa: B008
        self._report = report
        self._before = before
        self._message: str | None = None
        self._trouble = ""
        self._end: Turn | None = None

    def hear(self, line: bytes) -> bool:
        """Take in one line."""
        try:
            heard = _line.decode(line)
        except msgspec.DecodeError:
            return False
        match heard.type:
            case "error":
                self._trouble = heard.message
                if heard.message.startswith(_RETRIES):
                    status = events.status_of(TurnError(heard.message))
                    self._report(Retrying(status, None, heard.message[:500]))
                return False
            case "item.started" | "item.completed" if heard.item is not None:
                self._item(heard.type, heard.item)
            case "turn.completed":
                self._end = Turn("", "completed")
                if heard.usage is not None:
                    self._spend(Usage(*msgspec.structs.astuple(heard.usage)))
            case "turn.failed":
                words = heard.error.message if heard.error else self._trouble
                self._end = Turn("", "failed", error=TurnError(words))
        return True

    def ended(self, exit_code: int | None, words: str) -> Outcome:
        """How the attempt ended."""
        if self._end is not None:
            return events.outcome_of(self._end, self._message)
        if self._trouble:
            return events.outcome_of(Turn("", "failed", error=TurnError(self._trouble)), None)
        error = f"Codex ended with exit code {exit_code} before its turn did. {words}".strip()
        return Outcome("failed", error_kind="agent", error=error)

    def _item(self, kind: str, item: _Item) -> None:
        match item.type:
            case "agent_message":
                self._message = item.text
                self._report(Progress("message", _short(item.text)))
            case "reasoning":
                self._report(Progress("reasoning", _short(item.text)))
            case "command_execution" if kind == "item.started":
                self._report(Progress("command", _short(item.command)))
            case "file_change" if kind == "item.completed":
                paths = ", ".join(str(change.get("path", "")) for change in item.changes or ())
                self._report(Progress("file", _short(paths)))
            case "mcp_tool_call" if kind == "item.started":
                self._report(Progress("tool", _short(f"{item.server} {item.tool}")))

    def _spend(self, total: Usage) -> None:
        before, self._before = self._before, total
        pairs = zip(msgspec.structs.astuple(total), msgspec.structs.astuple(before), strict=True)
        more = Usage(*(max(0, now - then) for now, then in pairs))
        if more != Usage():
            self._report(Spent(more))


def _short(text: str) -> str:
    return " ".join(text[: 2 * events.MOST_TEXT].split())[: events.MOST_TEXT]

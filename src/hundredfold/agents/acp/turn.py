"""One turn with an ACP agent: a session, a prompt, what it says meanwhile, and how it ended.

Source: agentclientprotocol.com, "Prompt turn". The client offers no files and no terminals of its own, since
the agent has its sandbox; every permission is given, for the same reason.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from hundredfold.agents.codex.events import Turn as CodexTurn
from hundredfold.agents.codex.events import TurnError, outcome_of
from hundredfold.agents.declining import declines
from hundredfold.agents.protocol import ErrorKind, Event, Outcome, Progress, Spent, WorkOrder
from hundredfold.vocabulary import Usage

if TYPE_CHECKING:
    from acp.schema import PermissionOption, PromptResponse

MOST_TEXT = 200
#: as the answer may be given: bare, or in a fenced block
_FENCED = re.compile(r"```(?:json)?\s*\n(.*?)\n\s*```", re.DOTALL)
_ASK = (
    "\n\nGive your final answer as one JSON value and nothing else, no words before or after it. "
    "It must obey this JSON schema:\n"
)


class Turn:
    """`Attendant` for one ACP agent."""

    def __init__(self, order: WorkOrder, report: Callable[[Event], None]) -> None:
        self._order = order
        self._client = _Client(report)
        self._report = report
        self._response: PromptResponse | None = None
        self._error = ""

    async def attend(self, process: asyncio.subprocess.Process, touch: Callable[[], None]) -> None:
        """Have the prompt answered."""
        from acp import PROTOCOL_VERSION, RequestError, connect_to_agent, text_block
        from acp.schema import Implementation

        self._client.touch = touch
        connection = connect_to_agent(self._client, process.stdin, process.stdout)  # type: ignore[arg-type]
        try:
            ours = Implementation(name="hundredfold", version="1")
            await connection.initialize(protocol_version=PROTOCOL_VERSION, client_info=ours)
            session = await connection.new_session(cwd=str(self._order.workspace), mcp_servers=[])
            schema = msgspec.json.encode(self._order.schema).decode()
            text = (self._order.prompt + _ASK + schema).encode("utf-8", "replace").decode()
            self._response = await connection.prompt(session_id=session.session_id, prompt=[text_block(text)])
        except RequestError as error:
            self._error = f"{error} {msgspec.json.encode(error.data).decode() if error.data else ''}".strip()
        except (OSError, EOFError) as error:
            self._error = self._error or f"its connection was lost: {error}"
        finally:
            with contextlib.suppress(Exception):
                await asyncio.wait_for(connection.close(), 2)

    def ended(self, exit_code: int | None, words: str) -> Outcome:
        """How the attempt ended."""
        response = self._response
        if response is None:
            if exit_code is None and self._error:
                return outcome_of(CodexTurn("", "failed", error=TurnError(self._error)), None)
            error = f"the agent ended with exit code {exit_code} in its turn. {self._error} {words}".strip()
            return Outcome("failed", error_kind="agent", error=error)
        if response.usage is not None:
            told = response.usage
            cached, written = told.cached_read_tokens or 0, told.cached_write_tokens or 0
            # Here the input leaves out what the cache gave or took.
            usage = Usage(
                told.input_tokens + cached + written,
                cached,
                written,
                told.output_tokens,
                told.thought_tokens or 0,
            )
            self._report(Spent(usage))
        said = self._client.said.strip()
        match response.stop_reason:
            case "refusal":
                return Outcome("refused", text=said or "the agent declined")
            case "max_tokens" | "max_turn_requests" | "cancelled":
                kind: ErrorKind = "context" if response.stop_reason == "max_tokens" else "agent"
                return Outcome(
                    "failed", error_kind=kind, error=f"the turn ended early: {response.stop_reason}"
                )
        if not said:
            return Outcome("refused", text="the agent answered nothing")
        if declines(said):
            return Outcome("refused", text=said)
        return Outcome("completed", text=answer_in(said))


def answer_in(text: str) -> str:
    """The JSON in what was said: all of it, or its last fenced block, or from its first brace to its last."""
    fenced: list[str] = _FENCED.findall(text)
    first, last = text.find("{"), text.rfind("}")
    braced = [text[first : last + 1]] if 0 <= first < last else []
    for candidate in (text, *reversed(fenced), *braced):
        with contextlib.suppress(msgspec.DecodeError):
            msgspec.json.decode(candidate)
            return candidate
    return text


class _Client:
    """What the agent may ask of us: permissions, which it gets; and where its news arrive."""

    def __init__(self, report: Callable[[Event], None]) -> None:
        self._report = report
        self.touch: Callable[[], None] = lambda: None
        self.said = ""

    async def request_permission(
        self, session_id: str, tool_call: Any, options: list[PermissionOption], **_: Any
    ) -> Any:
        """Give it, once."""
        from acp.schema import AllowedOutcome, RequestPermissionResponse

        ranked = sorted(options, key=lambda one: ("allow_once", "allow_always").index(one.kind)
                        if one.kind in ("allow_once", "allow_always") else 2)  # fmt: skip
        return RequestPermissionResponse(
            outcome=AllowedOutcome(outcome="selected", option_id=ranked[0].option_id)
        )

    async def session_update(self, session_id: str, update: Any, **_: Any) -> None:
        """Hear what is going on."""
        self.touch()
        match update.session_update:
            case "agent_message_chunk":
                self.said += getattr(update.content, "text", "")
            case "agent_thought_chunk":
                pass
            case "tool_call":
                self.said = ""  # only what follows the last tool call is the answer
                kinds = {"execute": "command", "edit": "file", "delete": "file", "move": "file"}
                kind: Any = kinds.get(update.kind or "", "tool")
                self._report(
                    Progress(kind, " ".join((update.title or "")[: 2 * MOST_TEXT].split())[:MOST_TEXT])
                )

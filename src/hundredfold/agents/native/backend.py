"""The native backend: ask the model, do what it asks for, until it answers. All in this process.

The loop is `_converse`. A thousand attempts share one event loop, one HTTP session and a few threads for
files. Attempts die with the process, so there is nothing to resume.
"""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib.resources import files
from typing import Any

import msgspec

from hundredfold.agents.declining import declines
from hundredfold.agents.native.client import Client, Stalled
from hundredfold.agents.native.conversation import Conversation, fixed_part
from hundredfold.agents.native.response import ApiError, OutputItem, Response
from hundredfold.agents.native.tools import Toolbox, definitions
from hundredfold.agents.protocol import Event, Gone, Outcome, Progress, Spent, Started, WorkOrder
from hundredfold.workspaces.protocol import Sandbox
from hundredfold.workspaces.sandbox import RefusingSandbox

MOST_TURNS = 40
#: calls of one turn that are done; the rest are answered with a refusal
MOST_CALLS = 16
_FILE_THREADS = 4


class NativeBackend:
    """Runs work orders in this process; commands only in `sandbox`, and none without one."""

    name = "native"

    def __init__(self, sandbox: Sandbox | None, *, turns: int = MOST_TURNS) -> None:
        self._sandbox = None if isinstance(sandbox, RefusingSandbox) else sandbox
        self._turns = turns
        self._client = Client()
        self._threads = ThreadPoolExecutor(_FILE_THREADS, thread_name_prefix="native-files")
        self._commands = asyncio.Semaphore(2 * (os.cpu_count() or 1))

    async def run(
        self, order: WorkOrder, report: Callable[[Event], None], resume: dict[str, Any] | None = None
    ) -> Outcome:
        """Run the order to its end (see `agents.protocol.Backend`).

        Raises:
            Gone: always with `resume`: attempts of this backend die with their process.
        """
        if resume is not None:
            raise Gone("native attempts die with their process")
        report(Started(None))
        try:
            async with asyncio.timeout(order.deadline_s):
                return await self._converse(order, report)
        except TimeoutError:
            return Outcome("failed", error_kind="deadline", error=f"not done after {order.deadline_s:.0f} s")
        except Stalled as error:
            return Outcome("failed", error_kind="stalled", error=str(error))
        except ApiError as error:
            return Outcome("failed", error_kind=error.kind, error=str(error))

    async def close(self, *, keep_running: bool = False) -> None:
        """Close the connections. Attempts can't be left running, whatever `keep_running` says."""
        await self._client.close()
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _converse(self, order: WorkOrder, report: Callable[[Event], None]) -> Outcome:
        conversation = Conversation(self._fixed(order), order.prompt)
        toolbox = self._toolbox(order)
        deadline = asyncio.get_running_loop().time() + order.deadline_s
        for turn in range(1, self._turns + 1):
            final = turn == self._turns
            if final and turn > 1:
                conversation.urge("No more tools can be called. Give your answer now.")
            try:
                response = await self._ask(order, conversation.body(final=final), deadline, report)
            except ApiError as error:
                if error.kind == "context" and conversation.trim():
                    continue
                raise
            items = [msgspec.json.decode(raw, type=OutputItem) for raw in response.output]
            calls = [item for item in items if item.type == "function_call"]
            if final or not calls:
                return ended(response, items)
            for raw, item in zip(response.output, items, strict=True):
                if item.type != "reasoning" or item.encrypted_content:
                    conversation.heard(raw)
            for place, call in enumerate(calls):
                report(Progress("tool", f"{call.name} {call.arguments}"[:200]))
                said = await toolbox.call(call.name, call.arguments) if place < MOST_CALLS else _TOO_MANY
                conversation.told(call.call_id, said)
        raise ApiError("context", "the context window is exceeded on the last turn")

    async def _ask(
        self, order: WorkOrder, body: bytes, deadline: float, report: Callable[[Event], None]
    ) -> Response:
        response = await self._client.create(
            order.gateway_url, body, stall_s=order.stall_s, deadline=deadline, report=report
        )
        report(Spent(response.tokens()))
        return response

    def _fixed(self, order: WorkOrder) -> dict[str, Any]:
        return fixed_part(
            model=order.model,
            effort=order.effort,
            tier=order.tier,
            attempt=order.attempt,
            instructions=_instructions(),
            tools=definitions(commands=self._sandbox is not None),
            schema=order.schema,
        )

    def _toolbox(self, order: WorkOrder) -> Toolbox:
        return Toolbox(
            order.workspace,
            writable=order.writable,
            sandbox=self._sandbox,
            threads=self._threads,
            commands=self._commands,
            mark=secrets.token_hex(8),
        )


_TOO_MANY = f"refused: at most {MOST_CALLS} calls at once"


def ended(response: Response, items: list[OutputItem]) -> Outcome:
    """The outcome of an answer without tool calls."""
    refusal = "".join(item.refusal() for item in items)
    text = "".join(item.text() for item in items)
    if response.status == "incomplete":
        reason = response.incomplete_details.reason if response.incomplete_details else ""
        if reason == "content_filter":
            return Outcome("refused", text=refusal or "the provider's content filter stopped the answer")
        return Outcome(
            "failed", error_kind="context", error=f"the answer was cut: {reason or 'no reason given'}"
        )
    if refusal and not text:
        return Outcome("refused", text=refusal)
    if not text:
        return Outcome("failed", error_kind="agent", error="the model answered nothing")
    return Outcome("refused" if declines(text) else "completed", text=text)


@cache
def _instructions() -> str:
    return files("hundredfold.agents.native").joinpath("instructions.md").read_text("utf-8")

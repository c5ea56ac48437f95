"""The seam between the fleet and the programs that are agents.

A backend is given a `WorkOrder` and yields what happens. It never decides about retries of an attempt,
budgets or what an answer means: that is the fleet's and the job's. It must end: every wait inside it has a
bound, and cancelling `run` leaves no process, terminal or child of this attempt behind.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, Protocol

from msgspec import Struct

from hundredfold.vocabulary import Usage

ErrorKind = Literal[
    "throttled",  # 429 per minute, retries used up: requeue, does not spend the failure budget
    "quota",  # the provider's quota or our limit is used up: stop, say so
    "context",  # the context window is exceeded
    "provider",  # 5xx, overloaded, cut streams, retries used up
    "auth",  # the key was refused
    "request",  # the provider called the request wrong (400)
    "agent",  # the agent program crashed or broke its protocol
    "stalled",  # no progress within `WorkOrder.stall_s`
    "deadline",  # `WorkOrder.deadline_s` passed
]


class WorkOrder(Struct, frozen=True):
    """All that a backend may know. There is no credential in it but the attempt's own gateway address.

    `workspace` is a directory the agent may look at (and write to only if `writable`). `gateway_url` is the
    base URL of an OpenAI-compatible API for this attempt alone (append `/responses`). `stall_s` is the
    longest silence (no event from the agent) that is not called stalled.
    """

    attempt: str
    prompt: str
    schema: dict[str, Any]
    workspace: Path
    writable: bool
    gateway_url: str
    model: str
    effort: str
    tier: str
    deadline_s: float
    stall_s: float


class Started(Struct, frozen=True, tag="started"):
    """The agent runs. `session` (JSON) is what `run(resume=…)` needs to find it in another process's life;
    None if this backend's agents die with the process."""

    session: dict[str, Any] | None


class Retrying(Struct, frozen=True, tag="retry"):
    """The agent retries a model call by itself."""

    status: int | None
    delay_s: float | None
    message: str


class Progress(Struct, frozen=True, tag="progress"):
    """Something happened: a command, a message, a file change. `text` is one short line for people."""

    kind: Literal["command", "message", "reasoning", "file", "tool", "other"]
    text: str


class Spent(Struct, frozen=True, tag="spent"):
    """Tokens since the last `Spent`, as the agent reports them: a delta. The ledger is the gateway's."""

    usage: Usage


Event = Started | Retrying | Progress | Spent


class Outcome(Struct, frozen=True):
    """How the attempt's turn ended.

    completed: `text` is the agent's final message (to be validated by the caller against the schema) ·
    refused: the model declined, `text` says what it said · failed: see `error_kind` and `error`.
    """

    status: Literal["completed", "refused", "failed"]
    text: str = ""
    error_kind: ErrorKind | None = None
    error: str = ""


class Gone(Exception):
    """The session to resume no longer exists anywhere: the caller must begin a new attempt."""


class Backend(Protocol):
    """A kind of agent. One object serves all attempts of a process; `run` is called concurrently."""

    name: str

    async def run(
        self, order: WorkOrder, report: Callable[[Event], None], resume: dict[str, Any] | None = None
    ) -> Outcome:
        """Run the order to its end, reporting events as they come.

        With `resume` (a `Started.session` of an earlier life of this process) the running agent is found
        again and waited for; nothing is started anew.

        Raises:
            Gone: `resume` names a session that no longer exists.
            UnavailableError: the agent program can't be started at all.
            asyncio.CancelledError: cancelled; everything of this attempt was stopped.
        """
        ...

    async def close(self, *, keep_running: bool = False) -> None:
        """Stop every process of this backend (or leave running agents be, to be resumed later)."""
        ...

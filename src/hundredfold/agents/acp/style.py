"""How an ACP agent is started for an attempt: the user's own command, with the attempt's address filled in.

The protocol has no schema for answers, no tier and no effort: the schema is put to the agent in words and the
answer is taken out of what it says; tier and metering are the gateway's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path

from hundredfold.agents.acp.turn import Turn
from hundredfold.agents.programs.cell import AGENT_HOME
from hundredfold.agents.programs.npm import NODE_MEND, as_program, find_program
from hundredfold.agents.programs.protocol import Attendant, Launch, Login, Program
from hundredfold.agents.protocol import Event, WorkOrder
from hundredfold.errors import UnavailableError
from hundredfold.workspaces.environment import confined

MEND = (
    "Name its program in [acp] command and have it on PATH; the client is `pip install 'hundredfold[acp]'`. "
    + NODE_MEND
)


class Acp:
    """`agents.programs.protocol.Style` for one ACP agent."""

    name = "acp"
    resumes = False  # few agents can load a conversation

    def __init__(self, command: tuple[str, ...], environment: Mapping[str, str]) -> None:
        self._command = command
        self._environment = environment

    def program(self) -> Program:
        """The program.

        Raises:
            UnavailableError: it, its Node or the client library is not installed.
        """
        found = find_acp(self._command[0])
        if found is None:
            raise UnavailableError(f"the ACP agent {self._command[0]!r} is not installed", MEND)
        return found

    def login(self) -> Login | None:
        """Never any."""
        return None

    def launch(self, order: WorkOrder, home: Path, *, again: bool) -> Launch:
        """How it is started (see `Style.launch`)."""
        filled = {
            "{gateway}": order.gateway_url,
            "{gateway-root}": order.gateway_url.removesuffix("/v1"),
            "{model}": order.model,
            "{home}": str(AGENT_HOME),
        }
        environment = {
            **confined(AGENT_HOME),
            **{name: _filled(value, filled) for name, value in self._environment.items()},
        }
        return Launch(tuple(_filled(word, filled) for word in self._command[1:]), environment, None)

    def attendant(self, order: WorkOrder, report: Callable[[Event], None]) -> Attendant:
        """Who talks to it."""
        return Turn(order, report)


def find_acp(name: str) -> Program | None:
    """The program of that name or path and how it is called, or None if something that it needs is missing.
    Starts nothing."""
    found = find_program(name, "HUNDREDFOLD_ACP")
    if found is None or find_spec("acp") is None:
        return None
    return as_program(found)


def _filled(text: str, values: Mapping[str, str]) -> str:
    for name, value in values.items():
        text = text.replace(name, value)
    return text

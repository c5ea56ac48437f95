"""How Claude Code is started for an attempt, and what it may and may not find.

Nothing in a repository configures it: no settings, hooks, MCP servers, CLAUDE.md, skills or plugins of the
project are loaded (`--safe-mode`, and settings of its own home only). It may use every tool, since its
sandbox is ours. Every model name it could choose by itself is the route's.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable
from pathlib import Path

import msgspec

from hundredfold.agents.claude.events import Listener
from hundredfold.agents.claude.locate import MEND, find_claude
from hundredfold.agents.programs.backend import GO_ON
from hundredfold.agents.programs.cell import AGENT_HOME
from hundredfold.agents.programs.lines import Lines
from hundredfold.agents.programs.protocol import Attendant, Launch, Login, Program
from hundredfold.agents.protocol import Event, WorkOrder
from hundredfold.errors import UnavailableError
from hundredfold.workspaces.environment import confined, spoken

_RETRIES = 3
_READING = "Bash,Read,Glob,Grep"
_WRITING = f"{_READING},Edit,Write"
#: it knows no "minimal"
_EFFORTS = {"minimal": "low"}

#: its login: a file below the user's CLAUDE_CONFIG_DIR, by this name in the agent's home too
_CREDENTIALS = ".credentials.json"


class Claude:
    """`agents.programs.protocol.Style` for Claude Code; `subscription`: it is lent the user's own login."""

    name = "claude"
    resumes = True

    def __init__(self, *, subscription: bool = False) -> None:
        self._subscription = subscription

    def program(self) -> Program:
        """The program.

        Raises:
            UnavailableError: it is not installed.
        """
        found = find_claude()
        if found is None:
            raise UnavailableError("Claude Code is not installed", MEND)
        return found

    def login(self) -> Login | None:
        """The user's login in subscription mode.

        Raises:
            UnavailableError: the user is not logged in.
        """
        return subscription_login() if self._subscription else None

    def launch(self, order: WorkOrder, home: Path, *, again: bool) -> Launch:
        """How it is started (see `Style.launch`)."""
        session = str(uuid.uuid5(uuid.NAMESPACE_URL, f"hundredfold:{order.attempt}"))
        kept = again and any((home / "projects").rglob(f"{session}.jsonl"))
        options = [
            "-p", "--output-format", "stream-json", "--verbose",
            "--json-schema", msgspec.json.encode(order.schema).decode(),
            "--model", order.model,
            "--permission-mode", "bypassPermissions",
            "--tools", _WRITING if order.writable else _READING,
            "--safe-mode", "--setting-sources", "user", "--strict-mcp-config", "--disable-slash-commands",
            *(("--resume", session) if kept else ("--session-id", session)),
        ]  # fmt: skip
        if order.effort:
            options += ["--effort", _EFFORTS.get(order.effort, order.effort)]
        prompt = GO_ON if kept else order.prompt
        return Launch(tuple(options), self._environment(order), prompt.encode("utf-8", "replace"))

    def attendant(self, order: WorkOrder, report: Callable[[Event], None]) -> Attendant:
        """Who hears its lines."""
        return Lines(Listener(report))

    def _environment(self, order: WorkOrder) -> dict[str, str]:
        made = {
            **confined(AGENT_HOME),
            **spoken(),
            "CLAUDE_CONFIG_DIR": str(AGENT_HOME),
            "CLAUDE_CODE_MAX_RETRIES": str(_RETRIES),
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "CLAUDE_CODE_SUBAGENT_MODEL": order.model,
            "ANTHROPIC_DEFAULT_HAIKU_MODEL": order.model,
            "ANTHROPIC_SMALL_FAST_MODEL": order.model,
            "DISABLE_AUTOUPDATER": "1",
            "IS_SANDBOX": "1",
        }
        if not self._subscription:
            # It asks for `/v1/messages` itself. The key is the gateway's to set; it must be something.
            made |= {
                "ANTHROPIC_BASE_URL": order.gateway_url.removesuffix("/v1"),
                "ANTHROPIC_API_KEY": "none",
            }
        return made


def subscription_login() -> Login:
    """The login of the user's own Claude Code.

    Raises:
        UnavailableError: there is none.
    """
    folder = Path(os.environ.get("CLAUDE_CONFIG_DIR") or Path.home() / ".claude")
    file = folder / _CREDENTIALS
    if not file.is_file():
        raise UnavailableError(f"there is no login at {file}", "Log in once: run `claude` and `/login`.")
    return Login(file.resolve(), _CREDENTIALS)

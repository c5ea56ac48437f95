"""How `codex exec` is started for an attempt. The sandbox is ours, so Codex's own is off.

Nothing in a repository configures it: the project is never trusted and its AGENTS.md is no instruction. One
home per attempt, since processes that share one lose tasks in silence.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import msgspec

from hundredfold.agents.codex.home import (
    FEATURES_OFF,
    PROVIDER,
    REQUEST_RETRIES,
    SERVICE_TIER,
    STREAM_RETRIES,
)
from hundredfold.agents.codex.locate import MEND, find_codex, package_of
from hundredfold.agents.codex_exec.events import Listener
from hundredfold.agents.programs.backend import GO_ON
from hundredfold.agents.programs.cell import AGENT_HOME
from hundredfold.agents.programs.lines import Lines
from hundredfold.agents.programs.protocol import Attendant, Launch, Login, Program
from hundredfold.agents.protocol import Event, WorkOrder
from hundredfold.errors import UnavailableError
from hundredfold.workspaces.environment import confined, spoken

_AUTH = "auth.json"


class CodexExec:
    """`agents.programs.protocol.Style` for `codex exec`; `subscription`: it is lent the user's own login."""

    name = "codex-exec"
    resumes = True

    def __init__(self, *, subscription: bool = False) -> None:
        self._subscription = subscription

    def program(self) -> Program:
        """The program.

        Raises:
            UnavailableError: it is not installed.
        """
        found = find_codex()
        if found is None:
            raise UnavailableError("Codex is not installed", MEND)
        return Program((str(found),), (package_of(found), found))

    def login(self) -> Login | None:
        """The user's login in subscription mode.

        Raises:
            UnavailableError: the user is not logged in.
        """
        return subscription_login() if self._subscription else None

    def launch(self, order: WorkOrder, home: Path, *, again: bool) -> Launch:
        """How it is started (see `Style.launch`)."""
        (home / "config.toml").write_text(_configuration(order, self._subscription), encoding="utf-8")
        (home / "schema.json").write_bytes(msgspec.json.encode(order.schema))
        kept = again and any((home / "sessions").rglob("rollout-*.jsonl"))
        options = ["exec", "--json", "--skip-git-repo-check", "--color", "never"]
        options += ["--output-schema", str(AGENT_HOME / "schema.json"), "-C", str(order.workspace)]
        options += [
            "--dangerously-bypass-approvals-and-sandbox",
            *(("resume", "--last", "-") if kept else ("-",)),
        ]
        environment = {
            **confined(AGENT_HOME),
            **spoken(),
            "CODEX_HOME": str(AGENT_HOME),
            "RUST_LOG": "error",
        }
        prompt = GO_ON if kept else order.prompt
        return Launch(tuple(options), environment, prompt.encode("utf-8", "replace"))

    def attendant(self, order: WorkOrder, report: Callable[[Event], None]) -> Attendant:
        """Who hears its lines."""
        return Lines(Listener(report))


def subscription_login() -> Login:
    """The login of the user's own Codex.

    Raises:
        UnavailableError: there is none.
    """
    file = Path(os.environ.get("CODEX_HOME") or Path.home() / ".codex") / _AUTH
    if not file.is_file():
        raise UnavailableError(f"there is no login at {file}", "Log in once: run `codex login`.")
    return Login(file.resolve(), _AUTH)


def _configuration(order: WorkOrder, subscription: bool) -> str:
    off = "".join(f"{name} = false\n" for name in FEATURES_OFF)
    tier, effort = SERVICE_TIER.get(order.tier), order.effort
    lines = [
        f"model = {json.dumps(order.model)}",
        "check_for_update_on_startup = false",
        "project_doc_max_bytes = 0",
        'web_search = "disabled"',
        "allow_login_shell = false",
        'cli_auth_credentials_store = "file"',
        *([f"service_tier = {json.dumps(tier)}"] if tier else []),
        *([f"model_reasoning_effort = {json.dumps(effort)}"] if effort else []),
        *([] if subscription else [f"model_provider = {json.dumps(PROVIDER)}"]),
        "[history]",
        'persistence = "none"',
        "[analytics]",
        "enabled = false",
        "[feedback]",
        "enabled = false",
        "[skills]",
        "include_instructions = false",
        "[skills.bundled]",
        "enabled = false",
        "[shell_environment_policy]",
        "ignore_default_excludes = false",
        f"[projects.{json.dumps(str(order.workspace))}]",
        'trust_level = "untrusted"',
        "[features]",
        off,
    ]
    if not subscription:
        lines += [
            f"[model_providers.{PROVIDER}]",
            f"name = {json.dumps(PROVIDER)}",
            f"base_url = {json.dumps(order.gateway_url)}",
            'wire_api = "responses"',
            f"request_max_retries = {REQUEST_RETRIES}",
            f"stream_max_retries = {STREAM_RETRIES}",
            f"stream_idle_timeout_ms = {int(2000 * order.stall_s)}",
        ]
    return "\n".join(lines) + "\n"

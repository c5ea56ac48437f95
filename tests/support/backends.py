"""Every backend, made the way the fleet makes it, so that one suite holds them all to the same promises."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import psutil
import pytest
from msgspec import Struct

from hundredfold.agents.acp.style import Acp
from hundredfold.agents.claude.locate import OVERRIDE
from hundredfold.agents.claude.style import Claude
from hundredfold.agents.codex.backend import CodexBackend
from hundredfold.agents.codex_exec.style import CodexExec
from hundredfold.agents.native.backend import NativeBackend
from hundredfold.agents.programs.backend import ProgramBackend
from hundredfold.agents.protocol import Backend
from hundredfold.workspaces.sandbox import find_sandbox
from tests.support.npm import acp_program, claude_program


class Kind(Struct, frozen=True):
    """A backend and what is peculiar to it.

    `program`: what its processes are called, "" if it has none. `after_kill`: what becomes of an attempt
    whose orchestrator was killed: its agent still runs and is found again, its conversation goes on in a new
    process, or it is gone.
    """

    name: str
    make: Callable[[Path], Backend]
    model: str = "gpt-5.5"
    family: str = "openai"
    program: str = ""
    after_kill: Literal["runs", "goes on", "gone"] = "goes on"
    tells_tokens: bool = True
    #: ends that this program does not tell apart, however they came about
    blurred: dict[str, set[str]] = {}


#: a real ACP agent, from npm, told by options where to call
CODEX_ACP = (
    "codex-acp", "-c", "model={model}", "-c", "model_provider=hf", "-c", 'model_providers.hf.name="hf"',
    "-c", 'model_providers.hf.base_url="{gateway}"', "-c", 'model_providers.hf.wire_api="responses"',
    "-c", 'model_providers.hf.env_key="HF_KEY"', "-c", "model_providers.hf.request_max_retries=2",
    "-c", "model_providers.hf.stream_max_retries=2", "-c", 'sandbox_mode="danger-full-access"',
    "-c", "check_for_update_on_startup=false", "-c", "analytics.enabled=false",
)  # fmt: skip
ACP_KEY = {"HF_KEY": "none"}


def _native(state: Path) -> Backend:
    return NativeBackend(find_sandbox())


KINDS = {
    one.name: one
    for one in (
        Kind("native", _native, after_kill="gone"),
        Kind("codex", CodexBackend, program="codex", after_kill="runs"),
        Kind("codex-exec", lambda state: ProgramBackend(CodexExec(), state), program="codex"),
        Kind(
            "claude",
            lambda state: ProgramBackend(Claude(), state),
            model="claude-opus-5-5",
            family="anthropic",
            program="claude",
        ),
        Kind(
            "acp",
            lambda state: ProgramBackend(Acp(CODEX_ACP, {"CODEX_HOME": "{home}", **ACP_KEY}), state),
            program="codex-acp",
            after_kill="gone",
            tells_tokens=False,
            blurred={"quota": {"throttled"}},  # it passes on the status of the last 429 only
        ),
    )
}


def ready(name: str, monkeypatch: pytest.MonkeyPatch) -> Kind:
    """The kind, with its program installed; skips the test where it can't be."""
    if name == "claude":
        monkeypatch.setenv(OVERRIDE, str(claude_program()))
    if name == "acp":
        monkeypatch.setenv("HUNDREDFOLD_ACP", str(acp_program()))
    return KINDS[name]


def programs_of(kind: Kind) -> list[psutil.Process]:
    """The agent programs that this process has started and that run now, without their sandboxes."""
    found = []
    for process in psutil.Process().children(recursive=True):
        try:
            if process.name().startswith(kind.program) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            continue
    return found

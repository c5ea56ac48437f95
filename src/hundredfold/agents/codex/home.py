"""The private home of one Codex server, and what each thread may see of the machine.

Codex reads the whole disk unless told otherwise, so every thread gets a permission profile of its own: the
system's programs, its workspace, the objects of its git repository and a scratch folder; no network, no other
workspace, no home folder. A server takes no attempt before it proved by a command that this holds.

Nothing in a repository configures Codex: its project is never trusted (no `.codex/config.toml`, hook or MCP
server of it is used) and its AGENTS.md and skills are no instructions.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hundredfold.agents.codex.locate import package_of
from hundredfold.agents.protocol import WorkOrder
from hundredfold.workspaces.bubblewrap import interpreter_prefix
from hundredfold.workspaces.environment import confined, spoken
from hundredfold.workspaces.gitview import git_view

PROVIDER = "hundredfold"
PROFILE = "attempt"

#: retries by Codex itself; they multiply (12 tries of one model request), and 429 is not among them
REQUEST_RETRIES = 2
STREAM_RETRIES = 3

#: parts of Codex that cost memory or reach outward and serve no attempt
FEATURES_OFF = (
    "apps",
    "auth_elicitation",
    "browser_use",
    "browser_use_external",
    "computer_use",
    "enable_request_compression",
    "goals",
    "hooks",
    "image_generation",
    "in_app_browser",
    "memories",
    "multi_agent",
    "plugins",
    "remote_plugin",
    "shell_snapshot",
    "skill_search",
    "tool_suggest",
    "workspace_dependencies",
)

#: OpenAI's names of our tiers; `batch` can't be had by an agent and is asked for as flex
SERVICE_TIER = {"fast": "fast", "flex": "flex", "batch": "flex"}


class Home:
    """The folder of one server: Codex's home, its temporary files, its socket, its log, its threads."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.codex = folder / "home"
        self.temporary = folder / "tmp"
        self.scratch = folder / "scratch"
        self.probe = folder / "probe"
        self.run = folder / "run"
        self.threads = folder / "threads"
        self.socket = folder / "link" / "s"
        self.log = folder / "log"
        self.record = folder / "server.json"
        self.lock = folder / "lock"

    def make(self, program: Path) -> None:
        """Make every folder (0700) and write Codex's configuration.

        Raises:
            OSError: the disk refused.
        """
        folders = (self.codex, self.temporary, self.scratch, self.probe, self.run, self.threads)
        for path in (self.folder, *folders, self.socket.parent):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        config = self.codex / "config.toml"
        config.touch(mode=0o600)
        config.write_text(_configuration(self._visible(program)), encoding="utf-8")

    def environment(self, program: Path) -> dict[str, str]:
        """All that the server's processes get to see of our environment, and its own folders."""
        tools = [package_of(program) / name for name in ("codex-path", "path")]
        return {
            **confined(self.codex, self.temporary, tools=[path for path in tools if path.is_dir()]),
            **spoken("SSL_CERT_FILE", "SSL_CERT_DIR"),
            "CODEX_HOME": str(self.codex),
            "RUST_LOG": "error",
        }

    def _visible(self, program: Path) -> list[Path]:
        """What every sandboxed command must be able to read: Codex's own helpers, the interpreter."""
        prefix = interpreter_prefix()
        return [self.codex / "tmp", package_of(program), *([prefix] if prefix else [])]


def thread_settings(order: WorkOrder, scratch: Path) -> dict[str, Any]:
    """What `thread/start` and `thread/resume` are told of an order. Holds the attempt's gateway address."""
    workspace = str(order.workspace)
    return {
        "cwd": workspace,
        "runtimeWorkspaceRoots": [workspace],
        "model": order.model,
        "modelProvider": PROVIDER,
        "approvalPolicy": "never",
        "permissions": PROFILE,
        "serviceTier": SERVICE_TIER.get(order.tier),
        "config": {
            "model_providers": {
                PROVIDER: {
                    "name": PROVIDER,
                    "base_url": order.gateway_url,
                    "wire_api": "responses",
                    "request_max_retries": REQUEST_RETRIES,
                    "stream_max_retries": STREAM_RETRIES,
                    # our own watchdog is the one that decides; this one only ends what it forgot
                    "stream_idle_timeout_ms": int(2000 * order.stall_s),
                }
            },
            "permissions": {PROFILE: _sight(order, scratch)},
            "projects": {workspace: {"trust_level": "untrusted"}},
            "shell_environment_policy": {
                "ignore_default_excludes": False,
                "set": {"TMPDIR": str(scratch), "HOME": str(scratch)},
            },
        },
    }


def _sight(order: WorkOrder, scratch: Path) -> dict[str, Any]:
    """What is added to the profile of the configuration file for one attempt."""
    entries: dict[str, Any] = {str(path): "read" for path in git_view(order.workspace).visible}
    entries[str(scratch)] = "write"
    entries[":workspace_roots"] = {".": "write" if order.writable else "read"}
    return {"filesystem": entries}


def _configuration(visible: Sequence[Path]) -> str:
    off = "".join(f"{name} = false\n" for name in FEATURES_OFF)
    seen = "".join(f'{json.dumps(str(path))} = "read"\n' for path in visible)
    return (
        f'model_provider = "{PROVIDER}"\n'
        f'default_permissions = "{PROFILE}"\n'
        "check_for_update_on_startup = false\n"
        "project_doc_max_bytes = 0\n"
        'web_search = "disabled"\n'
        # a login shell would set its own PATH
        "allow_login_shell = false\n"
        'cli_auth_credentials_store = "file"\n\n'
        '[history]\npersistence = "none"\n\n'
        "[analytics]\nenabled = false\n\n"
        "[feedback]\nenabled = false\n\n"
        "[skills]\ninclude_instructions = false\n\n"
        "[skills.bundled]\nenabled = false\n\n"
        "[shell_environment_policy]\nignore_default_excludes = false\n\n"
        f"[features]\n{off}\n"
        # every thread names its own address; this one answers nothing
        f"[model_providers.{PROVIDER}]\n"
        f'name = "{PROVIDER}"\nbase_url = "http://127.0.0.1:9"\nwire_api = "responses"\n\n'
        f'[permissions.{PROFILE}.filesystem]\n":minimal" = "read"\n{seen}\n'
        f'[permissions.{PROFILE}.filesystem.":workspace_roots"]\n"." = "read"\n'
    )

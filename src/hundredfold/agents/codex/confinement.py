"""The sandbox around a whole app-server: what its process sees of this machine.

Codex confines the commands it runs; this confines Codex itself, in case its own sandbox leaks or one of its
tools reads a file in its own process. It also puts the server and everything it ever starts into one process
namespace, so nothing can hide from being ended.
"""

from __future__ import annotations

import os
from pathlib import Path

from msgspec import Struct

from hundredfold.agents.codex.home import Home
from hundredfold.agents.codex.locate import package_of
from hundredfold.agents.protocol import WorkOrder
from hundredfold.workspaces.bubblewrap import interpreter_prefix, system_arguments
from hundredfold.workspaces.gitview import git_view


class Sight(Struct, frozen=True):
    """What a server sees: folders that hold workspaces, and what of git may be read besides."""

    roots: frozenset[Path] = frozenset()
    read: frozenset[Path] = frozenset()

    def covers(self, other: Sight) -> bool:
        """Whether a server with this sight can serve an order that needs the other."""
        return all(
            any(path.is_relative_to(seen) for seen in self.roots | self.read)
            for path in other.roots | other.read
        )


def sight_of(order: WorkOrder, workspaces: Path) -> Sight:
    """What a server must see for an order. Workspaces below `workspaces` share a sight, hence servers."""
    root = workspaces if order.workspace.is_relative_to(workspaces) else order.workspace
    read = (path for path in git_view(order.workspace).visible if not path.is_relative_to(root))
    return Sight(frozenset({root}), frozenset(read))


def daemon_folder() -> Path:
    """Where Codex puts its socket; the path it is told to listen at becomes a link into this folder."""
    return Path(f"/tmp/codex-daemon-{os.getuid()}")  # noqa: S108 - Codex's choice; it insists on mode 0700


def arguments(home: Home, program: Path, sight: Sight) -> list[str]:
    """bubblewrap's arguments for the server of that home."""
    # The network stays: the gateway is on loopback, and commands have none by Codex's own sandbox.
    made = ["--unshare-user", "--unshare-pid", "--unshare-ipc", "--cap-drop", "ALL"]
    if os.getuid() == 0:
        # The kernel lets root be mapped into Codex's own, nested namespace only with this one.
        made += ["--cap-add", "CAP_SETFCAP"]
    made += ["--proc", "/proc", "--dev", "/dev", *system_arguments(())]
    made += ["--tmpfs", "/tmp"]  # noqa: S108 - the sandbox's own
    made += ["--bind", str(home.run), str(daemon_folder())]
    own = (home.codex, home.temporary, home.scratch, home.probe, home.socket.parent)
    for path in (*sorted(sight.roots), *own):
        made += ["--bind", str(path), str(path)]
    prefix = interpreter_prefix()
    for path in (*sorted(sight.read), package_of(program), program, *([prefix] if prefix else [])):
        made += ["--ro-bind", str(path), str(path)]
    return [*made, "--chdir", str(home.codex)]

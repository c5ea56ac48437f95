"""The sandbox around a whole app-server: what its process sees of this machine.

Codex confines the commands it runs; this confines Codex itself, in case its own sandbox leaks or one of its
tools reads a file in its own process. It also puts the server and everything it ever starts into one process
namespace, so that ending the first process there ends all of them, whatever they did to hide.
"""

from __future__ import annotations

import os
from pathlib import Path

from msgspec import Struct

from hundredfold.agents.codex.locate import Codex
from hundredfold.agents.protocol import WorkOrder
from hundredfold.workspaces.bubblewrap import system_arguments
from hundredfold.workspaces.gitview import git_view


def daemon_folder() -> Path:
    """Where Codex puts the socket itself; what it is told to listen at becomes a link to it."""
    return Path(f"/tmp/codex-daemon-{os.getuid()}")  # noqa: S108 - Codex's choice; it insists on mode 0700


class Sight(Struct, frozen=True):
    """What attempts may reach: folders that hold workspaces, and what of git they may read besides."""

    roots: frozenset[Path] = frozenset()
    read: frozenset[Path] = frozenset()

    def covers(self, other: Sight) -> bool:
        """Whether a server with this sight can serve an order that needs the other."""
        return all(
            any(path.is_relative_to(root) for root in self.roots | self.read)
            for path in other.roots | other.read
        )


def sight_of(order: WorkOrder, workspaces: Path) -> Sight:
    """What a server must see for an order. Workspaces below `workspaces` share a sight, hence servers."""
    root = workspaces if order.workspace.is_relative_to(workspaces) else order.workspace
    read = (path for path in git_view(order.workspace).visible if not path.is_relative_to(root))
    return Sight(frozenset({root}), frozenset(read))


def arguments(folder: Path, codex: Codex, sight: Sight) -> list[str]:
    """bubblewrap's arguments for a server whose own things are in `folder`."""
    # The network stays: the gateway is on loopback, and commands have none by Codex's own sandbox.
    made = ["--unshare-user", "--unshare-pid", "--unshare-ipc", "--cap-drop", "ALL"]
    made += ["--proc", "/proc", "--dev", "/dev", *system_arguments(())]
    made += ["--tmpfs", "/tmp"]  # noqa: S108 - the sandbox's own
    made += ["--bind", str(folder / "run"), str(daemon_folder())]
    for path in (
        *sorted(sight.roots),
        folder / "home",
        folder / "scratch",
        folder / "probe",
        folder / "link",
    ):
        made += ["--bind", str(path), str(path)]
    for path in (*sorted(sight.read), codex.package, codex.binary):
        made += ["--ro-bind", str(path), str(path)]
    return [*made, "--chdir", str(folder / "home")]

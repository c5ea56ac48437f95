"""An agent program's sandbox: its workspace, a home of its own, the system's programs, and one door.

The network namespace is private. Before the program starts, a few lines of Python inside open a listening
socket there and hand it out; the caller carries what connects to it to the attempt's gateway. So neither the
program nor a command it runs reaches anything else, and all of them end together with their namespace.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

from msgspec import Struct

from hundredfold.agents.programs.protocol import Login, Program
from hundredfold.errors import UnavailableError
from hundredfold.workspaces import bubblewrap
from hundredfold.workspaces.execution import Bounds
from hundredfold.workspaces.gitview import git_view
from hundredfold.workspaces.sandbox import MEND

#: where a program's home is, as it sees it
AGENT_HOME = Path("/home/agent")
#: where the gateway answers inside
_PORT = 8080
_START_S = 20.0
_WORDS_SHOWN = 600
#: one line of a program may be this long, bytes
LONGEST_LINE = 32 * 2**20

_ENTRY = """
import os, resource, socket, sys
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
door = socket.create_server(("127.0.0.1", int(sys.argv[2])), backlog=128)
link = socket.socket(fileno=int(sys.argv[1]))
given = door.fileno().to_bytes(4, sys.byteorder)
link.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, given)])
link.close(), door.close()
os.execv(sys.argv[3], sys.argv[3:])
"""


class Sight(Struct, frozen=True):
    """What a program sees besides the system: its workspace, its home, its own files; and a lent login."""

    workspace: Path
    writable: bool
    home: Path
    program: Program
    login: Login | None


class Started(Struct, frozen=True):
    """A program that runs, and the door of its sandbox. `process` is bubblewrap: what it holds dies with it.
    A program with a login of its own shares the machine's network and has no door."""

    process: asyncio.subprocess.Process
    door: socket.socket | None


async def start(
    sight: Sight, options: Sequence[str], environment: Mapping[str, str], given: bytes | None, log: Path
) -> Started:
    """Start the program; `given` is its whole standard input (None: a pipe), `log` gets its standard error.

    Raises:
        UnavailableError: there is no sandbox, or the program can't be started in it.
    """
    program = bubblewrap.locate_bubblewrap()
    if program is None:
        raise UnavailableError(f"{sight.program.words[0]} was not started: there is no sandbox", MEND)
    ours, theirs = socket.socketpair()
    with ExitStack() as stack:
        stack.callback(theirs.close)
        files = [*bubblewrap.identity_files(), *git_view(sight.workspace).replaced]
        data, descriptors = stack.enter_context(bubblewrap.shown(files))
        words = b"".join(os.fsencode(word) + b"\0" for word in [*_arguments(sight), *data])
        arguments = bubblewrap.in_memory(words)
        stack.callback(os.close, arguments)
        prompt = asyncio.subprocess.PIPE
        if given is not None:
            prompt = bubblewrap.in_memory(given)
            stack.callback(os.close, prompt)
        entry = [] if sight.login else [_python(), "-I", "-S", "-c", _ENTRY, str(theirs.fileno()), str(_PORT)]
        try:
            process = await asyncio.create_subprocess_exec(
                program, "--args", str(arguments), "--", *entry, *sight.program.words, *options,
                env={**environment},
                cwd="/",
                stdin=prompt,
                stdout=asyncio.subprocess.PIPE,
                stderr=stack.enter_context(log.open("ab")),
                pass_fds=(theirs.fileno(), arguments, *descriptors),
                start_new_session=True,
                limit=LONGEST_LINE,
            )  # fmt: skip
        except OSError as error:
            ours.close()
            raise UnavailableError(f"{program} can't be started: {error.strerror}", MEND) from error
    if sight.login is not None:
        ours.close()
        return Started(process, None)
    door = await asyncio.to_thread(_handed_out, ours)
    if door is None:
        process.kill()
        await process.wait()
        program_name = sight.program.words[0]
        raise UnavailableError(f"{program_name} can't be started in its sandbox: {last_words(log)}", MEND)
    return Started(process, door)


def inside(url: str) -> str:
    """The gateway's address as a program in a sandbox calls it."""
    return f"http://127.0.0.1:{_PORT}{urlsplit(url).path}"


def outside(url: str) -> tuple[str, int]:
    """Host and port of the gateway."""
    parts = urlsplit(url)
    return parts.hostname or "127.0.0.1", parts.port or 80


def _arguments(sight: Sight) -> list[str]:
    made = ["--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL", "--hostname", "agent"]
    if sight.login is not None:
        made += ["--share-net"]
    prefix = bubblewrap.interpreter_prefix()
    tools = bubblewrap.bundled("codex-path")
    read = [path for path in (prefix, tools) if path is not None]
    made += bubblewrap.scratch_arguments(Bounds())
    made += bubblewrap.system_arguments(read)
    for path in sight.program.visible:
        made += ["--ro-bind", str(path), str(path)]
    made += ["--bind", str(sight.home), str(AGENT_HOME)]
    if sight.login is not None:
        made += ["--bind", str(sight.login.file), str(AGENT_HOME / sight.login.name)]
        for name in ("/etc/resolv.conf", "/etc/hosts"):
            made += ["--ro-bind-try", name, name]
    view = git_view(sight.workspace)
    made += bubblewrap.workspace_arguments(sight.workspace, view, writable=sight.writable)
    return made


def _python() -> str:
    return str(Path(sys.base_prefix).resolve() / "bin" / f"python3.{sys.version_info.minor}")


def _handed_out(link: socket.socket) -> socket.socket | None:
    """The door that came through, or None if the other side ended first."""
    with link:
        link.settimeout(_START_S)
        try:
            _, descriptors, _, _ = socket.recv_fds(link, 16, 1)
        except OSError:
            return None
    return socket.socket(fileno=descriptors[0]) if descriptors else None


def last_words(log: Path) -> str:
    """The end of what a program wrote to its log, for an error message."""
    with contextlib.suppress(OSError):
        return log.read_bytes()[-_WORDS_SHOWN:].decode("utf-8", "replace").strip()
    return ""


def kill(process: asyncio.subprocess.Process) -> None:
    """Kill the sandbox with all that is in it."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)

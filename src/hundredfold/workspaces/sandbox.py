"""The sandbox: commands run under bubblewrap, or are refused. They never run bare.

A command sees what `bubblewrap.py` builds up for it; it has no network, a private /tmp, no capability, no way
to gain privileges, and no process of it is alive when `run` returns. Measured: 3 ms of
CPU and 9 ms of time a command.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

from hundredfold.errors import UnavailableError
from hundredfold.vocabulary import CommandResult
from hundredfold.workspaces import bubblewrap
from hundredfold.workspaces.environment import TMP, confined
from hundredfold.workspaces.execution import Bounds, Ended, execute
from hundredfold.workspaces.gitview import git_view

MEND = (
    "Install bubblewrap (Debian, Ubuntu: `apt install bubblewrap`; Fedora: `dnf install bubblewrap`), or "
    "`pip install 'hundredfold[codex]'`, whose package carries one, or name one in HUNDREDFOLD_BWRAP. "
    "If it is there and fails, the kernel must allow user namespaces."
)
_PROBE_S = 20.0

#: runs inside the sandbox; prints what it could do that it must not
_PROBE = """
import json, os, socket, sys
secrets, port, readonly, writable = json.loads(sys.argv[1])
could = []
for path in secrets:
    try:
        open(path, "rb").read(1)
        could.append("read " + path)
    except OSError:
        pass
for path in readonly:
    try:
        open(path + "/.probe", "w").close()
        could.append("write to " + path)
    except OSError:
        pass
try:
    socket.create_connection(("127.0.0.1", port), 2).close()
    could.append("open a connection")
except OSError:
    pass
if len([name for name in os.listdir("/proc") if name.isdigit()]) > 4:
    could.append("see other processes")
open(writable + "/.probe", "w").close()
print(json.dumps(could))
"""


class BubblewrapSandbox:
    """Runs commands under the bubblewrap binary `program`. One object serves any number of callers."""

    name = "bubblewrap"

    def __init__(self, program: Path, read: Sequence[Path] = (), bounds: Bounds = Bounds()) -> None:  # noqa: B008
        self.program = program
        self.bounds = bounds
        prefix = bubblewrap.interpreter_prefix()
        tools = bubblewrap.bundled("codex-path")
        shown = [path.resolve() for path in read] + [path for path in (prefix, tools) if path]
        self._system = bubblewrap.system_arguments(shown)
        self._environment = {
            **confined(home=TMP),
            "TERM": "dumb",
            "TZ": "UTC",
            "GIT_NO_LAZY_FETCH": "1",
        }

    async def run(
        self, argv: tuple[str, ...], workspace: Path, *, writable: bool, timeout_s: float
    ) -> CommandResult:
        """Run `argv` with the workspace as its current folder (see `workspaces.protocol.Sandbox`).

        Raises:
            UnavailableError: bubblewrap can't be started.
        """
        with self._command(argv, workspace, writable=writable) as (line, descriptors), _lifeline() as stdin:
            try:
                ended = await execute(
                    line,
                    cwd=Path("/"),
                    environment={},
                    timeout_s=timeout_s,
                    bounds=self.bounds,
                    descriptors=descriptors,
                    stdin=stdin,
                )
            except OSError as error:
                raise UnavailableError(f"{self.program} can't be started: {error.strerror}", MEND) from error
        return _result(argv, ended)

    @contextmanager
    def _command(
        self, argv: Sequence[str], workspace: Path, *, writable: bool
    ) -> Iterator[tuple[list[str], list[int]]]:
        """The whole command line, and the descriptors it refers to while the block lasts."""
        path = workspace.resolve()
        view = git_view(path)
        files = [*bubblewrap.identity_files(), *view.replaced]
        with bubblewrap.shown(files) as (data, descriptors):
            line = [str(self.program), *bubblewrap.isolation_arguments()]
            for key, value in self._environment.items():
                line += ["--setenv", key, value]
            line += bubblewrap.scratch_arguments(self.bounds)
            line += self._system
            line += bubblewrap.workspace_arguments(path, view, writable=writable)
            line += [*data, "--remount-ro", "/", "--", *bubblewrap.limited(argv, self.bounds)]
            yield line, descriptors

    def probe(self) -> str:
        """Try for real what must not work. Answers "" if the sandbox holds, else what is wrong with it."""
        with tempfile.TemporaryDirectory() as folder, socket.create_server(("127.0.0.1", 0)) as listener:
            own, sibling = Path(folder, "own"), Path(folder, "sibling")
            own.mkdir()
            sibling.mkdir()
            secret = sibling / "secret"
            secret.write_text("x")
            home = [str(path) for path in sorted(Path.home().glob("*")) if path.is_file()][:5]
            asked = [[str(secret), *home], listener.getsockname()[1], ["/usr", "/etc"], str(own)]
            python = str(Path(sys.base_prefix).resolve() / "bin" / f"python3.{sys.version_info.minor}")
            script = (python, "-I", "-S", "-c", _PROBE, json.dumps(asked))
            with self._command(script, own, writable=True) as (line, descriptors):
                try:
                    with _lifeline() as stdin:
                        done = subprocess.run(
                            line,
                            env={},
                            stdin=stdin,
                            start_new_session=True,
                            pass_fds=descriptors,
                            capture_output=True,
                            timeout=_PROBE_S,
                            check=False,
                        )
                except (OSError, subprocess.TimeoutExpired) as error:
                    return f"{self.program} did not run: {error}"
        if done.returncode != 0:
            return f"{self.program} failed: {done.stderr.decode(errors='replace').strip()[:300]}"
        could = json.loads(done.stdout)
        return f"a command in it could {', '.join(could)}" if could else ""


class RefusingSandbox:
    """Stands where no sandbox works: every command is refused, with the mend."""

    name = "none"

    async def run(
        self, argv: tuple[str, ...], workspace: Path, *, writable: bool, timeout_s: float
    ) -> CommandResult:
        """Refuse.

        Raises:
            UnavailableError: always.
        """
        raise UnavailableError(f"{argv[0]} was not run: no sandbox works on this machine", MEND)


def find_sandbox(read: Sequence[Path] = ()) -> BubblewrapSandbox | None:
    """The sandbox of this machine, proven by really trying to break out; None if none holds.

    `read`: folders that commands may read besides the system's programs and the workspace.
    """
    sandbox, _ = examine(tuple(read))
    return sandbox


@lru_cache(maxsize=8)
def examine(read: tuple[Path, ...] = ()) -> tuple[BubblewrapSandbox | None, str]:
    """The sandbox or None, and what was found, for people. Probed once in a process's life."""
    program = bubblewrap.locate_bubblewrap()
    if program is None:
        named = os.environ.get(bubblewrap.OVERRIDE)
        return None, f"{named} can't be executed" if named else "there is no bubblewrap"
    sandbox = BubblewrapSandbox(program, read)
    wrong = sandbox.probe()
    return (None, wrong) if wrong else (sandbox, f"{program}: holds")


@contextmanager
def _lifeline() -> Iterator[int]:
    """The reading end of a pipe that ends with the block, or with us: see `bubblewrap.limited`."""
    reading, writing = os.pipe()
    try:
        yield reading
    finally:
        os.close(reading)
        os.close(writing)


def _result(argv: tuple[str, ...], ended: Ended) -> CommandResult:
    output = f"{ended.output}\n… killed: it {ended.killed} …" if ended.killed else ended.output
    return CommandResult(argv, ended.exit_code, output, ended.timed_out, ended.seconds)

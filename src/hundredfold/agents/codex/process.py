"""One app-server as a process: started apart from us, found again by a later life of ours, ended entirely.

Its folder holds all that is its own: `home` (Codex's), `scratch` (its TMPDIR), `run` and `link` (its socket),
`probe` (a file to prove the confinement with), `log`, and `record.json`. The process is found by that record
(pid and start time) and by the socket's path in its command line, which nothing else has.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec
import psutil
from msgspec import Struct

from hundredfold.agents.codex.confinement import Sight, arguments
from hundredfold.agents.codex.home import environment, write_home
from hundredfold.agents.codex.locate import Codex
from hundredfold.errors import UnavailableError
from hundredfold.workspaces.bubblewrap import locate_bubblewrap

_END_PATIENCE_S = 5.0
_RECORD = "record.json"

# The descriptor limit is raised here, because many threads have many sockets.
_STARTER = 'ulimit -n "$(ulimit -Hn)" 2>/dev/null; exec "$@"'


class Record(Struct, frozen=True):
    """What is kept of a server. `started` is the process's start, seconds since the epoch, as psutil says."""

    name: str
    pid: int
    started: float
    confined: bool
    binary: Path
    package: Path
    roots: tuple[Path, ...]
    read: tuple[Path, ...]

    @property
    def sight(self) -> Sight:
        """What it sees."""
        return Sight(frozenset(self.roots), frozenset(self.read))


def make_folder(parent: Path) -> Path:
    """A new server's folder."""
    folder = parent / secrets.token_hex(4)
    for made in (folder, *(folder / name for name in ("home", "scratch", "run", "link", "probe"))):
        made.mkdir(parents=True, mode=0o700)
    return folder


def start(folder: Path, codex: Codex, sight: Sight, *, confined: bool) -> subprocess.Popen[bytes]:
    """Start the server of a folder, detached from us, and record it. It does not listen yet.

    Raises:
        UnavailableError: it can't be started, or there is no bubblewrap to confine it with.
    """
    (folder / "link" / "s").unlink(missing_ok=True)
    write_home(folder / "home", codex)
    command = [str(codex.binary), "app-server", "--listen", f"unix://{_address(folder)}"]
    inherited: list[int] = []
    if confined:
        bubblewrap = locate_bubblewrap()
        if bubblewrap is None:
            raise UnavailableError("there is no bubblewrap", "Install the package `bubblewrap`.")
        # Not on its command line: whoever looks for processes below the workspaces must not take it for one.
        inherited = [_as_file(arguments(folder, codex, sight))]
        command = [str(bubblewrap), "--args", str(inherited[0]), "--", *command]
    try:
        with (folder / "log").open("ab") as log:
            process = subprocess.Popen(
                ["/bin/sh", "-c", _STARTER, "sh", *command],
                env=environment(folder / "home", folder / "scratch", codex),
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=inherited,
                start_new_session=True,
            )
    except OSError as error:
        raise UnavailableError(f"Codex can't be started: {error}", "See `hundredfold doctor`.") from error
    finally:
        for descriptor in inherited:
            os.close(descriptor)
    _write(
        folder,
        Record(
            name=folder.name,
            pid=process.pid,
            started=psutil.Process(process.pid).create_time(),
            confined=confined,
            binary=codex.binary,
            package=codex.package,
            roots=tuple(sorted(sight.roots)),
            read=tuple(sorted(sight.read)),
        ),
    )
    return process


def read_record(folder: Path) -> Record | None:
    """The record in a server's folder, or None if there is none that can be read."""
    try:
        return msgspec.json.decode((folder / _RECORD).read_bytes(), type=Record)
    except (OSError, msgspec.DecodeError):
        return None


def socket_of(folder: Path) -> Path | None:
    """Where to connect, as seen from outside of any sandbox; None if the server does not listen (yet)."""
    try:
        target = (folder / "link" / "s").readlink()
    except OSError:
        return None
    inside = folder / "run" / target.name
    if inside.exists():
        return inside
    return target if target.exists() else None


def processes_of(folder: Path) -> list[psutil.Process]:
    """The processes of a server and all they started, outermost first."""
    address = f"unix://{_address(folder)}"
    record = read_record(folder)
    found: dict[int, psutil.Process] = {}
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            recorded = record is not None and process.pid == record.pid
            ours = recorded and record is not None and process.create_time() == record.started
            if ours or address in process.cmdline():
                found[process.pid] = process
    for process in list(found.values()):
        with contextlib.suppress(psutil.Error):
            found.update({child.pid: child for child in process.children(recursive=True)})
    return list(found.values())


def end(folder: Path) -> None:
    """Kill every process of a server and remove its folder. Blocks for up to a few seconds."""
    kill(processes_of(folder))
    socket = socket_of(folder)
    if socket is not None:
        socket.unlink(missing_ok=True)
    remove(folder)


def remove(folder: Path) -> None:
    """Remove a folder and what is in it, as far as that can be done."""
    shutil.rmtree(folder, ignore_errors=True)


def kill(processes: list[psutil.Process]) -> None:
    """Kill processes (psutil checks that a pid was not reused) and wait until they are gone."""
    for process in processes:
        with contextlib.suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(processes, timeout=_END_PATIENCE_S)


def last_words(folder: Path) -> str:
    """The end of what a server wrote to its log, for an error message."""
    with contextlib.suppress(OSError):
        return (folder / "log").read_bytes()[-500:].decode("utf-8", "replace").strip()
    return ""


def _address(folder: Path) -> Path:
    return folder / "link" / "s"


def _as_file(words: list[str]) -> int:
    descriptor = os.memfd_create("arguments") if sys.platform == "linux" else -1
    os.write(descriptor, b"".join(os.fsencode(word) + b"\0" for word in words))
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def _write(folder: Path, record: Record) -> None:
    new = folder / f"{_RECORD}.new"
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(msgspec.json.encode(record))
    new.replace(folder / _RECORD)

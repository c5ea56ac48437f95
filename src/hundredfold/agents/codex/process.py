"""One app-server as a process: started apart from us, found again by a later life of ours, ended entirely.

It is found by its record (process id and start time); it and whatever it started also by two marks: its
socket in their command line, and its CODEX_HOME in their environment. No other process bears either.
"""

from __future__ import annotations

import contextlib
import os
import resource
import subprocess
from pathlib import Path

import msgspec
import psutil
from msgspec import Struct

from hundredfold.agents.codex.confinement import Sight, arguments
from hundredfold.agents.codex.home import Home
from hundredfold.agents.codex.locate import MEND
from hundredfold.errors import StorageError, UnavailableError
from hundredfold.workspaces.bubblewrap import in_memory, locate_bubblewrap

_DIE_S = 5.0
_LOG_SHOWN = 600


class Record(Struct, frozen=True):
    """What a later life of ours must know. `started` is the process's start, in seconds since the epoch."""

    pid: int
    started: float
    confined: bool
    sight: Sight


def start(home: Home, program: Path, sight: Sight, *, confined: bool) -> subprocess.Popen[bytes]:
    """Start the server of a home, detached from us, and record it. It does not listen yet.

    Raises:
        UnavailableError: it can't be started.
        StorageError: the disk refused.
    """
    command = [str(program), "app-server", "--listen", f"unix://{home.socket}"]
    bubblewrap = locate_bubblewrap() if confined else None
    inherited: list[int] = []
    try:
        home.make(program)
        _remove_socket(home)
        if bubblewrap is not None:
            # Not on its command line: whoever looks for processes below the workspaces must not find it.
            words = arguments(home, program, sight)
            inherited = [in_memory(b"".join(os.fsencode(word) + b"\0" for word in words))]
            command = [str(bubblewrap), "--args", str(inherited[0]), "--", *command]
        with home.log.open("ab") as log:
            home.log.chmod(0o600)
            process = subprocess.Popen(
                command,
                cwd=home.folder,
                env=home.environment(program),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=inherited,
                start_new_session=True,
            )
        started = psutil.Process(process.pid).create_time()
        _keep(home.record, Record(process.pid, started, bubblewrap is not None, sight))
    except OSError as error:
        if error.filename in (command[0], str(program)):
            raise UnavailableError(f"{command[0]} can't be started: {error.strerror}", MEND) from error
        raise StorageError(
            f"can't write {home.folder}: {error.strerror}",
            "Free some disk space, or set HUNDREDFOLD_HOME to a folder you can write.",
        ) from error
    finally:
        for descriptor in inherited:
            os.close(descriptor)
    with contextlib.suppress(OSError, ValueError):
        # Many threads have many sockets. What it starts inherits the limit.
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (hard, hard))
    return process


def recorded(home: Home) -> Record | None:
    """The record of a home's server, or None if there is none that can be read."""
    try:
        return msgspec.json.decode(
            home.record.read_bytes(), type=Record, dec_hook=lambda kind, value: kind(value)
        )
    except (OSError, msgspec.DecodeError):
        return None


def running(record: Record) -> bool:
    """Whether the process of the record runs: its id AND its start time match, and it is no zombie."""
    try:
        process = psutil.Process(record.pid)
        return process.create_time() == record.started and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def socket_of(home: Home) -> Path | None:
    """Where to connect, as seen from outside of any sandbox; None if the server does not listen (yet)."""
    try:
        target = home.socket.readlink()
    except OSError:
        return None
    inside = home.run / target.name
    return next((path for path in (inside, target) if path.exists()), None)


def end(home: Home, process: subprocess.Popen[bytes] | None) -> None:
    """Kill the server of a home and all it started. Takes up to a few seconds.

    There is no polite way: asked to end, Codex waits for its turns, however long they take.
    """
    found = _marked(home, recorded(home))
    for one in found:
        with contextlib.suppress(psutil.Error):
            one.kill()
    if process is not None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_DIE_S)
    psutil.wait_procs(found, timeout=_DIE_S)
    _remove_socket(home)


def last_words(home: Home) -> str:
    """The end of what a server wrote to its log, for an error message."""
    try:
        return home.log.read_bytes()[-_LOG_SHOWN:].decode("utf-8", "replace").strip()
    except OSError:
        return ""


def _marked(home: Home, record: Record | None) -> list[psutil.Process]:
    address = f"unix://{home.socket}"
    found: list[psutil.Process] = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if (
                (record is not None and process.pid == record.pid and running(record))
                or address in process.cmdline()
                or process.environ().get("CODEX_HOME") == str(home.codex)
            ):
                found.append(process)
    return found


def _remove_socket(home: Home) -> None:
    with contextlib.suppress(OSError):
        home.socket.readlink().unlink(missing_ok=True)
    home.socket.unlink(missing_ok=True)


def _keep(file: Path, record: Record) -> None:
    new = file.with_suffix(".new")
    new.touch(mode=0o600)
    new.write_bytes(msgspec.json.encode(record, enc_hook=str))
    new.replace(file)

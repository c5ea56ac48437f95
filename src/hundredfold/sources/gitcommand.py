"""How git is called on a repository that nobody vouches for.

Nothing of the repository's may run (hooks, external diffs, text conversion, fsmonitor), nothing is fetched,
nothing is asked, nothing is written, and a name never becomes an option. Every call has a time limit.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Timer
from typing import BinaryIO, cast

from hundredfold.errors import RepositoryError, UnavailableError

TIMEOUT_S = 120.0
_SAFE = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.quotePath=true",
    "core.attributesFile=/dev/null",
    "diff.external=",
    "diff.noprefix=false",
    "diff.mnemonicPrefix=false",
    "diff.renameLimit=2000",
    "log.showSignature=false",
    "protocol.allow=never",
)


def environment() -> dict[str, str]:
    """What git gets to see of ours: the path, and that it may neither ask, nor fetch, nor lock."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": os.environ.get("HOME", "/"),  # for the user's own safe.directory
        "LC_ALL": "C",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_GRAFT_FILE": os.devnull,
        "GIT_PAGER": "cat",
    }


def command(folder: Path, *arguments: str) -> list[str]:
    """The argument list of a git call in `folder`.

    Raises:
        UnavailableError: git is not installed.
    """
    program = shutil.which("git")
    if program is None:
        raise UnavailableError("git was not found", "Install git (Debian, Ubuntu: `apt install git`).")
    options = [part for setting in _SAFE for part in ("-c", setting)]
    return [program, "-C", str(folder), *options, *arguments]


def run(folder: Path, *arguments: str, timeout_s: float = TIMEOUT_S) -> subprocess.CompletedProcess[bytes]:
    """Run git to its end; its exit code is the caller's to judge.

    Raises:
        RepositoryError: it took too long.
    """
    try:
        return subprocess.run(
            command(folder, *arguments),
            env=environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise RepositoryError(
            f"git {arguments[0]} in {folder} did not end within {timeout_s:.0f} s",
            "Is it on a slow or broken disk? `git fsck` may tell.",
        ) from error


@contextmanager
def streaming(folder: Path, *arguments: str, timeout_s: float = TIMEOUT_S) -> Iterator[BinaryIO]:
    """Read git's output as it comes; leaving the block early ends it.

    Raises:
        RepositoryError: git failed (told when the block is left and all was read), or took too long.
    """
    process = subprocess.Popen(
        command(folder, *arguments),
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None and process.stderr is not None
    timer = Timer(timeout_s, process.kill)
    timer.start()
    try:
        yield cast("BinaryIO", process.stdout)
        finished = process.stdout.read(1) == b""
        if finished and process.wait() != 0:
            said = process.stderr.read(2000).decode("utf-8", "replace").strip()
            raise RepositoryError(f"git {arguments[0]} in {folder} failed: {said or 'it was ended'}")
    finally:
        timer.cancel()
        process.kill()
        process.wait()
        process.stdout.close()
        process.stderr.close()

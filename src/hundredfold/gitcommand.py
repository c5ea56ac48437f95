"""How git is called: argument lists, a chosen environment, time limits; nothing is asked, and nothing fetched
but in one way.

There are two ways. Names are looked up in the user's repository (`in_repository`): there git reads the
user's configuration, which says whose repositories to trust (`safe.directory`). All else happens in a git
folder that is named outright (`in_git_folder`), so that nothing is discovered and no configuration but the
folder's own is obeyed: that of a private view (`sources.gitview`) or of a checkout (`workspaces.checkout`).
A folder of that second kind may also fetch (`to_fetch`), over one scheme, with a credential for one address.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryFile
from threading import Timer
from typing import IO

from msgspec import Struct

from hundredfold.errors import RepositoryError, UnavailableError

TIMEOUT_S = 120.0
#: whose `rev-parse` knows --show-object-format and --path-format
OLDEST = (2, 31)
SLOW = "Is the repository on a slow or broken disk? `git fsck` may tell."
FSCK = "`git fsck` in the repository may tell why."

_KEPT = ("PATH", "HOME", "TMPDIR", "XDG_CONFIG_HOME", "SUDO_UID", "GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM")
_ALWAYS = {
    "LC_ALL": "C",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_GRAFT_FILE": os.devnull,
    "GIT_LITERAL_PATHSPECS": "1",
    "GIT_ALLOW_PROTOCOL": "",
}
#: what says how the network is reached from here; nothing else of the user's environment reaches a fetch
_NETWORK = (
    "http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY",
    "SSL_CERT_FILE", "SSL_CERT_DIR", "GIT_SSL_CAINFO", "GIT_SSL_CAPATH",
)  # fmt: skip
_SAFE = ("-c", f"core.hooksPath={os.devnull}", "-c", "core.fsmonitor=false", "-c", "protocol.allow=never")


class Git(Struct, frozen=True):
    """git in one folder with one environment."""

    folder: Path
    environment: dict[str, str]

    def command(self, *arguments: str) -> list[str]:
        """The argument list of a call.

        Raises:
            UnavailableError: git is not installed.
        """
        return [_program(), "-C", str(self.folder), *_SAFE, *arguments]

    def run(
        self, *arguments: str, stdin: bytes = b"", timeout_s: float = TIMEOUT_S
    ) -> subprocess.CompletedProcess[bytes]:
        """Run git to its end; its exit code is the caller's to judge.

        Raises:
            RepositoryError: it took too long.
            UnavailableError: git is not installed.
        """
        try:
            return subprocess.run(
                self.command(*arguments),
                env=self.environment,
                input=stdin,
                capture_output=True,
                timeout=timeout_s,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise RepositoryError(f"git {arguments[0]} did not end within {timeout_s:.0f} s", SLOW) from error

    @contextmanager
    def streaming(self, *arguments: str, timeout_s: float = TIMEOUT_S) -> Iterator[IO[bytes]]:
        """Read git's output as it comes; leaving the block before its end stops git.

        Raises:
            RepositoryError: git failed or took too long; told on leaving the block after the output's end.
            UnavailableError: git is not installed.
        """
        with TemporaryFile() as errors:  # a pipe nobody reads would fill up and stop git
            process = subprocess.Popen(
                self.command(*arguments),
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
            )
            assert process.stdout is not None
            timer = Timer(timeout_s, process.kill)
            timer.start()
            try:
                yield process.stdout
                if process.stdout.read(1) == b"" and process.wait() != 0:
                    errors.seek(0)
                    said = errors.read(2000).decode("utf-8", "replace").strip()
                    raise RepositoryError(
                        f"git {arguments[0]} failed: {said or 'it was ended from outside'}", FSCK
                    )
            finally:
                timer.cancel()
                process.kill()
                process.wait()
                process.stdout.close()


def in_repository(folder: Path) -> Git:
    """git in a repository of the user's, under the user's own configuration. For looking up names."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    return Git(folder, kept | _ALWAYS)


def in_git_folder(folder: Path, tree: Path | None = None) -> Git:
    """git on this git folder, which is configured by nothing but itself; run in `tree` if there is one."""
    kept = {name: os.environ[name] for name in ("PATH", "TMPDIR") if name in os.environ}
    alone = {"GIT_DIR": str(folder), "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull}
    checked_out = {"GIT_WORK_TREE": str(tree)} if tree else {}
    return Git(tree or folder, kept | _ALWAYS | alone | checked_out | {"HOME": str(folder)})


def to_fetch(folder: Path, address: str, authorization: str) -> Git:
    """git on this git folder that may reach `address` (http or https) and sends it this Authorization.

    The credential is in this process's environment only: in no argument list, configuration or helper. It is
    not sent anywhere else, since redirections are not followed.
    """
    git = in_git_folder(folder)
    configured = {
        "credential.helper": "",
        f"http.{address}.extraHeader": f"Authorization: {authorization}",
        "http.followRedirects": "false",
        "fetch.fsckObjects": "true",
    }
    named = {"GIT_CONFIG_COUNT": str(len(configured))}
    for at, (key, value) in enumerate(configured.items()):
        named |= {f"GIT_CONFIG_KEY_{at}": key, f"GIT_CONFIG_VALUE_{at}": value}
    network = {name: os.environ[name] for name in _NETWORK if name in os.environ}
    scheme = {"GIT_ALLOW_PROTOCOL": address.partition("://")[0]}
    return Git(folder, git.environment | network | named | scheme)


def borrowing(git: Git, objects: Iterable[Path]) -> Git:
    """The same git, which finds objects in these folders too."""
    there = os.pathsep.join(map(str, objects))
    added = {"GIT_ALTERNATE_OBJECT_DIRECTORIES": there} if there else {}
    return Git(git.folder, git.environment | added)


def require_git() -> tuple[int, int]:
    """git's version, major and minor.

    Raises:
        UnavailableError: git is not installed, can't be run, or is too old.
    """
    found = re.search(r"(\d+)\.(\d+)", told_version())
    version = (int(found[1]), int(found[2])) if found else (0, 0)
    if version < OLDEST:
        raise UnavailableError(
            f"git {version[0]}.{version[1]} is too old", f"Install git {OLDEST[0]}.{OLDEST[1]} or newer."
        )
    return version


def told_version() -> str:
    """What git says of its version, like "git version 2.43.0".

    Raises:
        UnavailableError: git is not installed, or can't be run.
    """
    return _told_version(_program())


def _program() -> str:
    program = shutil.which("git")
    if program is None:
        raise UnavailableError(
            "git was not found",
            f"Install git {OLDEST[0]}.{OLDEST[1]} or newer (Debian, Ubuntu: `apt install git`).",
        )
    return program


@cache
def _told_version(program: str) -> str:
    try:
        done = subprocess.run([program, "--version"], capture_output=True, timeout=TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UnavailableError(
            f"git can't be run: {error}", f"Install git {OLDEST[0]}.{OLDEST[1]} or newer."
        ) from error
    return done.stdout.decode("utf-8", "replace").strip()

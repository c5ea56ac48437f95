"""Finding bubblewrap and writing its command line: what a confined program sees of this machine.

It sees the system's programs, the interpreter this program runs on, folders the user named, the workspace and
the objects of its git repository. Everything else (home folders, other workspaces, credentials, the network,
other processes) is not hidden by a rule but was never there: the file system is built up from nothing.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from hundredfold.workspaces.execution import Bounds
from hundredfold.workspaces.gitview import GitView

#: names the bubblewrap to use, before any other
OVERRIDE = "HUNDREDFOLD_BWRAP"

#: of /etc only what programs need to start, find their libraries and check certificates
_ETC = (
    "alternatives",
    "ca-certificates",
    "ca-certificates.conf",
    "java",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "localtime",
    "mime.types",
    "nsswitch.conf",
    "pki",
    "protocols",
    "services",
    "ssl",
)

#: The sandbox's first shell. Its standard input is the lifeline: at its end the shell's process group, the
#: sandbox's own, is killed. `--die-with-parent` alone asks the kernel for a signal at its parent's death and
#: does not look whether the parent is dead already, so what was being set up just then stayed for ever.
_ON_THE_LIFELINE = (
    "exec 3<&0 </dev/null; { while read -r _; do :; done; kill -9 0; } <&3 >/dev/null 2>&1 3<&- & exec 3<&-; "
)
#: limits the kernel itself enforces: blocks of 512 bytes, then KiB
_LIMITED = (
    "ulimit -c 0; ulimit -f {file}; ulimit -v {memory}; "
    "ulimit -u {processes} 2>/dev/null || ulimit -p {processes} 2>/dev/null; "
    'exec "$@"'
)


def bundled(*parts: str) -> Path | None:
    """A file or folder inside the installed Codex package, or None."""
    try:
        import codex_cli_bin
    except ImportError:
        return None
    path = Path(str(codex_cli_bin.__file__)).resolve().parent.joinpath(*parts)
    return path if path.exists() else None


def locate_bubblewrap() -> Path | None:
    """The bubblewrap binary: $HUNDREDFOLD_BWRAP, else on PATH, else the one inside Codex's package."""
    named = os.environ.get(OVERRIDE)
    if named:
        return Path(named) if os.access(named, os.X_OK) else None
    found = shutil.which("bwrap")
    if found:
        return Path(found)
    inside = bundled("codex-resources", "bwrap")
    return inside if inside is not None and os.access(inside, os.X_OK) else None


def interpreter_prefix() -> Path | None:
    """The folder of the Python this program runs on, if the system folders don't hold it (pyenv, conda)."""
    prefix = Path(sys.base_prefix).resolve()
    return None if prefix.is_relative_to("/usr") else prefix


def system_arguments(read: Sequence[Path]) -> list[str]:
    """The arguments that show the system's programs and the folders in `read`, all read-only."""
    arguments: list[str] = []
    for name in ("usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32"):
        path = Path("/", name)
        if path.is_symlink():
            arguments += ["--symlink", str(path.readlink()), str(path)]
        elif path.is_dir():
            arguments += ["--ro-bind", str(path), str(path)]
    for name in _ETC:
        arguments += ["--ro-bind-try", f"/etc/{name}", f"/etc/{name}"]
    for path in read:
        arguments += ["--ro-bind-try", str(path), str(path)]
    return arguments


def isolation_arguments() -> list[str]:
    """The arguments that take everything away: namespaces, capabilities, the terminal, the environment."""
    return [
        "--unshare-all",
        "--die-with-parent",
        "--new-session",
        "--cap-drop",
        "ALL",
        "--hostname",
        "sandbox",
        "--clearenv",
    ]


def scratch_arguments(bounds: Bounds) -> list[str]:
    """The arguments for /proc, /dev and the only two places to write to, in memory and of bounded size.

    They come before those of what is shown, or they would cover what of it is below /tmp.
    """
    arguments = ["--proc", "/proc", "--dev", "/dev"]
    for folder in ("/tmp", "/dev/shm"):  # noqa: S108 - the sandbox's own
        arguments += ["--size", str(bounds.temporary), "--tmpfs", folder]
    return [*arguments, "--remount-ro", "/dev"]


def workspace_arguments(workspace: Path, view: GitView, *, writable: bool) -> list[str]:
    """The arguments that show the workspace at its own path, and of its git repository what git reads."""
    arguments = ["--bind" if writable else "--ro-bind", str(workspace), str(workspace)]
    for path in view.visible:
        arguments += ["--ro-bind", str(path), str(path)]
    for path in view.hidden:
        arguments += ["--tmpfs", str(path), "--remount-ro", str(path)]
    return [*arguments, "--chdir", str(workspace)]


def limited(argv: Sequence[str], bounds: Bounds) -> list[str]:
    """`argv` behind a shell that ties it to the lifeline, sets the kernel's limits and then becomes it.
    It must be started as the leader of a session of its own."""
    script = _ON_THE_LIFELINE + _LIMITED.format(
        file=bounds.file // 512, memory=bounds.address_space // 1024, processes=bounds.processes
    )
    return ["/bin/sh", "-c", script, "sh", *argv]


def identity_files() -> list[tuple[Path, bytes]]:
    """Who the program is, as files: this user under another name, and nobody else."""
    user, group = os.getuid(), os.getgid()
    passwd = f"user:x:{user}:{group}::/tmp:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n"
    return [
        (Path("/etc/passwd"), passwd.encode()),
        (Path("/etc/group"), f"user:x:{group}:\nnogroup:x:65534:\n".encode()),
    ]


@contextmanager
def shown(files: Iterable[tuple[Path, bytes]]) -> Iterator[tuple[list[str], list[int]]]:
    """The arguments that show files with this content, read-only, and the descriptors that they refer to
    while the block lasts."""
    arguments: list[str] = []
    descriptors: list[int] = []
    try:
        for target, content in files:
            descriptors.append(in_memory(content))
            arguments += ["--ro-bind-data", str(descriptors[-1]), str(target)]
        yield arguments, descriptors
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


def in_memory(content: bytes) -> int:
    """A descriptor of a file that holds this and is on no disk."""
    descriptor = os.memfd_create("given")
    with open(descriptor, "wb", closefd=False) as file:
        file.write(content)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor

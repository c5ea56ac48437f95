"""What `doctor` says of the machine: git, the sandbox, descriptors, the disk."""

from __future__ import annotations

import resource
import shutil
from collections.abc import Sequence
from pathlib import Path

from hundredfold.errors import UnavailableError
from hundredfold.gitcommand import require_git, told_version
from hundredfold.vocabulary import Diagnosis
from hundredfold.workspaces.sandbox import MEND, examine

#: each attempt may hold a connection to the gateway, and so does the gateway on both sides
_DESCRIPTORS_AN_ATTEMPT = 4
_DESCRIPTORS_OF_OUR_OWN = 256


def diagnose(
    folder: Path, *, disk_bytes: int = 10 * 10**9, attempts: int = 20, read: Sequence[Path] = ()
) -> list[Diagnosis]:
    """Look at what `attempts` at once with workspaces below `folder` need of this machine.

    `disk_bytes` and `read` are what the pool and the sandbox are going to be given; `folder` need not exist.
    """
    return [_git(), _sandbox(read), _descriptors(attempts), _disk(folder, disk_bytes)]


def _git() -> Diagnosis:
    try:
        require_git()
    except UnavailableError as error:
        return Diagnosis("git", False, str(error), error.mend)
    return Diagnosis("git", True, told_version())


def _sandbox(read: Sequence[Path]) -> Diagnosis:
    sandbox, found = examine(tuple(read))
    if sandbox is not None:
        return Diagnosis("sandbox", True, found, needed=False)
    return Diagnosis("sandbox", False, f"{found}; agents' commands are refused", MEND, needed=False)


def _descriptors(attempts: int) -> Diagnosis:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    need = attempts * _DESCRIPTORS_AN_ATTEMPT + _DESCRIPTORS_OF_OUR_OWN
    ok = hard == resource.RLIM_INFINITY or hard >= need
    mend = "" if ok else f"Raise the hard limit to {need} (`ulimit -Hn`), or run fewer agents at once."
    shown = "unlimited" if hard == resource.RLIM_INFINITY else str(hard)
    return Diagnosis("open files", ok, f"limit {shown}, needed {need}", mend)


def _disk(folder: Path, disk_bytes: int) -> Diagnosis:
    there = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(there).free
    ok = free >= disk_bytes
    mend = "" if ok else "Free some disk space, or lower disk-gb in [workspaces]."
    return Diagnosis(
        "disk",
        ok,
        f"{free / 10**9:.1f} GB free, workspaces may take {disk_bytes / 10**9:.1f}",
        mend,
        needed=False,
    )

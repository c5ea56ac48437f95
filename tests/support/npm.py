"""Agent programs from npm, installed once into a cache folder: the real ones, in the versions tested against.

Where npm is not there, tests that need one are skipped with that reason. With HUNDREDFOLD_TEST_NPM=required
(as in CI) they fail instead.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest
from filelock import FileLock

from hundredfold.agents.claude.locate import OVERRIDE, TESTED_VERSION

_INSTALL_S = 170


def claude_program() -> Path:
    """The real Claude Code: the one that HUNDREDFOLD_CLAUDE names, else installed by npm."""
    named = os.environ.get(OVERRIDE)
    return Path(named) if named else installed("@anthropic-ai/claude-code", TESTED_VERSION, "claude")


def acp_program() -> Path:
    """A real ACP agent: Codex behind Zed's adapter, a script that needs Node."""
    return installed("@zed-industries/codex-acp", "0.16.0", "codex-acp")


def installed(package: str, version: str, program: str) -> Path:
    """The path of a package's program, installed if it is not yet; skips the test where it can't be."""
    path, why = _install(package, version, program)
    if path is None:
        if os.environ.get("HUNDREDFOLD_TEST_NPM") == "required":
            pytest.fail(f"{package}@{version} is not there: {why}")
        pytest.skip(f"{package}@{version} is not there: {why}")
    return path


@cache
def _install(package: str, version: str, program: str) -> tuple[Path | None, str]:
    cache_folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hundredfold-tests"
    folder = cache_folder / f"{package.replace('/', '-').lstrip('@')}-{version}"
    found = folder / "node_modules" / ".bin" / program
    cache_folder.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        if found.exists():
            return found, ""
        npm = shutil.which("npm")
        if npm is None:
            return None, "npm is not installed"
        command = [npm, "install", "--no-audit", "--no-fund", "--prefix", str(folder), f"{package}@{version}"]
        try:
            done = subprocess.run(command, capture_output=True, timeout=_INSTALL_S, check=False)
        except subprocess.TimeoutExpired:
            return None, f"npm took longer than {_INSTALL_S} s"
    if found.exists():
        return found, ""
    return None, f"npm failed: {done.stderr.decode('utf-8', 'replace').strip()[-300:]}"

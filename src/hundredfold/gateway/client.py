"""The fleet's side: find the gateway or start it, watch over it, ask it things.

The gateway outlives whoever started it, so a run that comes back after a crash finds it, and the agents whose
addresses point at it never notice.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import subprocess
import sys
import time
from pathlib import Path

import aiohttp
import msgspec
import psutil

from hundredfold.errors import UnavailableError
from hundredfold.gateway.settings import Address, GatewayConfig, StateFolder
from hundredfold.gateway.tally import GatewayStatus

START_S = 30.0
STOP_S = 20.0
ANSWER_S = 5.0
WATCH_EVERY_S = 0.5
#: a living gateway that does not answer this many times in a row is killed and started again
SILENCES = 6
#: what a gateway's process sees of the environment, besides its keys
_PASSED_ON = ("PATH", "HOME", "LANG", "TZ", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR", "PYTHONPATH")

log = logging.getLogger(__name__)


class GatewayHandle:
    """A running gateway, as the fleet sees it. Used within one event loop."""

    def __init__(self, state: StateFolder, config: GatewayConfig) -> None:
        self._state = state
        self._config = config
        self._secret = state.secret()
        self._address: Address | None = None
        self._session: aiohttp.ClientSession | None = None
        self._last: GatewayStatus | None = None
        self._started: subprocess.Popen[bytes] | None = None  # kept, so that its end is collected

    @property
    def base_url(self) -> str:
        """Where it listens."""
        assert self._address is not None, "the handle comes from ensure_gateway"
        return f"http://127.0.0.1:{self._address.port}"

    def address_for(self, token: str) -> str:
        """The base URL that the holder of this token may call; it survives restarts of the gateway."""
        return f"{self.base_url}/a/{token}/v1"

    def paused_until(self, upstream: str) -> float:
        """Epoch seconds until which a provider asked for a pause, 0 if it did not; at most as old as
        the last `status` (`supervise` asks twice a second)."""
        known = self._last.upstreams.get(upstream) if self._last else None
        return known.throttled_until_s if known else 0.0

    async def healthy(self) -> bool:
        """Whether it answers."""
        try:
            await self.status()
        except UnavailableError:
            return False
        return True

    async def status(self) -> GatewayStatus:
        """How it is doing.

        Raises:
            UnavailableError: it does not answer.
        """
        self._last = msgspec.json.decode(await self._ask("GET", "status"), type=GatewayStatus)
        return self._last

    async def metrics(self) -> str:
        """Its counters as Prometheus text.

        Raises:
            UnavailableError: it does not answer.
        """
        return (await self._ask("GET", "metrics")).decode()

    async def flush(self) -> None:
        """Return once every request it has seen end is in the ledger.

        Raises:
            UnavailableError: it does not answer, or the ledger can't be written (nothing is lost).
        """
        await self._ask("POST", "flush", wait_s=60.0)

    async def stop(self) -> None:
        """Tell it to end and wait until it has; requests in flight get a few seconds."""
        pid = self._address.pid if self._address else 0
        with contextlib.suppress(UnavailableError):
            await self._ask("POST", "stop")
        await _gone(pid, STOP_S)
        await self.close()

    async def close(self) -> None:
        """Let go of the gateway without stopping it."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def ensure(self) -> None:
        """Make sure it runs with this configuration and these keys, starting it if need be.

        Raises:
            UnavailableError: it does not come up; says what its log says.
        """
        status = await self._find_patiently()
        wanted = self._config.fingerprint(os.environ, self._secret)
        if status is not None and status.fingerprint == wanted:
            return
        if status is not None:
            await self.stop()
        else:
            await self._kill()
        self._state.write_config(self._config)
        process = self._started = _start(self._state, self._config)
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            status = await self._find()
            if status is not None and status.fingerprint == wanted:
                return
            if process.poll() not in (None, 0):
                break
            await asyncio.sleep(0.05)
        raise UnavailableError(f"the gateway does not start: {_last_words(self._state.log)}", "See its log.")

    async def _kill(self) -> None:
        """Kill the process of the last address, if it still is that process."""
        process = _process(self._state.read_address())
        if process is not None:
            with contextlib.suppress(psutil.Error):
                process.kill()
            await _gone(process.pid, STOP_S)

    async def _find_patiently(self) -> GatewayStatus | None:
        """Its status; None if it is dead, or lives and has not answered for a while."""
        for _ in range(SILENCES):
            status = await self._find()
            if status is not None or _process(self._address) is None:
                return status
            await asyncio.sleep(WATCH_EVERY_S)
        return None

    async def found(self) -> bool:
        """Whether a gateway of this folder answers."""
        return await self._find() is not None

    async def _find(self) -> GatewayStatus | None:
        self._address = self._state.read_address()
        if self._address is None:
            return None
        try:
            return await self.status()
        except UnavailableError:
            return None

    async def _ask(self, method: str, what: str, wait_s: float | None = None) -> bytes:
        if self._session is None:
            self._session = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())
        try:
            async with self._session.request(
                method,
                f"{self.base_url}/control/{what}",
                headers={"Authorization": f"Bearer {self._secret}"},
                timeout=aiohttp.ClientTimeout(total=wait_s or ANSWER_S),
            ) as answer:
                body = await answer.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise UnavailableError(
                f"the gateway does not answer: {type(error).__name__}", f"See {self._state.log}."
            ) from error
        if answer.status != 200:
            said = body[:500].decode(errors="replace")
            raise UnavailableError(f"the gateway answers {answer.status}: {said}", f"See {self._state.log}.")
        return body


async def ensure_gateway(state_dir: Path, config: GatewayConfig) -> GatewayHandle:
    """Find the gateway of this folder, or start it; restart it if its configuration or keys changed.

    Raises:
        UnavailableError: it does not come up.
        StorageError: its folder can't be written.
    """
    state = StateFolder(state_dir)
    state.make()
    handle = GatewayHandle(state, config)
    try:
        await handle.ensure()
    except BaseException:
        await handle.close()
        raise
    return handle


async def stop_leftover(state_dir: Path) -> None:
    """Stop the gateway that a killed run left in this folder, if there is one."""
    state = StateFolder(state_dir)
    if state.read_address() is None:
        return
    handle = GatewayHandle(state, state.read_config())
    try:
        if await handle.found():
            await handle.stop()
    finally:
        await handle.close()


async def supervise(handle: GatewayHandle) -> None:
    """Watch until cancelled: a gateway that died is up again on the same port within about a second, one
    that hangs within about half a minute."""
    while True:
        await asyncio.sleep(WATCH_EVERY_S)
        try:
            if not await handle.healthy():
                await handle.ensure()
        except UnavailableError as error:
            log.warning("%s", error)


def _start(state: StateFolder, config: GatewayConfig) -> subprocess.Popen[bytes]:
    """Start it detached: it gets no terminal, no signal meant for us, and no secret but its keys."""
    # libpq's variables (PGPASSFILE, …) may be what a PostgreSQL URL without a password relies on.
    environment = {
        name: value for name, value in os.environ.items() if name in _PASSED_ON or name.startswith("PG")
    }
    for upstream in config.upstreams.values():
        if upstream.key_env in os.environ:
            environment[upstream.key_env] = os.environ[upstream.key_env]
    # Its own log takes over once it is up; this catches what is said before.
    with os.fdopen(os.open(state.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "ab") as words:
        return subprocess.Popen(
            [sys.executable, "-m", "hundredfold.gateway", "--state", str(state.folder)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=words,
            env=environment,
            cwd="/",
            start_new_session=True,
        )


def _process(address: Address | None) -> psutil.Process | None:
    """The living process of an address; None if it is gone and its id is free or someone else's."""
    if address is None:
        return None
    try:
        process = psutil.Process(address.pid)
        ended = process.status() == psutil.STATUS_ZOMBIE
        return process if not ended and abs(process.create_time() - address.started_s) < 1.0 else None
    except psutil.Error:
        return None


async def _gone(pid: int, wait_s: float) -> None:
    """Wait for a process to end; a child of ours that nobody has waited for has ended, too."""
    deadline = time.monotonic() + wait_s
    while pid and time.monotonic() < deadline:
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return
        except psutil.NoSuchProcess:
            return
        await asyncio.sleep(0.02)


def _last_words(path: Path) -> str:
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 2000))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return "it left no log"
    return " / ".join(lines[-3:]) or "it left no log"

"""What a gateway is told, and where its files are: one folder per project, private to the user.

`config.json` what it serves (no keys: those come by environment) · `address.json` where it listens ·
`control.secret` proves to it who may control it · `journal/` requests not yet in the ledger ·
`gateway.lock` held while it lives · `gateway.log`.
"""

from __future__ import annotations

import hmac
import os
import secrets
from collections.abc import Mapping
from pathlib import Path

import msgspec
from msgspec import Struct

from hundredfold.errors import ConfigError, StorageError


class Upstream(Struct, frozen=True):
    """A provider: base URL up to and including the version, and the environment variable with its key
    ("" for none). `prices` names its price rows; `simulated` marks what it serves as no real money."""

    base_url: str
    key_env: str = ""
    prices: str = "openai"
    simulated: bool = False


class GatewayConfig(Struct, frozen=True):
    """Everything a gateway is started with.

    `prices` are paths of price files that override the shipped ones. `reserve_output` is how many output
    tokens are reserved for a request that names no cap. `first_byte_seconds` bounds the wait for the
    provider's first byte and every silence after it. A gateway without a request or an owner's word for
    `idle_exit_seconds` ends by itself.
    """

    database_url: str
    upstreams: dict[str, Upstream]
    prices: tuple[str, ...] = ()
    reserve_output: int = 8192
    first_byte_seconds: float = 600.0
    person: str = ""
    payer: str = ""
    cost_centre: str = ""
    idle_exit_seconds: float = 900.0

    def keys(self, environment: Mapping[str, str]) -> dict[str, str]:
        """Each upstream's key; "" where it needs none or none is set."""
        return {
            name: environment.get(one.key_env, "") if one.key_env else ""
            for name, one in self.upstreams.items()
        }

    def fingerprint(self, environment: Mapping[str, str], secret: str) -> str:
        """Changes whenever a running gateway must be restarted: another configuration or another key.

        Keyed, so that it says nothing about the keys to who lacks the secret.
        """
        told = msgspec.json.encode((self, self.keys(environment)), order="sorted")
        return hmac.new(secret.encode(), told, "sha256").hexdigest()


class Address(Struct, frozen=True):
    """Where the gateway listens (or last listened), which process it is, and when that process started
    (seconds since the epoch), so that a reused process id is not taken for it."""

    port: int
    pid: int
    started_s: float


class StateFolder:
    """The files of one gateway. All are readable by the user alone."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.journal = folder / "journal"
        self.lock = folder / "gateway.lock"
        self.log = folder / "gateway.log"
        self._config = folder / "config.json"
        self._address = folder / "address.json"
        self._secret = folder / "control.secret"

    def make(self) -> None:
        """Make the folder.

        Raises:
            StorageError: it can't be made.
        """
        try:
            self.journal.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.folder.chmod(0o700)
        except OSError as error:
            raise StorageError(
                f"the gateway's folder {self.folder} can't be made: {error.strerror}",
                "Set HUNDREDFOLD_HOME to a folder you can write.",
            ) from error

    def write_config(self, config: GatewayConfig) -> None:
        """Keep the configuration for the next start."""
        self._write(self._config, msgspec.json.format(msgspec.json.encode(config)))

    def read_config(self) -> GatewayConfig:
        """The configuration to serve.

        Raises:
            ConfigError: there is none, or it can't be read.
        """
        try:
            return msgspec.json.decode(self._config.read_bytes(), type=GatewayConfig)
        except (OSError, msgspec.DecodeError) as error:
            raise ConfigError(
                f"{self._config} can't be read: {error}",
                "`hundredfold run` writes it and starts the gateway.",
            ) from error

    def write_address(self, address: Address) -> None:
        """Publish where the gateway listens."""
        self._write(self._address, msgspec.json.encode(address))

    def read_address(self) -> Address | None:
        """Where it listens or last listened; None if it never did."""
        try:
            return msgspec.json.decode(self._address.read_bytes(), type=Address)
        except (OSError, msgspec.DecodeError):
            return None

    def secret(self) -> str:
        """The control secret, made on first use."""
        for _ in range(2):
            try:
                return self._secret.read_text(encoding="ascii")
            except FileNotFoundError:
                # A link appears with its content or not at all, and the first of two makers wins.
                scratch = self._scratch(self._secret, secrets.token_urlsafe(32).encode())
                try:
                    os.link(scratch, self._secret)
                except FileExistsError:
                    pass
                finally:
                    scratch.unlink()
        raise StorageError(f"{self._secret} can't be read", "Check the permissions of its folder.")

    def _write(self, path: Path, content: bytes) -> None:
        try:
            self._scratch(path, content).replace(path)
        except OSError as error:
            raise StorageError(
                f"can't write {path}: {error.strerror}", "Free some disk space or check its permissions."
            ) from error

    def _scratch(self, path: Path, content: bytes) -> Path:
        scratch = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
        file = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.write(file, content)
        finally:
            os.close(file)
        return scratch

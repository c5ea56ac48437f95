"""Being a GitHub App: a token signed with its key gets an installation's token, kept and renewed in time.

Source: GitHub's "Authenticating as a GitHub App installation": the signed token (RS256) lives at most ten
minutes and is issued a minute in the past, for clocks that differ; an installation's token lives an hour.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hundredfold.errors import ConfigError
from hundredfold.forges.github.calls import Call, GitHubError, Shut, path_of

if TYPE_CHECKING:
    from hundredfold.forges.github.client import GitHubClient

SIGNED_LIFE_S, CLOCK_SLACK_S = 540, 60
RENEW_BEFORE_S = 300  # so that no request is under way with a token that ends


class AppAuth:
    """An App's installation that covers one repository. Implements `auth.Auth`.

    Args:
        app_id: the App's id or client id.
        key: its private key, PEM.
        repository: owner/name, by which the installation is found.
        asking: makes the client that asks for tokens, given a way to be known as the App itself.

    Raises:
        ConfigError: the key can't be read.
    """

    def __init__(
        self,
        app_id: str,
        key: str,
        repository: str,
        asking: Callable[[_Signed], GitHubClient],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._signed = _Signed(app_id, key, clock)
        self._repository, self._clock = repository, clock
        self._client = asking(self._signed)
        self._token, self._until, self._installation = "", 0.0, 0
        self._renewal = asyncio.Lock()

    async def authorization(self) -> str:
        """See `Auth`: the installation's token, renewed before it ends.

        Raises:
            GitHubError: GitHub does not know the App, or it is not installed there.
        """
        if self._clock() >= self._until - RENEW_BEFORE_S:
            async with self._renewal:
                if self._clock() >= self._until - RENEW_BEFORE_S:  # another did while we waited
                    await self._renew()
        return f"Bearer {self._token}"

    async def renewed(self) -> bool:
        """A token can be withdrawn before its end: ask for another."""
        async with self._renewal:
            await self._renew()
        return True

    async def login(self, client: GitHubClient) -> str:
        """What the App's comments bear: its slug with "[bot]"."""
        return f"{(await self._client.send(Call('GET', '/app'))).json()['slug']}[bot]"

    async def close(self) -> None:
        """Close the connection that asks for tokens."""
        await self._client.close()

    async def _renew(self) -> None:
        if not self._installation:
            where = path_of("repos", *self._repository.split("/", 1), "installation")
            try:
                found = (await self._client.send(Call("GET", where))).json()
            except GitHubError as error:
                if error.status != 404:
                    raise
                raise Shut(
                    f"the GitHub App is not installed on {self._repository}",
                    "Install it on that repository, or mend [forge] app-id and repository.",
                    status=404,
                ) from error
            self._installation = int(found["id"])
        path = path_of("app", "installations", self._installation, "access_tokens")
        made: Any = (await self._client.send(Call("POST", path, {}, repeatable=True))).json()
        self._token = str(made["token"])
        self._until = datetime.fromisoformat(str(made["expires_at"]).replace("Z", "+00:00")).timestamp()


class _Signed:
    """The App itself, by a token signed with its key. Implements `auth.Auth`."""

    def __init__(self, app_id: str, key: str, clock: Callable[[], float]) -> None:
        self._app_id, self._key, self._clock = app_id, key, clock
        self._sign()

    def _sign(self) -> str:
        import jwt

        now = int(self._clock())
        claims = {"iat": now - CLOCK_SLACK_S, "exp": now + SIGNED_LIFE_S, "iss": self._app_id}
        try:
            return jwt.encode(claims, self._key, algorithm="RS256")
        except (ValueError, TypeError, jwt.PyJWTError) as error:
            raise ConfigError(
                "the GitHub App's private key can't be read", "It must be the PEM file that GitHub gave you."
            ) from error

    async def authorization(self) -> str:
        """See `Auth`."""
        return f"Bearer {self._sign()}"

    async def renewed(self) -> bool:
        """Every request is signed anew already."""
        return False

    async def login(self, client: GitHubClient) -> str:
        """The App's slug."""
        return str((await client.send(Call("GET", "/app"))).json()["slug"])

    async def close(self) -> None:
        """Nothing is held."""


def key_from_environment(name: str) -> str:
    """The private key in the environment variable `name`: the PEM text itself, or the path of its file.

    Raises:
        ConfigError: it is not set, or names no file that can be read.
    """
    value = os.environ.get(name, "").strip()
    if not value:
        raise ConfigError(
            f"the environment variable {name} holds no private key of the GitHub App",
            f"Set {name} to the PEM file's path (or its text) where this command runs.",
        )
    if value.startswith("-----BEGIN"):
        return value.replace("\\n", "\n")
    try:
        return Path(value).expanduser().read_text(encoding="ascii")
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"the file that {name} names can't be read as a private key",
            "It must be the PEM file of the App.",
        ) from error

"""Who the client is to GitHub. The one secret is read from the environment and shown to nobody."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Protocol

from hundredfold.errors import ConfigError

if TYPE_CHECKING:
    from hundredfold.forges.github.client import GitHubClient


class Auth(Protocol):
    """A way to be known to GitHub."""

    async def authorization(self) -> str:
        """The Authorization header of the next request."""
        ...

    async def renewed(self) -> bool:
        """GitHub said 401: whether there is another credential to try now."""
        ...

    async def login(self, client: GitHubClient) -> str:
        """The name our own comments bear."""
        ...

    async def close(self) -> None:
        """Let go of what is held open."""
        ...


class TokenAuth:
    """A personal access token, or any other that is sent as it is."""

    def __init__(self, token: str) -> None:
        self._token = token

    @classmethod
    def from_environment(cls, name: str) -> TokenAuth:
        """The token in the environment variable `name`.

        Raises:
            ConfigError: it is not set, or holds what no token can.
        """
        token = os.environ.get(name, "").strip()
        if not token:
            raise ConfigError(
                f"the environment variable {name} holds no token for the forge",
                f"Set {name} where this command runs, or name another variable: [forge] token-env.",
            )
        if not token.isascii() or not token.isprintable() or " " in token:
            raise ConfigError(f"what {name} holds is no token", "It has blanks or signs that no token has.")
        return cls(token)

    async def authorization(self) -> str:
        """See `Auth`."""
        return f"Bearer {self._token}"

    async def renewed(self) -> bool:
        """Never: a token is all there is."""
        return False

    async def login(self, client: GitHubClient) -> str:
        """The user the token is of."""
        from hundredfold.forges.github.calls import Call

        return str((await client.send(Call("GET", "/user"))).json()["login"])

    async def close(self) -> None:
        """Nothing is held."""

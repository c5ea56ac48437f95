"""The client that `[forge]` describes: with a token, or as a GitHub App."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from hundredfold.forges.github.auth import Auth, TokenAuth
from hundredfold.forges.github.client import GitHubClient, checked_url

if TYPE_CHECKING:
    from hundredfold.settings import ForgeSettings


def git_address(settings: ForgeSettings) -> str:
    """Where git finds the settings' repository: of https://api.github.com it is https://github.com/OWNER/NAME.git,
    of an Enterprise Server's https://HOST/api/v3 it is https://HOST/OWNER/NAME.git.

    Raises:
        ConfigError: it is no address of an API.
    """
    url = urlsplit(checked_url(settings.base_url))
    path = url.path.removesuffix("/api/v3")
    host = url.netloc if path != url.path else url.netloc.removeprefix("api.")
    return f"{url.scheme}://{host}{path}/{settings.repository}.git"


def git_authorization(authorization: str) -> str:
    """The header that git over HTTP takes for the credential of an API's header: any name, and the token as
    the password."""
    token = authorization.partition(" ")[2]
    return "Basic " + base64.b64encode(f"x-access-token:{token}".encode("ascii")).decode("ascii")


def client_of(settings: ForgeSettings) -> GitHubClient:
    """A client for the settings' repository; made inside the event loop that uses it.

    Raises:
        ConfigError: the credential that the settings name is not in the environment, or is none.
    """

    def made(auth: Auth) -> GitHubClient:
        return GitHubClient(
            auth,
            base_url=settings.base_url,
            pace_s=settings.pace_seconds,
            patience_s=settings.patience_seconds,
        )

    if not settings.app_id:
        return made(TokenAuth.from_environment(settings.token_env))
    from hundredfold.forges.github.app import AppAuth, key_from_environment

    key = key_from_environment(settings.app_key_env)
    return made(AppAuth(settings.app_id, key, settings.repository, made))

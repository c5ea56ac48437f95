"""The client that `[forge]` describes: with a token, or as a GitHub App."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hundredfold.forges.github.auth import Auth, TokenAuth
from hundredfold.forges.github.client import GitHubClient

if TYPE_CHECKING:
    from hundredfold.settings import ForgeSettings


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

"""One Discord webhook: post, edit and delete messages. Its URL is a secret and stands in no error.

https://discord.com/developers/docs/resources/webhook#execute-webhook
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from msgspec import Struct

from hundredfold.errors import ConfigError
from hundredfold.notices.embed import PICTURE

if TYPE_CHECKING:
    import aiohttp

TIMEOUT_S = 30.0
MAX_PICTURE = 8 * 2**20  # bytes; servers without boosts take 10 MB
MAX_ANSWER = 256 * 1024
_PATH = re.compile(r"^(/api(/v\d+)?)?/webhooks/\d{1,32}/[\w-]{1,200}$")


class Sent(Struct, frozen=True):
    """What the service answered: an HTTP status (0: it was not reached), the message's id, and its limits."""

    status: int
    message: str = ""
    retry_after_s: float = 0.0
    remaining: int | None = None
    reset_s: float = 0.0
    error: str = ""

    @property
    def ok(self) -> bool:
        """Whether it did what was asked."""
        return 200 <= self.status < 300


def checked_url(url: str, variable: str) -> str:
    """The webhook's URL, if it is one.

    Raises:
        ConfigError: it is not; the text names the variable, never the URL.
    """
    parts = urlsplit(url.strip())
    local = parts.hostname in ("127.0.0.1", "localhost", "::1")
    if (parts.scheme != "https" and not (local and parts.scheme == "http")) or not _PATH.match(parts.path):
        raise ConfigError(
            f"${variable} does not hold the URL of a Discord webhook",
            "Copy it in Discord: channel settings → Integrations → Webhooks → Copy Webhook URL.",
        )
    return f"{parts.scheme}://{parts.netloc}{parts.path}"


class Webhook:
    """Calls to one webhook. An unreachable service is an answer with status 0, not an exception."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self._url = url
        self._session = session

    async def post(self, payload: dict[str, Any], picture: bytes | None = None) -> Sent:
        """Send a message; the answer has its id."""
        return await self._call("POST", f"{self._url}?wait=true", payload, picture)

    async def edit(self, message: str, payload: dict[str, Any], picture: bytes | None = None) -> Sent:
        """Change a message that this webhook sent."""
        return await self._call("PATCH", f"{self._url}/messages/{message}", payload, picture)

    async def delete(self, message: str) -> Sent:
        """Delete a message that this webhook sent."""
        return await self._call("DELETE", f"{self._url}/messages/{message}", None, None)

    async def _call(
        self, method: str, url: str, payload: dict[str, Any] | None, picture: bytes | None
    ) -> Sent:
        import aiohttp

        body: Any = None
        headers = {}
        if payload is not None and picture is not None:
            form = aiohttp.FormData()
            form.add_field("payload_json", json.dumps(payload), content_type="application/json")
            form.add_field("files[0]", picture, filename=PICTURE, content_type="image/png")
            body = form
        elif payload is not None:
            body, headers = json.dumps(payload).encode(), {"Content-Type": "application/json"}
        limit = aiohttp.ClientTimeout(total=TIMEOUT_S)
        try:
            async with self._session.request(
                method, url, data=body, headers=headers, timeout=limit, allow_redirects=False
            ) as answer:
                content = await answer.content.read(MAX_ANSWER)
                return _read(answer.status, answer.headers, content)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return Sent(0, error=f"Discord was not reached: {type(error).__name__}")


def _read(status: int, headers: Any, content: bytes) -> Sent:
    try:
        told = json.loads(content or b"{}")
    except (ValueError, RecursionError):
        told = {}
    told = told if isinstance(told, dict) else {}
    retry = max(_seconds(told.get("retry_after")), _seconds(headers.get("Retry-After")))
    remaining = headers.get("X-RateLimit-Remaining", "")
    error = "" if status < 300 else f"Discord answered {status}: {str(told.get('message', ''))[:200]}"
    return Sent(
        status=status,
        message=str(told.get("id", ""))[:40],
        retry_after_s=retry if status == 429 else 0.0,
        remaining=int(remaining) if remaining.isdecimal() else None,
        reset_s=_seconds(headers.get("X-RateLimit-Reset-After")),
        error=error,
    )


def _seconds(value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return 0.0
    return number if 0 < number < 1e6 else 0.0

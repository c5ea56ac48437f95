"""Requests to GitHub and their answers as data, and the ways in which a request can go wrong."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import quote, urlencode

import msgspec
from msgspec import Struct

from hundredfold.errors import UnavailableError
from hundredfold.forges.protocol import NotNow

JSON = "application/vnd.github+json"

Method = Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]


class Call(Struct, frozen=True):
    """A request as data. `path` begins with / and is quoted (`path_of`); `repeatable`: may be sent again
    though it may have taken effect."""

    method: Method
    path: str
    body: Mapping[str, Any] | None = None
    query: tuple[tuple[str, str], ...] = ()
    accept: str = JSON
    repeatable: bool | None = None

    @property
    def safe_again(self) -> bool:
        """Whether sending it twice is the same as once."""
        return self.method != "POST" if self.repeatable is None else self.repeatable

    @property
    def changes(self) -> bool:
        """Whether it changes anything."""
        return self.method not in ("GET", "HEAD")

    @property
    def target(self) -> str:
        """Path and query."""
        return f"{self.path}?{urlencode(self.query)}" if self.query else self.path


class Answer(Struct, frozen=True):
    """An answer below 400, or 304. `headers` have lower-case names."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """The decoded body.

        Raises:
            GitHubError: it is no JSON.
        """
        try:
            return msgspec.json.decode(self.body)
        except msgspec.DecodeError as error:
            raise GitHubError("GitHub's answer is no JSON", status=self.status) from error

    @property
    def etag(self) -> str:
        """The answer's ETag, for `send(…, etag=…)`; "" if it has none."""
        return self.headers.get("etag", "")

    @property
    def unchanged(self) -> bool:
        """Whether it is a 304: what was known by the ETag still holds."""
        return self.status == 304


class GitHubError(UnavailableError):
    """GitHub refused or could not be reached. `status` is the HTTP status, 0 if there was no answer."""

    def __init__(self, cause: str, mend: str = "", *, status: int = 0) -> None:
        super().__init__(cause, mend)
        self.status = status


class Uncertain(GitHubError):
    """A change was sent, and whether it took effect is not known."""


class Shut(GitHubError, NotNow):
    """GitHub can't be used at all: it can't be reached, or refuses the credential."""


class RateLimited(GitHubError, NotNow):
    """A rate limit that lasts longer than we wait. `until_s`: Unix seconds when to come back."""

    def __init__(self, cause: str, until_s: float, *, status: int) -> None:
        at = time.strftime("%H:%M:%S UTC", time.gmtime(until_s))
        super().__init__(cause, f"Call again after {at}: what is done stays done.", status=status)
        self.until_s = until_s


def path_of(*parts: str | int) -> str:
    """A path of the API: each part quoted whole, so a label's slash is no separator."""
    return "/" + "/".join(quote(str(part), safe="") for part in parts)

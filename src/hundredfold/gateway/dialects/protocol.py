"""The seam between forwarding and the provider APIs: what a request asks, what an answer says it used."""

from __future__ import annotations

from typing import Protocol

from msgspec import Struct

from hundredfold.vocabulary import Tier, Usage


class BadRequest(Exception):
    """The body can't be metered: not JSON of this dialect, or it names no model."""


class Prepared(Struct, frozen=True):
    """A request ready to be forwarded.

    `body` is the very object handed in unless the tier had to be changed. `output_cap` is the most output
    tokens the request allows, None if it names none. `opaque` says that its input can't be bounded by its
    bytes, since it refers to things the provider keeps or fetches (an earlier response, a file, an image).
    """

    body: bytes
    model: str
    output_cap: int | None
    opaque: bool


class Reading(Struct):
    """What an answer said. `complete`: its last word was read, so nothing more can change.

    `usage` is None where the answer did not say. `failure` is the provider's error code, "" if it succeeded.
    `began` says that output was seen, so that tokens may be billed even without usage.
    """

    complete: bool = False
    usage: Usage | None = None
    response_id: str = ""
    served_model: str = ""
    served_tier: str = ""
    failure: str = ""
    began: bool = False


class Reader(Protocol):
    """Fed with the bytes of one answer in order, however they are split. Its memory is bounded."""

    reading: Reading
    #: whether the answer's last word comes before its last byte; else it is read at the end
    streams: bool

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes."""
        ...

    def end(self) -> None:
        """The answer has ended: read what is left."""
        ...


class Dialect(Protocol):
    """One provider API."""

    name: str

    def metered(self, method: str, path: str) -> bool:
        """Whether this call uses tokens. `path` follows the API's base URL and begins with a slash."""
        ...

    def free(self, method: str, path: str) -> bool:
        """Whether this call uses none, and is passed on unmetered."""
        ...

    def prepare(self, body: bytes, tier: Tier) -> Prepared:
        """Read what the request asks and set its service tier to the route's.

        Raises:
            BadRequest: it can't be metered.
        """
        ...

    def reader(self, status: int, content_type: str) -> Reader:
        """A reader for an answer with this HTTP status and content type."""
        ...

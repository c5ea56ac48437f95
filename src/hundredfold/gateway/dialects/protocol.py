"""The seam between forwarding and the provider APIs: what a request asks, what an answer says it used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from msgspec import Struct

from hundredfold.vocabulary import Tier, Usage


class BadRequest(Exception):
    """The body can't be metered: not JSON of this dialect, it names no model, or it asks for what has no
    known price."""


class Prepared(Struct, frozen=True):
    """A request ready to be forwarded.

    `body` is the very object handed in unless something had to be changed, and `headers` are to be added.
    `output_cap` is the most output tokens of one answer, None if the request names none; it may ask for
    several `answers` at once. `opaque` says that its input can't be bounded by its bytes, since it refers to
    things the provider keeps or fetches (an earlier response, a file, an image). `samplings` is how often the
    provider itself may run the model for it. `withhold` says that the gateway asked for a report of usage
    that the client did not ask for and must not see.
    """

    body: bytes
    model: str
    output_cap: int | None
    opaque: bool
    answers: int = 1
    samplings: int = 1
    withhold: bool = False
    headers: tuple[tuple[str, str], ...] = ()


class Problem(Struct, frozen=True):
    """An error of the gateway's own, before it has a dialect's shape. `kind` and `code` are OpenAI's words.
    `final`: no retry mends it."""

    status: int
    kind: str
    code: str
    message: str
    final: bool = False


class Reading(Struct):
    """What an answer said. `complete`: its last word was read, so nothing more can change.

    `usage` is None where the answer did not say, or not yet finally; `so_far` is what it said meanwhile.
    `failure` is the provider's error code, "" if it succeeded. `began` says that work was seen to begin, so
    that tokens may be billed even without usage.
    """

    complete: bool = False
    usage: Usage | None = None
    so_far: Usage | None = None
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
    #: whether the client may get fewer bytes than came
    withholds: bool

    def feed(self, chunk: bytes) -> bytes:
        """Take the next bytes; returns those to hand on now."""
        ...

    def end(self) -> bytes:
        """The answer has ended: read what is left; returns what was not handed on yet."""
        ...


class Dialect(Protocol):
    """One provider API."""

    name: str

    def metered(self, method: str, path: str) -> bool:
        """Whether this call uses tokens. `path` follows the API's base URL and begins with a slash."""
        ...

    def free(self, method: str, path: str, headers: Mapping[str, str]) -> bool:
        """Whether this call is this API's, uses no tokens, and is passed on unmetered."""
        ...

    def prepare(self, body: bytes, tier: Tier) -> Prepared:
        """Read what the request asks and set its service tier to the route's.

        Raises:
            BadRequest: it can't be metered.
        """
        ...

    def reader(self, prepared: Prepared, status: int, content_type: str) -> Reader:
        """A reader for an answer with this HTTP status and content type."""
        ...

    def credentials(self, key: str) -> tuple[str, str]:
        """Name and value of the header that carries the key."""
        ...

    def shaped(self, problem: Problem) -> tuple[int, bytes]:
        """HTTP status and body of an error as this API's clients understand it."""
        ...

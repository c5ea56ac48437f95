"""The seam between the simulated provider and the APIs it speaks: reading a request, writing an answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from hundredfold.simulation.provider.log import Outcome
from hundredfold.simulation.provider.moves import Move
from hundredfold.simulation.provider.request import Request
from hundredfold.vocabulary import Usage

MOST_DELTAS = 32
LEAST_DELTA = 16  # characters


class Answer(Struct, frozen=True):
    """All that an answer says.

    `tier` and `usage` are None where it leaves them out; `max_output_tokens` ended an `incomplete` one early.
    While a stream is under way its events name `asked_tier`; only the last one names the tier that served it.
    `told` is whether a stream that need not say what it used was asked to.
    """

    response_id: str
    model: str
    created: int
    asked_tier: str
    tier: str | None
    moves: tuple[Move, ...]
    usage: Usage | None
    effort: str = ""
    max_output_tokens: int | None = None
    incomplete: bool = False
    told: bool = True

    @property
    def status(self) -> bytes:
        """How the Responses API calls its end."""
        return b"incomplete" if self.incomplete else b"completed"


class Refusal(Struct, frozen=True):
    """An error answer: what is sent, in OpenAI's words, and how it is logged."""

    status: int
    outcome: Outcome
    type: str
    code: str
    message: str


class Api(Protocol):
    """One API. `prefix` begins its response ids; the last `tail` events of a stream say how it ended and
    what it used, so that a broken stream stops before them."""

    path: str
    prefix: str
    tail: int

    def read(self, body: bytes) -> Request:
        """Decode a request's body.

        Raises:
            msgspec.DecodeError: it is not a request of this API (`ValidationError` is one of these).
        """
        ...

    def whole(self, answer: Answer) -> bytes:
        """The whole answer as one JSON object."""
        ...

    def events(self, answer: Answer) -> list[bytes]:
        """The answer as server-sent events, more than `tail` of them."""
        ...

    def refused(self, refusal: Refusal) -> tuple[int, bytes]:
        """HTTP status and body of an error."""
        ...

    def overloaded(self, response_id: str, refusal: Refusal) -> bytes | None:
        """The stream that says the provider is overloaded; None where that is an HTTP error."""
        ...


def pieces(text: str) -> Sequence[str]:
    """The text as a stream delivers it."""
    size = max(LEAST_DELTA, -(-len(text) // MOST_DELTAS))
    return [text[start : start + size] for start in range(0, len(text), size)]

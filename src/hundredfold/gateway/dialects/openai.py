"""What OpenAI's two APIs have in common: tiers, keys, errors, and which usage can be true."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from msgspec import Struct

from hundredfold.gateway.dialects.protocol import BadRequest, Problem
from hundredfold.gateway.dialects.rewriting import with_value
from hundredfold.vocabulary import Tier, Usage

#: What the wire may say for a tier, the first being what we write. None stands for an absent key. "batch"
#: has an API of its own, so a batch route's requests go out as flex, which costs the same.
WIRE_TIERS: dict[Tier, tuple[str | None, ...]] = {
    "fast": ("priority", "fast"),
    "standard": ("default", "auto", None),
    "flex": ("flex",),
    "batch": ("flex",),
}
LONGEST_CODE = 100


class Error(Struct):
    """An error as answers carry it."""

    code: str | int | None = None
    type: str | None = None

    @property
    def name(self) -> str:
        """What it is called in the ledger."""
        return str(self.code or self.type or "error")[:LONGEST_CODE]


def with_tier(body: bytes, asked: str | None, tier: Tier, read: Callable[[bytes], str | None]) -> bytes:
    """The body with the route's service tier; the same object if it asks for that already.

    `read` tells the service tier that a body asks for.

    Raises:
        BadRequest: it can't be told where the body says it.
    """
    wanted = WIRE_TIERS[tier]
    if asked in wanted:
        return body
    written = wanted[0]
    assert written is not None
    value = b'"%b"' % written.encode()
    changed = with_value(
        body, "service_tier", value, present=asked is not None, is_set=lambda found: read(found) == written
    )
    if changed is None:
        raise BadRequest("its service_tier can't be told from its text")
    return changed


def credentials(key: str) -> tuple[str, str]:
    """The header that carries the key."""
    return "Authorization", f"Bearer {key}"


def shaped(problem: Problem) -> tuple[int, bytes]:
    """An error as OpenAI's clients show it."""
    body = {"error": {"message": problem.message, "type": problem.kind, "code": problem.code, "param": None}}
    return problem.status, msgspec.json.encode(body)


def possible(usage: Usage) -> Usage | None:
    """The usage, or None if it can't be true (negative, or a part greater than its whole)."""
    true = (
        min(usage.cached, usage.cache_write_1h, usage.output, usage.reasoning) >= 0
        and usage.cache_write_1h <= usage.cache_write
        and usage.cached + usage.cache_write <= usage.input
        and usage.reasoning <= usage.output
    )
    return usage if true else None

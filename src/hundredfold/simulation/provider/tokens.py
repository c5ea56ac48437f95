"""The simulated provider's token accounting: exact, deterministic, and stated.

Input: a quarter of the bytes of the instructions, the tools and each input item, as they stand in the body,
rounded up. Cached: the longest prefix of those blocks that an earlier request of the same conversation
(`prompt_cache_key`, else the same first item) that was billed also began with, rounded down to 128. Output:
a quarter of the bytes of the visible output, rounded up, plus reasoning by effort.
"""

from __future__ import annotations

from collections import OrderedDict
from hashlib import blake2b

from msgspec import Struct

from hundredfold.simulation.provider.request import Request
from hundredfold.vocabulary import Usage

BYTES_PER_TOKEN = 4
CACHE_STEP = 128
MOST_CONVERSATIONS = 20_000
REASONING = {"none": 0, "minimal": 0, "low": 64, "": 192, "medium": 192, "high": 768, "xhigh": 1536}


def tokens_of(size: int) -> int:
    """Tokens of `size` bytes."""
    return -(-size // BYTES_PER_TOKEN)


def reasoning_of(effort: str) -> int:
    """Hidden reasoning tokens of one answer; an unknown effort counts as medium."""
    return REASONING.get(effort, REASONING["medium"])


class Counted(Struct, frozen=True):
    """A request's input, counted. `trail` is what a later request of the conversation is compared with."""

    input: int
    cached: int
    trail: tuple[tuple[bytes, int], ...]


class PromptCache:
    """What billed requests of each conversation began with; the least recently used are forgotten."""

    def __init__(self, most: int = MOST_CONVERSATIONS) -> None:
        self._most = most
        self._trails: OrderedDict[str, tuple[tuple[bytes, int], ...]] = OrderedDict()

    def count(self, request: Request) -> Counted:
        """Count the input of a request; changes nothing."""
        trail = tuple((blake2b(block, digest_size=8).digest(), len(block)) for block in request.blocks)
        shared = 0
        earlier = self._trails.get(f"{request.model}\0{request.conversation}", ())
        for ours, theirs in zip(trail, earlier, strict=False):
            if ours != theirs:
                break
            shared += ours[1]
        total = tokens_of(sum(size for _, size in trail))
        cached = min(shared // BYTES_PER_TOKEN, total) // CACHE_STEP * CACHE_STEP
        return Counted(total, cached, trail)

    def remember(self, request: Request, counted: Counted) -> None:
        """A request was billed: later ones of its conversation may find its prefix cached."""
        key = f"{request.model}\0{request.conversation}"
        self._trails[key] = counted.trail
        self._trails.move_to_end(key)
        if len(self._trails) > self._most:
            self._trails.popitem(last=False)


def usage_of(counted: Counted, output: int, reasoning: int, *, cache_writes: bool) -> Usage:
    """The usage of an answer with `output` tokens in all, `reasoning` of them hidden."""
    fresh = (counted.input - counted.cached) // CACHE_STEP * CACHE_STEP if cache_writes else 0
    return Usage(counted.input, counted.cached, fresh, output, min(reasoning, output))

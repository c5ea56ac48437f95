"""A request as the simulated provider sees it, whichever API it came by: conversation, tools, schema, bytes.

Only what decides the answer is decoded; what tokens are counted on is kept as the bytes it came in.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

from msgspec import Struct


class Tool(Struct, frozen=True):
    """A tool on offer. `kind` is "function" (arguments by JSON schema) or "custom" (free text)."""

    kind: str
    name: str
    namespace: str
    parameters: dict[str, Any]


class Request(Struct, frozen=True, kw_only=True):
    """What the provider knows of one request.

    `tools` are those it may call now; `blocks` are the bytes that tokens are counted on, in order
    (instructions, tools, each input item); `prompt` is all that the user said; `rounds` is how many tool
    results the conversation holds; `answered` whether the model has already given a final message in it.
    Where `answer_tool` is named, the final answer is a call of that tool. `told` says that a stream is to end
    with what was used (only Chat Completions asks); `writes` that what is new is written to the prompt cache.
    """

    model: str
    tier: str = ""
    stream: bool = False
    effort: str = ""
    conversation: str
    max_output_tokens: int | None = None
    schema: dict[str, Any] | None = None
    tools: tuple[Tool, ...] = ()
    prompt: str = ""
    rounds: int = 0
    answered: bool = False
    blocks: tuple[bytes, ...]
    answer_tool: str = ""
    told: bool = True
    writes: bool = False

    def key(self, seed: int) -> bytes:
        """What randomness is drawn from: seed, model, prompt and place in the conversation.

        Ids, times and folders that an agent program puts into its requests are left out of it, so two runs
        on one seed draw alike.
        """
        place = f"{seed}\0{self.model}\0{self.rounds}\0{self.answered}\0".encode()
        return blake2b(place + self.prompt.encode("utf-8", "surrogatepass"), digest_size=16).digest()


#: what agent programs add as user messages by themselves; it holds folders and dates
PREAMBLES = (
    "<environment_context>", "<user_instructions>", "# AGENTS.md", "<system-reminder>",
    "# Environment\nYou have been invoked",
)  # fmt: skip


def conversation_of(blocks: list[bytes]) -> str:
    """A conversation's name where the request gives none: its first block's digest."""
    return blake2b(b"".join(blocks[:1]), digest_size=16).hexdigest()

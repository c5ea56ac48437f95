"""A Responses request as the simulated provider sees it: its conversation, tools, schema and bytes.

Only what decides the answer is decoded; items are kept as the bytes they came in, because tokens are counted
on those.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b
from typing import Any

import msgspec
from msgspec import Raw, Struct


class Tool(Struct, frozen=True):
    """A tool on offer. `kind` is "function" (arguments by JSON schema) or "custom" (free text)."""

    kind: str
    name: str
    namespace: str
    parameters: dict[str, Any]


class _Format(Struct):
    type: str = "text"
    schema: dict[str, Any] | None = None


class _Text(Struct):
    format: _Format | None = None


class _Reasoning(Struct):
    effort: str | None = None


class _Part(Struct):
    text: str = ""


class _Item(Struct):
    type: str = "message"
    role: str = ""
    content: list[_Part] | str | None = None
    tools: Raw = Raw(b"[]")


class _Tool(Struct):
    type: str
    name: str = ""
    parameters: dict[str, Any] | None = None
    tools: list[_Tool] = []


class _Body(Struct):
    model: str
    input: list[Raw] | str
    instructions: str | None = None
    tools: Raw = Raw(b"[]")
    text: _Text | None = None
    reasoning: _Reasoning | None = None
    service_tier: str | None = None
    stream: bool = False
    prompt_cache_key: str | None = None
    max_output_tokens: int | None = None
    tool_choice: str | dict[str, Any] = "auto"


class Request(Struct, frozen=True):
    """What the provider knows of one request.

    `tools` are those it may call now; `blocks` are the bytes that tokens are counted on, in order
    (instructions, tools, each input item); `prompt` is all that the user said; `rounds` is how many tool
    results the conversation holds; `answered` whether the model has already given a final message in it.
    """

    model: str
    tier: str
    stream: bool
    effort: str
    conversation: str
    max_output_tokens: int | None
    schema: dict[str, Any] | None
    tools: tuple[Tool, ...]
    prompt: str
    rounds: int
    answered: bool
    blocks: tuple[bytes, ...]

    def key(self, seed: int) -> bytes:
        """What randomness is drawn from: seed, model, prompt and place in the conversation.

        Ids, times and folders that an agent program puts into its requests are left out of it, so two runs
        on one seed draw alike.
        """
        place = f"{seed}\0{self.model}\0{self.rounds}\0{self.answered}\0".encode()
        return blake2b(place + self.prompt.encode("utf-8", "surrogatepass"), digest_size=16).digest()


_body = msgspec.json.Decoder(_Body)
_item = msgspec.json.Decoder(_Item)
_tools = msgspec.json.Decoder(list[_Tool])

# What agent programs add as user messages by themselves; it holds folders and dates.
_PREAMBLES = ("<environment_context>", "<user_instructions>", "# AGENTS.md")


def read_request(body: bytes) -> Request:
    """Decode a request's body.

    Raises:
        msgspec.DecodeError: it is not a Responses request (`ValidationError` is one of these).
    """
    raw = _body.decode(body)
    offered = list(_offered(bytes(raw.tools)))
    prompt: list[str] = []
    rounds = 0
    answered = False
    if isinstance(raw.input, str):
        blocks = [raw.input.encode()]
        prompt.append(raw.input)
    else:
        blocks = [bytes(item) for item in raw.input]
        for block in blocks:
            item = _item.decode(block)
            if item.type == "message":
                if item.role == "user":
                    text = _text_of(item)
                    if not text.startswith(_PREAMBLES):
                        prompt.append(text)
                elif item.role == "assistant":
                    answered = True
            elif item.type.endswith("_call_output"):
                rounds += 1
                answered = False
            elif item.type == "additional_tools":
                offered.extend(_offered(bytes(item.tools)))
    head = [(raw.instructions or "").encode(), bytes(raw.tools)]
    form = raw.text.format if raw.text else None
    return Request(
        model=raw.model,
        tier=raw.service_tier or "",
        stream=raw.stream,
        effort=(raw.reasoning.effort or "") if raw.reasoning else "",
        conversation=raw.prompt_cache_key or blake2b(b"".join(blocks[:1]), digest_size=16).hexdigest(),
        max_output_tokens=raw.max_output_tokens,
        schema=form.schema if form is not None and form.type == "json_schema" else None,
        tools=() if raw.tool_choice == "none" else tuple(offered),
        prompt="\n\n".join(prompt),
        rounds=rounds,
        answered=answered,
        blocks=(*head, *blocks),
    )


def _text_of(item: _Item) -> str:
    if isinstance(item.content, str):
        return item.content
    return "\n".join(part.text for part in item.content or ())


@lru_cache(maxsize=64)
def _offered(tools: bytes) -> tuple[Tool, ...]:
    return tuple(_flatten(_tools.decode(tools), ""))


def _flatten(tools: list[_Tool], namespace: str) -> list[Tool]:
    found: list[Tool] = []
    for tool in tools:
        if tool.type == "namespace":
            found.extend(_flatten(tool.tools, tool.name))
        elif tool.type in ("function", "custom"):
            found.append(Tool(tool.type, tool.name, namespace, tool.parameters or {}))
    return found

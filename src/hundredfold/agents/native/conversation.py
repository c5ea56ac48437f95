"""One attempt's conversation, kept on our side: items already encoded, trimmed when they grow too long.

The provider keeps nothing (`store: false`). Each item is encoded once, when it is appended, so a request is
put together by copying bytes; the fixed part of a request is encoded once per attempt.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw

#: what a conversation may hold, bytes; about four bytes a token
MOST_BYTES = 600_000
#: a trim goes down to this share, so that the provider's prompt cache is broken rarely
_TRIMMED_SHARE = 0.5
#: the newest tool outputs are never trimmed
_KEPT_OUTPUTS = 4

_TIERS = {"fast": "priority", "flex": "flex"}


class Conversation:
    """The items so far, and how to put a request together from them."""

    def __init__(self, fixed: dict[str, Any], prompt: str) -> None:
        # Encoded, and open at its end: `{"model":…,"tools":…` to which the rest is appended.
        self._fixed = msgspec.json.encode(fixed)[:-1]
        self._items: list[bytes] = []
        self._outputs: list[
            tuple[int, str]
        ] = []  # places of tool outputs not yet trimmed, and their call ids
        self._bytes = 0
        self._append({"role": "user", "content": _encodable(prompt)})

    def body(self, *, final: bool) -> bytes:
        """The body of the next request; `final`: tools may not be called any more."""
        choice = b"none" if final else b"auto"
        return b'%b,"tool_choice":"%b","input":[%b]}' % (self._fixed, choice, b",".join(self._items))

    def heard(self, item: bytes | Raw) -> None:
        """Append an item of the model's output, as it came."""
        self._items.append(bytes(item))
        self._bytes += len(self._items[-1])

    def told(self, call_id: str, output: str) -> None:
        """Append what a tool answered, and trim if the whole has become too long."""
        self._outputs.append((len(self._items), call_id))
        self._append({"type": "function_call_output", "call_id": call_id, "output": _encodable(output)})
        if self._bytes > MOST_BYTES:
            self.trim()

    def urge(self, text: str) -> None:
        """Append a message of ours."""
        self._append({"role": "user", "content": text})

    def trim(self) -> bool:
        """Replace the oldest tool outputs by a note until half of the room is free; whether any was."""
        aim = min(self._bytes, MOST_BYTES) * _TRIMMED_SHARE
        trimmed = False
        while self._bytes > aim and len(self._outputs) > _KEPT_OUTPUTS:
            place, call_id = self._outputs.pop(0)
            was = len(self._items[place])
            note = f"({was} bytes were here; call the tool again if you need them)"
            self._items[place] = msgspec.json.encode(
                {"type": "function_call_output", "call_id": call_id, "output": note}
            )
            self._bytes += len(self._items[place]) - was
            trimmed = True
        return trimmed

    def _append(self, item: dict[str, Any]) -> None:
        self._items.append(msgspec.json.encode(item))
        self._bytes += len(self._items[-1])


def _encodable(text: str) -> str:
    """The text without halves of characters, which names of files may hold and JSON may not."""
    return text.encode("utf-8", "replace").decode()


def fixed_part(
    *,
    model: str,
    effort: str,
    tier: str,
    attempt: str,
    instructions: str,
    tools: list[dict[str, Any]],
    schema: dict[str, Any],
) -> dict[str, Any]:
    """What is the same in all requests of an attempt; the part that the provider caches comes first."""
    name = "".join(c if c.isalnum() or c in "_-" else "_" for c in str(schema.get("title", "answer")))[:64]
    fixed: dict[str, Any] = {
        "model": model,
        "instructions": instructions,
        "tools": tools,
        "text": {"format": {"type": "json_schema", "name": name, "strict": True, "schema": schema}},
        "parallel_tool_calls": True,
        "prompt_cache_key": attempt,
        "store": False,
        "stream": True,
    }
    if effort:
        # Models that reason want their own thoughts back, sealed; others refuse both keys.
        fixed["reasoning"] = {"effort": effort}
        fixed["include"] = ["reasoning.encrypted_content"]
    if tier in _TIERS:
        fixed["service_tier"] = _TIERS[tier]
    return fixed

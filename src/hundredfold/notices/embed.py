"""What is told, as Discord's webhook takes it: harmless text, within every limit on lengths.

Limits: https://discord.com/developers/docs/resources/message#embed-object-embed-limits. No text can mention
anybody (`allowed_mentions` forbids it, and mentions are broken besides), hide a link behind other words, or
name a channel.
"""

from __future__ import annotations

import re
from typing import Any

from hundredfold.proposals.sanitise import for_forge
from hundredfold.store.notices import Kind, Told

MAX_TITLE = 256
MAX_DESCRIPTION = 4096
MAX_TOTAL = 6000  # characters of all of a message's embeds together
PICTURE = "plot.png"
SIMULATED = "Simulated: no model and no real result is behind this."

COLOURS: dict[Kind, int] = {"status": 0x5B7C99, "alert": 0xC0392B, "digest": 0x2E7D5B, "notice": 0xB7791F}

#: `<#channel>`, `<:emoji:1>`, `</command:1>`, `<t:1>`, `<id:home>`, `<https://…>`
_ANGLE = re.compile(r"<(?=[#:/a-zA-Z@&])")
_MASKED_LINK = re.compile(r"\](?=\()")
_INVITE = re.compile(r"(?i)(discord)(\.gg|(?:app)?\.com/invite)")


def message(kind: Kind, told: Told, *, picture: bool) -> dict[str, Any]:
    """The JSON of one message with one embed; `picture` says that a file `PICTURE` goes with it."""
    title = " ".join(harmless(told.title, MAX_TITLE).split()) or "(no title)"
    body = harmless(told.body, MAX_DESCRIPTION)
    embed: dict[str, Any] = {"title": title[:MAX_TITLE], "color": COLOURS[kind]}
    if body.strip():
        embed["description"] = body
    if picture:
        embed["image"] = {"url": f"attachment://{PICTURE}"}
    if told.simulated:
        embed["footer"] = {"text": SIMULATED}
    return {
        "embeds": [embed],
        "allowed_mentions": {"parse": []},
        "attachments": [{"id": 0, "filename": PICTURE}] if picture else [],
    }


def harmless(text: str, limit: int) -> str:
    """Text that Discord shows as it is, at most `limit` UTF-16 units of it: that is how Discord counts."""
    shown = _ANGLE.sub("‹", text)
    shown = _MASKED_LINK.sub("]\\\\", shown)
    shown = _INVITE.sub(r"\1[.]\2", shown)
    size = limit
    while True:
        made = for_forge(shown, size)
        over = len(made.encode("utf-16-le")) // 2 - limit
        if over <= 0 or size == 0:
            return made
        size = max(0, size - over)

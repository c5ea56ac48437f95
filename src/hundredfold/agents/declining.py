"""Whether a final message declines: models say so in plain words where JSON was asked for."""

from __future__ import annotations

import re

# Only the opening words of a text that is no JSON: an answer may speak of refusals.
_DECLINES = re.compile(
    r"\s*(?:(?:i['’]?m\s+(?:very\s+)?)?sorry"
    r"|i\s+(?:can(?:['’]t|not)|won['’]t|am\s+(?:unable|not able)|must decline)"
    r"|i['’]m\s+(?:unable|not able))\b",
    re.IGNORECASE,
)


def declines(text: str) -> bool:
    """Whether the text opens with the words of a refusal."""
    return _DECLINES.match(text) is not None

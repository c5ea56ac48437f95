"""Making text from outside harmless before a forge or a terminal shows it.

Nothing is dropped in silence: what is invisible or steers the display is written out as `[U+202E]`, so a
reviewer sees the trick (https://trojansource.codes, Unicode TR36). Every function gives the same on its own
result. Mentions are broken by a look-alike sign rather than by an entity (a forge would decode it) or an
invisible character (which is what we remove).
"""

from __future__ import annotations

import re
import unicodedata

from hundredfold.evidence.secrets import redact

MAX_TITLE = 200
MAX_BODY = 60_000  # characters; GitHub refuses a body over 65,536

_SUSPECT = re.compile(r"[^\n\t\x20-\x7e]")
#: Letters and marks that show nothing: Hangul fillers, grapheme joiner, variation selectors (which can
#: spell hidden text). U+FE0F alone is left: it only asks for the coloured form of an emoji.
_BLANK = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0e\uffa0\U000e0100-\U000e01ef]"
)
_MENTION = re.compile(r"@(?=[\w<&!-])")
#: Comments, processing instructions and declarations: a forge shows nothing of them, and ours are markers.
_HIDING_TAG = re.compile(r"<(?=[!?])")
#: `[anything]: #` hides its line in Markdown, as a comment would.
_HIDDEN_LINE = re.compile(r"^(\s{0,3}(?:>\s{0,3})*)\[(?=[^\]\n]{0,200}\]:)", re.MULTILINE)


def visible(text: str) -> str:
    """`text` with every control, format and invisible character (but newline and tab) written out."""
    return _SUSPECT.sub(_shown, text.replace("\r\n", "\n"))


def for_terminal(text: str) -> str:
    """One line that is safe to print: no escape sequences, no invisible text, no secrets."""
    return redact(" ".join(visible(text).split()))


def block_for_terminal(text: str) -> str:
    """Several lines that are safe to print."""
    return redact(visible(text)).expandtabs(4)


def for_forge(text: str, limit: int = MAX_BODY) -> str:
    """Text that a forge can show: as above, and without mentions, comments, markers, hidden lines.

    At most `limit` characters; a longer text is cut and says by how much.
    """
    shown = redact(visible(text))
    shown = _MENTION.sub("＠", shown)
    shown = _HIDING_TAG.sub("&lt;", shown).replace("-->", "--&gt;")
    shown = _HIDDEN_LINE.sub(r"\1\\[", shown)
    if len(shown) <= limit:
        return shown
    notice = f"\n\n[cut here: {len(shown) - limit} characters more]"
    return shown[: max(0, limit - len(notice))] + notice


def _shown(match: re.Match[str]) -> str:
    sign = match.group()
    if "\udc80" <= sign <= "\udcff":  # a byte that was no UTF-8
        return f"[byte {ord(sign) - 0xDC00:02X}]"
    if unicodedata.category(sign) in ("Cc", "Cf", "Cs", "Zl", "Zp", "Co", "Cn") or _BLANK.match(sign):
        return f"[U+{ord(sign):04X}]"
    return sign

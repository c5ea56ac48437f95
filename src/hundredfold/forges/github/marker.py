"""The marker: the last line of what we write on GitHub, by which we find it again.

It is an HTML comment that GitHub shows to nobody. What else stands in a text can't imitate it: no other
text of ours ends in one (the sanitiser breaks comments), and a text is only ours if its author is us.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence

import msgspec
from msgspec import Struct

from hundredfold.vocabulary import digest

MOST_EARLIER = 10
_TITLE = 60
_LINE = re.compile(r"<!-- hundredfold key=(x-[0-9a-f]{12}) v1 ([A-Za-z0-9_-]{1,4000}) -->")
_STALE = "> **Outdated.** "


class Earlier(Struct, frozen=True, array_like=True):
    """What stood in a comment before: when it was replaced (UTC, to the minute), of which head, its title."""

    at: str
    head: str
    title: str


class Mark(Struct, frozen=True):
    """What a marker says: the action, the job and what it is about, and what stood there earlier."""

    key: str
    job: str
    on: str
    head: str = ""
    title: str = ""
    part: int = 0
    earlier: tuple[Earlier, ...] = ()
    outdated_by: str = ""


def marked(body: str, mark: Mark) -> str:
    """`body` with its history, a line that says who wrote it, and the marker."""
    mark = msgspec.structs.replace(
        mark,
        title=mark.title[:_TITLE],
        earlier=tuple(
            msgspec.structs.replace(one, title=one.title[:_TITLE]) for one in mark.earlier[-MOST_EARLIER:]
        ),
    )
    parts = [body.rstrip()]
    if mark.outdated_by:
        parts.insert(
            0, f"{_STALE}This is about `{mark.head[:12]}`; the head is now `{mark.outdated_by[:12]}`."
        )
    if mark.earlier:
        rows = "\n".join(f"- {_row(one)}" for one in reversed(mark.earlier))
        parts.append(f"<details><summary>Earlier ({len(mark.earlier)})</summary>\n\n{rows}\n\n</details>")
    about = f" · of `{mark.head[:12]}`" if mark.head else ""
    parts.append(f"<sub>Hundredfold · {mark.job}{about} · approved before it was posted</sub>")
    raw = base64.urlsafe_b64encode(msgspec.json.encode(mark)).decode().rstrip("=")
    parts.append(f"<!-- hundredfold key={mark.key} v1 {raw} -->")
    return "\n\n".join(parts)


def withdrawn(what: str) -> str:
    """What stays of a text that can't be removed; it bears no marker, so nothing finds it again."""
    return f"*Withdrawn by Hundredfold: this {what} was taken back by a person.*"


def read(body: str | None) -> Mark | None:
    """The marker in the last line of a text, if it is one."""
    lines = (body or "").replace("\r\n", "\n").rstrip().rsplit("\n", 1)
    match = _LINE.fullmatch(lines[-1])
    if match is None:
        return None
    raw = match[2] + "=" * (-len(match[2]) % 4)
    try:
        mark = msgspec.json.decode(base64.urlsafe_b64decode(raw), type=Mark)
    except (binascii.Error, msgspec.DecodeError, ValueError):
        return None
    return mark if mark.key == match[1] else None


def outdated(body: str, mark: Mark, head: str) -> str:
    """A text of ours, marked as about a head that has moved to `head`; marked once."""
    plain = body.replace("\r\n", "\n")
    if plain.startswith(_STALE):
        plain = plain.partition("\n\n")[2]
    return marked(_without_frame(plain), msgspec.structs.replace(mark, outdated_by=head))


def renamed(body: str, old: str, new: str) -> str:
    """A text of ours that is about the head `old`, as about `new`; any other as it is."""
    mark = read(body)
    if mark is None or mark.head != old:
        return body
    return marked(_without_frame(body), msgspec.structs.replace(mark, head=new))


def same(body: str | None) -> str:
    """A digest by which a text is compared with what we sent: GitHub may change line ends."""
    return digest((body or "").replace("\r\n", "\n").rstrip())


def following(mark: Mark, before: Mark | None, at: str) -> Mark:
    """`mark` as the one that replaces `before`: it remembers what stood there."""
    if before is None:
        return mark
    past: Sequence[Earlier] = (*before.earlier, Earlier(at, before.head[:12], before.title))
    return msgspec.structs.replace(mark, earlier=tuple(past))


def _without_frame(body: str) -> str:
    """A text of ours without history, signature and marker, which `marked` put at its end."""
    lines = body.rstrip().split("\n\n")
    kept = lines[:-2]  # the signature and the marker
    if kept and kept[-1] == "</details>":
        at = max(i for i, one in enumerate(kept) if one.startswith("<details><summary>Earlier ("))
        kept = kept[:at]
    return "\n\n".join(kept)


def _row(one: Earlier) -> str:
    about = f" · `{one.head}`" if one.head else ""
    return f"{one.at}{about} · {one.title}"

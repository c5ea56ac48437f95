"""What a commit's message says of other commits and of who made it: reverts, picks, trailers, agents' traces.

Formats: `git revert` writes `This reverts commit SHA` (GitHub's button `Reverts OWNER/REPO#N`), `git
cherry-pick -x` writes `(cherry picked from commit SHA)`, trailers are `Key: value` lines of the last
paragraph.
"""

from __future__ import annotations

import re

from msgspec import Struct

MAX_MESSAGE = 20_000  # characters of a message that are read

_SHA = r"[0-9a-f]{7,64}"
_REVERTS = re.compile(
    rf"(?:[Tt]his\s+(?:partially\s+)?reverts?\s+(?:commits?\s+)?|[Rr]everts?\s+(?:commits?\s+)|"
    rf"[Rr]everted\s+commits?:?\s+|[Rr]evert\s+(?=[0-9a-f]{{10,}}\b))((?:{_SHA}(?:\s*(?:,|and|\.\.+|&)\s*)?)+)"
)
_ONE = re.compile(rf"\b{_SHA}\b")
_SUBJECT = re.compile(
    r"^(?:Revert|revert|Reverts|Back out|Backed out)\b[: ]\s*[\"“'](.+?)[\"”']\s*(?:\(#(\d+)\))?$"
)
_RELAND = re.compile(
    r"^(?:Reland|Re-land|Reapply|Re-apply|Unrevert)\b[: ]\s*[\"“']?(.+?)[\"”']?\s*(?:\(#(\d+)\))?$"
)
_PULL = re.compile(
    r"\b[Rr]everts?\s+(?:(?:[\w.-]+/[\w.-]+)?#|https://\S+/pull/|PR\s+#?|pull request #?)(\d{1,7})\b"
)
_PICKED = re.compile(
    rf"\(cherry picked from commit ({_SHA})\)|[Cc]herry[- ]pick(?:ed)?(?: of| from)? (?:commit )?({_SHA})"
)
_NUMBER = re.compile(r"\(#(\d{1,7})\)\s*$|^Merge pull request #(\d{1,7}) from ")
_TRAILER = re.compile(r"^([A-Za-z][A-Za-z0-9-]{1,40}): (.{1,300})$")


class Words(Struct, frozen=True):
    """What one message says. Shas may be short; `pulls` are numbers of pull requests.

    `reverts`, `reverted_pulls`, `reverted_subject`: what it says it takes back; `partial`: only part of that.
    `relands`: the subject of what it brings back. `picked_from`: what it is a copy of. `pull`: the pull
    request it came by. `trailers`: of the last paragraph, keys in lower case.
    """

    reverts: tuple[str, ...] = ()
    reverted_pulls: tuple[int, ...] = ()
    reverted_subject: str = ""
    partial: bool = False
    relands: str = ""
    picked_from: tuple[str, ...] = ()
    pull: int = 0
    trailers: tuple[tuple[str, str], ...] = ()


def words_of(message: str) -> Words:
    """What a commit's whole message says."""
    message = message[:MAX_MESSAGE]
    subject = message.split("\n", 1)[0].strip()
    reverts = tuple(sha for found in _REVERTS.finditer(message) for sha in _ONE.findall(found[1]))
    named = _SUBJECT.match(subject)
    numbered = _NUMBER.search(subject)
    again = _RELAND.match(subject)
    return Words(
        reverts=tuple(dict.fromkeys(reverts)),
        reverted_pulls=tuple(dict.fromkeys(int(one) for one in _PULL.findall(message))),
        reverted_subject=plain_subject(named[1]) if named else "",
        partial="artially revert" in message,
        relands=plain_subject(again[1]) if again else "",
        picked_from=tuple(a or b for a, b in _PICKED.findall(message)),
        pull=int(next(filter(None, numbered.groups()))) if numbered else 0,
        trailers=trailers(message),
    )


def plain_subject(subject: str) -> str:
    """A subject without the number of a pull request at its end."""
    return re.sub(r"\s*\(#\d{1,7}\)\s*$", "", subject).strip()


def trailers(message: str) -> tuple[tuple[str, str], ...]:
    """The trailers of the last paragraph, in order, keys in lower case."""
    last = message.strip().rsplit("\n\n", 1)[-1].split("\n")
    return tuple((found[1].lower(), found[2].strip()) for line in last if (found := _TRAILER.match(line)))

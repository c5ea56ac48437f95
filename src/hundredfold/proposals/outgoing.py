"""A proposal as it may leave this machine: every text in it made harmless, and nothing in it that is a
secret.

Beyond what `sanitise.for_forge` does for any forge, Markdown on a hosted one shows HTML, loads pictures,
obeys commands at the start of a line and closes issues by a phrase. Code blocks are left as they are, since
there none of this works; what is a code block is decided by a CommonMark parser.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from hundredfold.errors import UnavailableError
from hundredfold.evidence.secrets import find_secrets, redact
from hundredfold.payloads import (
    Advisory,
    CheckRun,
    Payload,
    PullRequest,
    Review,
    Sarif,
)
from hundredfold.proposals.sanitise import MAX_BODY, MAX_TITLE, for_forge
from hundredfold.vocabulary import SIMULATED, Proposal

if TYPE_CHECKING:
    from markdown_it.token import Token

MAX_INLINE_BODY = 8_000  # characters of one comment of a review
MAX_MESSAGE = 10_000  # characters of a commit message
_SIMULATED = "**Simulated: no model is behind this.**"

_TAG = re.compile(r"<(?=[A-Za-z/])")
_PICTURE = re.compile(r"!(?=\[)")
_COMMAND = re.compile(r"^(\s*(?:>\s*)*)/(?=[a-z])")
_CLOSING = re.compile(
    r"(?i)\b(close[sd]?|fix(?:e[sd])?|resolve[sd]?)(:?\s+)"
    r"(?:https?://\S{1,200}/(?:issues|pull)/|(?:[\w.-]{1,100}/[\w.-]{1,100})?#|GH-)(?=\d)"
)


def publishable(proposal: Proposal) -> Proposal:
    """The proposal with texts that a forge can show; a simulated one says so.

    Raises:
        UnavailableError: a patch holds what looks like a secret, which can't be taken out of it.
    """
    title = _line(proposal.title, MAX_TITLE)
    body = markdown(proposal.body)
    if proposal.title.startswith(SIMULATED):  # of most types the forge shows no title
        body = f"{_SIMULATED}\n\n{body}"
    if proposal.type == "pull_request":
        title, body = unlinked(title), unlinked(body)
    return msgspec.structs.replace(
        proposal,
        title=title or "(no title)",
        body=body,
        payload=None if proposal.payload is None else _payload(proposal.payload),
    )


def markdown(text: str, limit: int = MAX_BODY) -> str:
    """`text` for a forge's Markdown: no HTML, no pictures, no commands, and no code block left open."""
    shown = for_forge(text, limit)
    for _ in range(3):
        code = _code_lines(shown)
        lines = shown.split("\n")
        changed = "\n".join(line if number in code else _inert(line) for number, line in enumerate(lines))
        if changed == shown:
            break
        shown = changed  # without HTML, other lines may be code
    else:
        shown = "\n".join(map(_inert, shown.split("\n")))
    return _closed(shown)


def unlinked(text: str) -> str:
    """`text` without phrases that close an issue when it is merged."""
    return _CLOSING.sub(r"\1\2issue ", text)


def _payload(payload: Payload) -> Payload:
    match payload:
        case Review():
            comments = tuple(
                msgspec.structs.replace(one, body=markdown(one.body, MAX_INLINE_BODY))
                for one in payload.comments
            )
            return msgspec.structs.replace(payload, comments=comments)
        case PullRequest():
            for one in payload.commits:
                _require_no_secret(one.patch)
            commits = tuple(
                msgspec.structs.replace(one, message=unlinked(_plain(one.message, MAX_MESSAGE)))
                for one in payload.commits
            )
            return msgspec.structs.replace(payload, commits=commits)
        case CheckRun():
            annotations = tuple(
                msgspec.structs.replace(one, message=_plain(one.message, MAX_INLINE_BODY))
                for one in payload.annotations
            )
            return msgspec.structs.replace(payload, name=_line(payload.name, 100), annotations=annotations)
        case Sarif():
            return msgspec.structs.replace(payload, document=redact(payload.document))
        case Advisory():
            return msgspec.structs.replace(
                payload,
                package=_line(payload.package, 200),
                vulnerable_versions=_line(payload.vulnerable_versions, 200),
            )
        case _:
            return payload


def _require_no_secret(patch: str) -> None:
    added = "\n".join(line[1:] if line.startswith("+") else "" for line in patch.split("\n"))
    found = find_secrets(added)
    if found:
        raise UnavailableError(
            f"the patch holds what looks like a secret: {found[0].title} ({found[0].redacted})",
            "Take it out by hand; nothing was sent.",
        )


def _line(text: str, limit: int) -> str:
    return _inert(" ".join(for_forge(text, limit).split()))


def _plain(text: str, limit: int) -> str:
    """Text that is no Markdown, and may be taken for it."""
    return "\n".join(map(_inert, for_forge(text, limit).split("\n")))


def _inert(line: str) -> str:
    line = _TAG.sub("＜", line)
    line = _PICTURE.sub("&#33;", line)
    return _COMMAND.sub(r"\1&#47;", line)


def _code_lines(text: str) -> frozenset[int]:
    """The lines (from 0) that are inside of code blocks, their fences not among them."""
    if "```" not in text and "~~~" not in text:
        return frozenset()  # an indented block is not worth the doubt
    return frozenset(
        number
        for token in _parsed(text)
        if token.type == "fence" and token.map is not None
        for number in range(token.map[0] + 1, token.map[1])
    )


def _closed(text: str) -> str:
    """`text` with its last code block closed, if it is open: what follows is ours."""
    if "```" not in text and "~~~" not in text:
        return text
    lines = text.rstrip("\n").split("\n")
    last = next((one for one in reversed(_parsed(text)) if one.level == 0), None)
    if last is None or last.type != "fence" or last.map is None:
        return text
    end = lines[-1].strip()
    if last.map[0] < len(lines) - 1 and end.startswith(last.markup) and set(end) == {last.markup[0]}:
        return text
    return "\n".join([*lines, last.markup]) + "\n"


def _parsed(text: str) -> list[Token]:
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark").enable("table").parse(text)

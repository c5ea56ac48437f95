"""Agents' answers: what jobs need to check them by code, whatever they asked.

For the jobs here and for third parties'. An answer obeys its schema in form only: each of its values is still
what somebody wrote.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from hundredfold.errors import RepositoryError
from hundredfold.evidence.quotes import Quoted, verify
from hundredfold.evidence.secrets import redact
from hundredfold.vocabulary import Answer, Evidence

if TYPE_CHECKING:
    from hundredfold.sources.git import Repository

MAX_REASON = 300  # characters of why there is no answer

ReadFile = Callable[[str, str], bytes | None]
"""(revision, path) → the file's bytes; None if there is no such file or it can't be read."""


def reader(repository: Repository) -> ReadFile:
    """Reads files of a repository."""

    def read(revision: str, path: str) -> bytes | None:
        try:
            content: bytes = repository.file(revision, path)
        except RepositoryError:
            return None
        return content

    return read


def quoted(content: bytes, start: int, end: int, quote: str) -> Quoted | str:
    """Where a quote stands, or why it does not: in the file, or in what a prompt showed of it.

    Prompts show files with secrets taken out, which keeps the numbers of lines. The text that is given back
    is the file's own: redact it before it is stored.
    """
    found = verify(content, start, end, quote)
    if isinstance(found, Quoted) or "[redacted " not in quote:
        return found
    text = content.decode("utf-8", "replace").replace("\r\n", "\n")
    shown = verify(redact(text).encode("utf-8", "replace"), start, end, quote)
    if not isinstance(shown, Quoted):
        return found
    lines = text.split("\n")[shown.start_line - 1 : shown.end_line]
    return Quoted(shown.start_line, shown.end_line, "\n".join(lines))


def placed(one: Any, revision: str, read: ReadFile) -> Evidence | str:
    """The place that an object {path, start_line, end_line, quote} names, or why there is none.

    The lines are verbatim, not redacted: redact them before they are stored.
    """
    if not isinstance(one, dict):
        return "not a place"
    path, start, end, quote = (one.get(key) for key in ("path", "start_line", "end_line", "quote"))
    if not (isinstance(path, str) and isinstance(start, int) and isinstance(end, int)):
        return "not a place"
    content = read(revision, path)
    if content is None:
        return "path is not in the commit"
    found = quoted(content, start, end, quote if isinstance(quote, str) else "")
    if not isinstance(found, Quoted):
        return found
    return Evidence(path, revision, found.start_line, found.end_line, found.text)


def share(value: Any) -> float:
    """A confidence between 0 and 1; what is no number counts as none."""
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
        return 0.0
    return min(1.0, max(0.0, float(value)))


def plain(value: Any, most: int) -> str:
    """A free text without secrets, at most so many characters of it; "" if it is no text."""
    return redact(value)[:most].strip() if isinstance(value, str) else ""


def why_none(answer: Answer, key: str) -> str:
    """Why an answer is none, in a line: what it says under `key`, or how the attempt ended."""
    if answer.status == "ok" and answer.value is not None:
        return " ".join(str(answer.value.get(key) or "the agent gave no reason").split())[:MAX_REASON]
    return f"{answer.status}: {' '.join(answer.error.split())[:MAX_REASON]}"

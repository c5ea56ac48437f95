"""What must still hold in the live repository when a proposal is applied.

A precondition is a key and a text value; a key may end in `:name` so that one proposal can hold several:

- `commit`: the sha is still there
- `head`: HEAD is still at that sha; `head:BRANCH`: that branch is
- `quote`, `quote:N`: the quoted lines are still somewhere in that file at HEAD (see `quote_precondition`)

Those of an issue or pull request on a hosted forge are in `forges.subject`; that forge reads them live. Any
other key is refused: what can't be checked does not hold.
"""

from __future__ import annotations

import hashlib
from typing import Protocol

from hundredfold.errors import RepositoryError
from hundredfold.forges.protocol import Stale
from hundredfold.forges.subject import KINDS as SUBJECT_KINDS

MAX_FILE_BYTES = 8 * 1024 * 1024


class LiveRepository(Protocol):
    """What is read of the live repository; `sources.git.Repository` does."""

    def resolve(self, revision: str) -> str:
        """The full sha of a revision."""
        ...

    def file(self, sha: str, path: str) -> bytes:
        """The bytes of a file at a commit."""
        ...


def quote_precondition(path: str, quote: bytes | str) -> str:
    """The value of a `quote` precondition: the quote's digest, its number of lines and its path.

    The text itself is not kept (it may hold a secret). Blanks around and within lines do not count, so
    re-indented code still matches; empty lines do count.
    """
    lines = _lines(quote.encode("utf-8", "surrogateescape") if isinstance(quote, str) else quote)
    return f"{_digest(lines)}:{len(lines)}:{path}"


def require(preconditions: dict[str, str], repository: LiveRepository) -> None:
    """Check every precondition against the live repository, but those that are of a forge's subject.

    Raises:
        Stale: one no longer holds, or is of an unknown kind; the message says which and what is there now.
    """
    for key in sorted(preconditions):
        kind, _, name = key.partition(":")
        value = preconditions[key]
        if kind == "commit":
            _require_commit(value, repository)
        elif kind == "head":
            _require_head(name or "HEAD", value, repository)
        elif kind == "quote":
            _require_quote(value, repository)
        elif kind not in SUBJECT_KINDS:
            raise Stale(f"the precondition {key!r} is of a kind this forge can't check")


def _resolved(revision: str, repository: LiveRepository) -> str | None:
    try:
        return repository.resolve(revision)
    except RepositoryError:
        return None


def _require_commit(sha: str, repository: LiveRepository) -> None:
    if _resolved(sha, repository) != sha:
        raise Stale(f"the commit {sha[:12]} is no longer in the repository")


def _require_head(branch: str, sha: str, repository: LiveRepository) -> None:
    now = _resolved(branch if branch == "HEAD" else f"refs/heads/{branch}", repository)
    if now != sha:
        raise Stale(f"{branch} was at {sha[:12]} and is now {f'at {now[:12]}' if now else 'gone'}")


def _require_quote(value: str, repository: LiveRepository) -> None:
    expected, _, rest = value.partition(":")
    count_text, _, path = rest.partition(":")
    if not count_text.isdecimal() or not path:
        raise Stale(f"the quote precondition {value[:80]!r} can't be read")
    count = int(count_text)
    head = _resolved("HEAD", repository)
    if head is None:
        raise Stale("HEAD is gone")
    try:
        content = repository.file(head, path)
    except RepositoryError as error:
        raise Stale(f"{path!r} can't be read at HEAD: {error}") from error
    if len(content) > MAX_FILE_BYTES:
        raise Stale(f"{path!r} is now larger than {MAX_FILE_BYTES} bytes")
    lines = _lines(content)
    if not any(_digest(lines[at : at + count]) == expected for at in range(len(lines) - count + 1)):
        raise Stale(f"the quoted code is no longer in {path!r} at HEAD ({head[:12]})")


def _lines(content: bytes) -> list[bytes]:
    return [b" ".join(line.split()) for line in content.rstrip(b"\r\n").split(b"\n")]


def _digest(lines: list[bytes]) -> str:
    return hashlib.sha256(b"\n".join(lines)).hexdigest()

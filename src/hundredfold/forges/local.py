"""The local forge: an applied proposal is a Markdown file in a folder of this machine, and nothing leaves it.

Private proposals go to `private/`, others to `shared/`; a file is named by the proposal's id, so no text from
outside becomes a path. Its front matter (one JSON value a line, which YAML reads too) ends with a seal, the
digest of the rest: a file whose seal holds is as it was written, and only such a file is ever removed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from hundredfold import payloads
from hundredfold.errors import StorageError, UnavailableError
from hundredfold.forges.folder import Folder
from hundredfold.forges.preconditions import LiveRepository, require
from hundredfold.forges.protocol import NONE, History
from hundredfold.forges.subject import Touch
from hundredfold.store.database import now_us
from hundredfold.vocabulary import Proposal, Receipt, digest

TYPES = frozenset(payloads.TYPES)
_PROPOSAL_ID = re.compile(r"p-[0-9a-f]{12}")


class LocalForge:
    """Implements `forges.protocol.Forge` on a folder.

    Args:
        folder: where the files go; made when it is first needed, 0700.
        repository: the live repository that preconditions are checked against.
        by: the person who applies, named in the files.
        clock: UTC microseconds.
    """

    name = "local"

    def __init__(
        self, folder: Path, repository: LiveRepository, *, by: str, clock: Callable[[], int] = now_us
    ) -> None:
        self.folder = folder
        self._repository = repository
        self._by = by
        self._clock = clock

    def types(self) -> frozenset[str]:
        """All of them: what would be done elsewhere is written down here."""
        return TYPES

    def preview(self, proposal: Proposal, key: str, ours: Sequence[Touch] = ()) -> list[str]:
        """The file that would be written."""
        require(proposal.preconditions, self._repository)
        part = "private" if proposal.private else "shared"
        content = self._rendered(proposal, key).decode()
        return [f"write {self.folder / part / proposal.id}.md\n{content}"]

    def apply(self, proposal: Proposal, key: str, history: History = NONE) -> Receipt:
        """Write the proposal's file, unless it is there already.

        Raises:
            Stale: a precondition no longer holds; nothing was written.
            UnavailableError: the type is not one of `types()`.
            StorageError: the disk refuses, or a file that a person changed is in the way.
        """
        if proposal.type not in TYPES:
            raise UnavailableError(
                f"the local forge can't apply a proposal of type {proposal.type!r}",
                f"It knows {', '.join(sorted(TYPES))}.",
            )
        assert _PROPOSAL_ID.fullmatch(proposal.id), f"{proposal.id!r} is no proposal id"
        part, name = "private" if proposal.private else "shared", f"{proposal.id}.md"
        folder = Folder(self.folder / part)
        there = folder.read(name)
        if there is not None and not (_sealed(there) and _key_line(key) in there):
            raise StorageError(
                f"{folder.path / name} is there already and is not as it was written",
                "Move it elsewhere if you want to keep it, then approve the proposal again.",
            )
        if there is None:
            require(proposal.preconditions, self._repository)
            there = self._rendered(proposal, key)
            folder.write(name, there)
        return Receipt(
            location=str(folder.path / name), undo={"part": part, "name": name, "digest": digest(there)}
        )

    def undo(self, receipt: Receipt, key: str) -> str:
        """Remove the file if it is as it was written; else leave it, and say so. Idempotent.

        Raises:
            StorageError: the disk refuses; undoing again is safe.
        """
        folder, name = Folder(self.folder / receipt.undo["part"]), receipt.undo["name"]
        there = folder.read(name)
        if there is not None and digest(there) != receipt.undo["digest"]:
            return f"{folder.path / name} was changed after it was applied, and stays"
        folder.remove(name)
        return ""

    def abandon(self, begun: Mapping[str, Any], key: str) -> str:
        """Nothing: a file is there whole, or not at all."""
        return ""

    def refresh(self, receipt: Receipt, key: str) -> Receipt | None:
        """Nothing: a file says of which commit it is."""
        return None

    def close(self) -> None:
        """Nothing is held."""

    def _rendered(self, proposal: Proposal, key: str) -> bytes:
        at = datetime.fromtimestamp(self._clock() / 1e6, UTC).isoformat(timespec="seconds")
        fields: dict[str, object] = {
            "key": key,
            "id": proposal.id,
            "type": proposal.type,
            "title": proposal.title,
            "project": proposal.project,
            "job": proposal.job,
            "item": proposal.item,
            "findings": proposal.findings,
            "payload": proposal.payload,
            "applied_by": self._by,
            "at": at,
        }
        head = b"".join(_line(name, value) for name, value in fields.items())
        body = f"# {proposal.title}\n\n{proposal.body.rstrip()}\n".encode()
        return b"---\n" + head + _seal(head, body) + b"---\n\n" + body


def _line(name: str, value: object) -> bytes:
    return name.encode() + b": " + msgspec.json.encode(value) + b"\n"


def _key_line(key: str) -> bytes:
    return b"---\n" + _line("key", key)


def _seal(head: bytes, body: bytes) -> bytes:
    return _line("seal", digest(head, body))


def _sealed(content: bytes) -> bool:
    """Whether the seal in the content holds. No field spans a line, so the first fence ends the head."""
    front, fence, body = content.removeprefix(b"---\n").partition(b"---\n\n")
    head, _, last = front.rstrip(b"\n").rpartition(b"\n")
    head += b"\n"
    return bool(fence) and content.startswith(b"---\n") and last + b"\n" == _seal(head, body)

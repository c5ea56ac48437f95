"""Applying approved notices: into the outbox, which delivers them. Everything else is another forge's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hundredfold.forges.preconditions import LiveRepository, require
from hundredfold.forges.protocol import NONE, Forge, History
from hundredfold.forges.subject import Touch
from hundredfold.notices.delivery import CHANNEL
from hundredfold.payloads import Notice
from hundredfold.store import notices
from hundredfold.store.database import Database
from hundredfold.store.notices import Told
from hundredfold.vocabulary import SIMULATED, Proposal, Receipt


class WithNotices:
    """Implements `forges.protocol.Forge`: notices go to the project's chat, the rest to `forge`.

    Undoing a notice withdraws it: what still waits is not sent, what was sent is deleted.
    """

    def __init__(self, forge: Forge, database: Database, project: str, repository: LiveRepository) -> None:
        self.name = forge.name
        self._forge = forge
        self._database = database
        self._project = project
        self._repository = repository

    def types(self) -> frozenset[str]:
        """The other forge's, and notices."""
        return self._forge.types() | {"notice"}

    def preview(self, proposal: Proposal, key: str, ours: Sequence[Touch] = ()) -> list[str]:
        """See `forges.protocol.Forge.preview`."""
        if not _told_by_chat(proposal):
            return self._forge.preview(proposal, key, ours)
        require(proposal.preconditions, self._repository)
        return [f"tell {CHANNEL}: {proposal.title}"]

    def apply(self, proposal: Proposal, key: str, history: History = NONE) -> Receipt:
        """See `forges.protocol.Forge.apply`."""
        if not _told_by_chat(proposal):
            return self._forge.apply(proposal, key, history)
        require(proposal.preconditions, self._repository)
        picture = proposal.payload.picture if isinstance(proposal.payload, Notice) else ""
        told = Told(
            title=proposal.title,
            body=proposal.body,
            picture=picture,
            simulated=proposal.title.startswith(SIMULATED),
        )
        notice = notices.put(self._database, self._project, CHANNEL, "notice", told, key=key)
        return Receipt(location=f"{CHANNEL} (outbox {notice})", undo={"notice": notice})

    def undo(self, receipt: Receipt, key: str) -> str:
        """See `forges.protocol.Forge.undo`."""
        if "notice" not in receipt.undo:
            return self._forge.undo(receipt, key)
        state = notices.withdraw(self._database, str(receipt.undo["notice"]))
        return "whoever read it has read it; its message is being deleted" if state == "withdrawing" else ""

    def abandon(self, begun: Mapping[str, Any], key: str) -> str:
        """See `forges.protocol.Forge.abandon`. A notice is put into the outbox at once or not at all."""
        return self._forge.abandon(begun, key)

    def refresh(self, receipt: Receipt, key: str) -> Receipt | None:
        """See `forges.protocol.Forge.refresh`. What was told stays told."""
        return None if "notice" in receipt.undo else self._forge.refresh(receipt, key)


def _told_by_chat(proposal: Proposal) -> bool:
    return proposal.type == "notice" and not proposal.private

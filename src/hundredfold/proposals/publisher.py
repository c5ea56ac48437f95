"""Applies approved proposals exactly once, and takes applied ones back.

An action is recorded as intended, then the forge applies it under the action's id, then it is recorded as
applied. A kill between any two leaves an approved proposal; the next call applies it again under the same id,
which a forge answers with what is there already. One publisher works on a project at a time, so an undo and
a late second apply can't cross.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Literal

from msgspec import Struct

from hundredfold.errors import HundredfoldError, UnavailableError
from hundredfold.forges.protocol import Forge, Stale
from hundredfold.proposals.decide import checked_name
from hundredfold.proposals.sanitise import publishable
from hundredfold.store import actions, proposals
from hundredfold.store.database import Database
from hundredfold.store.locks import held
from hundredfold.store.proposals import ProposalRow
from hundredfold.vocabulary import Proposal

Result = Literal["applied", "stale", "failed", "undone", "unchanged"]


class Published(Struct, frozen=True):
    """What became of one proposal.

    `detail` is where it is now (applied), why not (stale, failed), what residue stays (undone), or why there
    was nothing to do (unchanged).
    """

    proposal: str
    result: Result
    detail: str


def _nothing(_: Published) -> None:
    """Where nobody follows the progress."""


class Publisher:
    """Publishes one project's proposals to one forge, on behalf of `by`.

    Raises:
        ConfigError: `by` is no name.
    """

    def __init__(self, database: Database, project: str, forge: Forge, *, by: str) -> None:
        self.database = database
        self.project = project
        self.forge = forge
        self.by = checked_name(by)

    def publish(self, tell: Callable[[Published], None] = _nothing) -> list[Published]:
        """Apply every approved proposal of the project, those a killed publisher left included.

        Raises:
            ProjectBusy: another publisher is at work; what is approved stays approved.
            StorageError: the database refused; calling again is safe.
        """
        with self._alone():
            waiting = proposals.of_project(self.database, self.project, states=("approved",))
            return [_told(self._apply(row), tell) for row in waiting]

    def undo(self, wanted: Sequence[str], tell: Callable[[Published], None] = _nothing) -> list[Published]:
        """Take these proposals' actions back, newest first. What can't be taken back now stays applied
        and is tried again by the next call.

        Raises:
            ProjectBusy, StorageError: as for `publish`.
        """
        with self._alone():
            known = actions.of_proposals(self.database, wanted)
            newest_first = sorted(dict.fromkeys(wanted), key=lambda one: -_at(known.get(one)))
            return [_told(self._undo(one, known.get(one)), tell) for one in newest_first]

    def batch(self, run: str) -> list[str]:
        """The applied proposals that a run made."""
        rows = proposals.of_project(self.database, self.project, run=run, states=("applied",))
        return [row.proposal.id for row in rows]

    def _alone(self) -> AbstractContextManager[None]:
        return held(self.database, f"publisher:{self.project}", what="another publisher of this project")

    def _apply(self, row: ProposalRow) -> Published:
        proposal = row.proposal
        with self.database.write() as connection:
            key = actions.intend(connection, self.database, proposal.id, self.forge.name, self.by)
        try:
            _require_allowed(proposal, self.forge)
            receipt = self.forge.apply(publishable(proposal), key)
        except Stale as stale:
            return self._not_applied(proposal.id, key, "stale", str(stale))
        except HundredfoldError as error:
            return self._not_applied(proposal.id, key, "failed", _clear(error))
        with self.database.write() as connection:
            actions.applied(connection, key, receipt)
            proposals.move(connection, proposal.id, ("approved",), "applied")
        return Published(proposal.id, "applied", receipt.location)

    def _not_applied(
        self, proposal: str, key: str, result: Literal["stale", "failed"], reason: str
    ) -> Published:
        with self.database.write() as connection:
            actions.failed(connection, key, reason)
            proposals.move(connection, proposal, ("approved",), result)
        return Published(proposal, result, reason)

    def _undo(self, proposal: str, action: actions.ActionRow | None) -> Published:
        if action is None or action.state != "applied" or action.receipt is None:
            why = (
                f"undone by {action.undone_by} already"
                if action and action.state == "undone"
                else "not applied"
            )
            return Published(proposal, "unchanged", why)
        if action.forge != self.forge.name:
            return Published(proposal, "failed", f"it was applied to the forge {action.forge!r}")
        try:
            residue = self.forge.undo(action.receipt, action.id)
        except HundredfoldError as error:
            return Published(proposal, "failed", _clear(error))
        with self.database.write() as connection:
            actions.undone(connection, action.id, self.by, residue)
            proposals.move(connection, proposal, ("applied",), "undone")
        return Published(proposal, "undone", residue)


def _require_allowed(proposal: Proposal, forge: Forge) -> None:
    """A private proposal leaves the machine as a private advisory or not at all.

    Raises:
        UnavailableError: the forge can't take it.
    """
    if proposal.type not in forge.types():
        raise UnavailableError(
            f"the forge {forge.name!r} has no proposals of type {proposal.type!r}",
            f"It knows {', '.join(sorted(forge.types()))}",
        )
    if proposal.private and forge.name != "local" and proposal.type != "advisory":
        raise UnavailableError(
            f"the proposal is private and {forge.name!r} would show it to others",
            "Publish it as an advisory, or to the local forge",
        )


def _told(one: Published, tell: Callable[[Published], None]) -> Published:
    tell(one)
    return one


def _at(action: actions.ActionRow | None) -> int:
    return action.at_us if action else 0


def _clear(error: HundredfoldError) -> str:
    return f"{error} → {error.mend}" if error.mend else str(error)

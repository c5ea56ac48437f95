"""Applies approved proposals exactly once, and takes applied ones back.

An action is recorded as intended, then the forge applies it under the action's id and keeps how far it
came, then it is recorded as applied. A kill between any two leaves an approved proposal; the next call goes
on with it under the same id. One publisher works on a project at a time, so an undo and a late second apply
can't cross.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Literal

import msgspec
from msgspec import Struct

from hundredfold.errors import HundredfoldError, UnavailableError
from hundredfold.forges.protocol import Forge, History, NotNow, Stale
from hundredfold.forges.subject import Touch
from hundredfold.payloads import target_of
from hundredfold.proposals.decide import checked_name
from hundredfold.proposals.outgoing import publishable
from hundredfold.settings import PublishSettings
from hundredfold.store import actions, items, proposals
from hundredfold.store.database import Database, now_us
from hundredfold.store.locks import held
from hundredfold.store.proposals import ProposalRow
from hundredfold.vocabulary import Limit, Proposal, Receipt

REFRESH_DAYS, REFRESHED = 30, 300  # a verdict that is looked at costs a request

_LABELS = "labels"  # applied last: some go with a closing (`Publisher._require_company`)

Result = Literal["applied", "stale", "failed", "undone", "unchanged", "held"]

#: most actions of a type on a UTC day
LIMITS: Mapping[str, int] = {
    "comment": 500,
    "review": 300,
    "labels": 500,
    "issue": 50,
    "close": 200,
    "pull_request": 20,
    "check_run": 500,
    "sarif": 50,
    "notice": 100,
    "advisory": 50,
}


def limits_of(settings: PublishSettings) -> dict[str, int]:
    """The limits in force: `LIMITS`, with what the settings say otherwise."""
    return {**LIMITS, **settings.limits}


class Published(Struct, frozen=True):
    """What became of one proposal.

    `detail` is where it is now (applied), why not (stale, failed), what residue stays (undone), why there was
    nothing to do (unchanged), or what it waits for (held: it stays approved).
    """

    proposal: str
    result: Result
    detail: str


def _nothing(_: Published) -> None:
    """Where nobody follows the progress."""


class Publisher:
    """Publishes one project's proposals to one forge, on behalf of `by`.

    Args:
        limits: most actions of a type on a UTC day.

    Raises:
        ConfigError: `by` is no name.
    """

    def __init__(
        self, database: Database, project: str, forge: Forge, *, by: str, limits: Mapping[str, int] = LIMITS
    ) -> None:
        self.database = database
        self.project = project
        self.forge = forge
        self.by = checked_name(by)
        self._limits = limits

    def publish(self, tell: Callable[[Published], None] = _nothing) -> list[Published]:
        """Apply every approved proposal of the project, those a killed publisher left first. If the forge
        takes nothing now, the one it refused is told as held, with how many others wait; it and the rest stay
        approved.

        Raises:
            ProjectBusy: another publisher is at work; what is approved stays approved.
            StorageError: the database refused; calling again is safe.
        """
        with self._alone():
            waiting = proposals.of_project(self.database, self.project, states=("approved",))
            if not waiting:
                return []
            known = actions.of_project(self.database, self.project)
            begun = {
                one.proposal: one for one in known if one.progress and one.state in ("intended", "failed")
            }
            ours = [touch for one in known if one.state == "applied" for touch in _touches(one.receipt)]
            left = self._left()
            done = []
            ordered = sorted(
                waiting, key=lambda one: (one.proposal.id not in begun, one.proposal.type == _LABELS)
            )
            for at, row in enumerate(ordered, 1):
                try:
                    one = self._within(row, left) or self._apply(row, begun.get(row.proposal.id), ours)
                except NotNow as error:
                    why = _with_others(error.whole, len(ordered) - at)
                    done.append(_told(Published(row.proposal.id, "held", why), tell))
                    break
                done.append(_told(one, tell))
            return done

    def preview(self, wanted: Sequence[str]) -> list[tuple[str, list[str]]]:
        """What applying these proposals would do now, exactly, one text a call; nothing is changed. What
        can't be applied says why instead."""
        known = actions.of_project(self.database, self.project)
        ours = [touch for one in known if one.state == "applied" for touch in _touches(one.receipt)]
        shown = []
        for row in proposals.of_project(self.database, self.project):
            if row.proposal.id not in wanted:
                continue
            key = actions.action_id(row.proposal.id)
            try:
                _require_allowed(row.proposal, self.forge)
                calls = self.forge.preview(publishable(row.proposal), key, ours)
            except Stale as stale:
                calls = [f"refused as stale: {stale}"]
            except HundredfoldError as error:
                calls = [f"refused: {error.whole}"]
            shown.append((row.proposal.id, calls))
        return shown

    def undo(self, wanted: Sequence[str], tell: Callable[[Published], None] = _nothing) -> list[Published]:
        """Take these proposals' actions back, newest first, those that failed half done too. What can't be
        taken back now stays as it is and is tried again by the next call.

        Raises:
            ProjectBusy, StorageError: as for `publish`.
        """
        with self._alone():
            known = actions.of_proposals(self.database, wanted)
            newest_first = sorted(dict.fromkeys(wanted), key=lambda one: -_at(known.get(one)))
            done = []
            for at, proposal in enumerate(newest_first, 1):
                try:
                    done.append(_told(self._undo(proposal, known.get(proposal)), tell))
                except NotNow as error:
                    why = _with_others(error.whole, len(newest_first) - at)
                    done.append(_told(Published(proposal, "failed", why), tell))
                    break
            return done

    def batch(self, run: str = "", *, job: str = "", day: str = "") -> list[str]:
        """The proposals with something to take back: of a run, of a job, applied on a UTC day
        (2026-01-31)."""
        rows = proposals.of_project(self.database, self.project, run=run or None, job=job or None)
        known = actions.of_proposals(self.database, [row.proposal.id for row in rows])
        return [
            row.proposal.id
            for row in rows
            if (one := known.get(row.proposal.id)) is not None
            and (one.state == "applied" or (one.state == "failed" and one.progress))
            and (not day or _day(one.at_us) == day)
        ]

    def refresh(self) -> list[str]:
        """Mark applied verdicts on heads that have moved since as outdated, the newest `REFRESHED` of the
        last `REFRESH_DAYS`; the proposals whose texts changed. What can't be marked now is left for the
        next call."""
        marked = []
        since = now_us() - REFRESH_DAYS * 86_400_000_000
        with self._alone():
            applied = [
                one
                for one in actions.of_project(self.database, self.project)
                if one.state == "applied" and one.forge == self.forge.name and one.at_us >= since
            ]
            for one in applied[-REFRESHED:]:
                if one.receipt is None:
                    continue
                try:
                    now = self.forge.refresh(one.receipt, one.id)
                except NotNow:
                    break
                except HundredfoldError:
                    continue
                if now is not None:
                    with self.database.write() as connection:
                        actions.revised(connection, one.id, now)
                    marked.append(one.proposal)
        return marked

    def _alone(self) -> AbstractContextManager[None]:
        return held(self.database, f"publisher:{self.project}", what="another publisher of this project")

    def _left(self) -> dict[str, int]:
        """How many more actions of each type this UTC day may have."""
        today = Limit("", "day", 0).period_start_us(now_us())
        used = actions.applied_since(self.database, self.project, today)
        return {type_: most - used.get(type_, 0) for type_, most in self._limits.items()}

    def _within(self, row: ProposalRow, left: dict[str, int]) -> Published | None:
        """Count the proposal against its type's limit; what it is told if there is none left."""
        type_ = row.proposal.type
        if type_ not in left:
            return None
        if left[type_] > 0:
            left[type_] -= 1
            return None
        why = f"the limit of {self._limits[type_]} a day for {type_} is used up; it goes on after 00:00 UTC"
        return Published(row.proposal.id, "held", why)

    def _apply(self, row: ProposalRow, begun: actions.ActionRow | None, ours: list[Touch]) -> Published:
        proposal = row.proposal
        with self.database.write() as connection:
            key = actions.intend(connection, self.database, proposal.id, self.forge.name, self.by)

        def keep(progress: Mapping[str, Any]) -> None:
            with self.database.write() as connection:
                actions.progressed(connection, key, progress)

        try:
            _require_allowed(proposal, self.forge)
            if begun is None:
                self._require_company(proposal)
            if begun is not None and begun.forge != self.forge.name:
                raise UnavailableError(
                    f"it was begun on the forge {begun.forge!r}", "Undo it there first: set [forge] back."
                )
            history = History(begun.progress if begun else None, keep, ours)
            receipt = self.forge.apply(publishable(proposal), key, history)
        except NotNow:
            raise
        except Stale as stale:
            return self._not_applied(proposal, key, "stale", str(stale))
        except HundredfoldError as error:
            return self._not_applied(proposal, key, "failed", error.whole)
        with self.database.write() as connection:
            actions.applied(connection, key, receipt)
            proposals.move(connection, proposal.id, ("approved",), "applied")
        ours += _touches(receipt)
        return Published(proposal.id, "applied", receipt.location)

    def _require_company(self, proposal: Proposal) -> None:
        """A label that goes with a closing says nothing true of what stayed open.

        Raises:
            Stale: the closing of the same issue for the same reason went stale.
        """
        if proposal.type != _LABELS:
            return
        number = target_of(proposal.payload)
        stale = proposals.of_project(
            self.database, self.project, states=("stale",), type_="close", item=proposal.item
        )
        gone = [row.proposal.id for row in stale if target_of(row.proposal.payload) == number]
        for action in actions.of_proposals(self.database, gone).values():
            raise Stale(f"it goes with closing #{number}, which went stale: {action.error}")

    def _not_applied(
        self, proposal: Proposal, key: str, result: Literal["stale", "failed"], reason: str
    ) -> Published:
        with self.database.write() as connection:
            actions.failed(connection, key, reason)
            proposals.move(connection, proposal.id, ("approved",), result)
            if result == "stale":
                items.look_again(connection, proposal.item, f"a proposal of it went stale: {reason}")
        return Published(proposal.id, result, reason)

    def _undo(self, proposal: str, action: actions.ActionRow | None) -> Published:
        half_done = action is not None and action.state == "failed" and bool(action.progress)
        if action is None or not (half_done or (action.state == "applied" and action.receipt)):
            why = (
                f"undone by {action.undone_by} already"
                if action and action.state == "undone"
                else "not applied"
            )
            return Published(proposal, "unchanged", why)
        if action.forge != self.forge.name:
            return Published(proposal, "failed", f"it was applied to the forge {action.forge!r}")
        try:
            if action.receipt is not None:
                residue = self.forge.undo(action.receipt, action.id)
            else:
                residue = self.forge.abandon(action.progress or {}, action.id)
        except NotNow:
            raise
        except HundredfoldError as error:
            return Published(proposal, "failed", error.whole)
        with self.database.write() as connection:
            actions.undone(connection, action.id, self.by, residue)
            proposals.move(connection, proposal, ("applied", "failed"), "undone")
        return Published(proposal, "undone", residue)


def _touches(receipt: Receipt | None) -> list[Touch]:
    return msgspec.convert((receipt.undo if receipt else {}).get("touches", []), list[Touch])


def _day(at_us: int) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(at_us / 1e6, UTC).strftime("%Y-%m-%d")


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


def _with_others(why: str, others: int) -> str:
    """Why the forge takes nothing now, and how many more it was to take."""
    if not others:
        return why
    return f"{why.rstrip('.')}; {others:,} more {'wait' if others > 1 else 'waits'}, too"


def _at(action: actions.ActionRow | None) -> int:
    return action.at_us if action else 0

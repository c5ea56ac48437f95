"""Approving and rejecting, by a named person. Whoever is first decides; the second is told who was.

Failed, stale and undone proposals can be decided again: the publisher re-reads the live state anyway.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

import sqlalchemy as sa
from msgspec import Struct

from hundredfold.errors import ConfigError
from hundredfold.proposals.attention import seconds_open
from hundredfold.proposals.sanitise import for_terminal
from hundredfold.store import proposals
from hundredfold.store.database import Database, now_us
from hundredfold.store.tables.record import decisions
from hundredfold.store.tables.record import proposals as proposals_table
from hundredfold.vocabulary import Decision, ProposalState

Verdict = Literal["approve", "reject"]
POLICY = "policy:"  # begins what a policy's decisions are signed with
MAX_NAME = 100
MAX_REASON = 4000

_FROM: dict[Verdict, tuple[ProposalState, ...]] = {
    "approve": ("open", "failed", "stale", "undone"),
    "reject": ("open", "failed", "stale"),
}
_TO: dict[Verdict, ProposalState] = {"approve": "approved", "reject": "rejected"}


class Decided(Struct, frozen=True):
    """What came of one person's verdict on one proposal.

    `result`: done · already (it stood so before) · conflict (it was decided otherwise; nothing was changed).
    """

    proposal: str
    verdict: Verdict
    result: Literal["done", "already", "conflict"]
    message: str
    seconds: float | None = None


def decide(
    database: Database, wanted: Sequence[str], verdict: Verdict, *, by: str, reason: str = ""
) -> list[Decided]:
    """Approve or reject proposals; a decision on one does not depend on the others'.

    Raises:
        ConfigError: no name, no reason for a rejection, or an id that is no proposal (nothing is decided).
    """
    by, reason = checked_name(by), reason.strip()[:MAX_REASON]
    if verdict == "reject" and not reason:
        raise ConfigError(
            "a rejection needs a reason", 'Add --reason "…": it is what the next run learns from.'
        )
    require_known(database, wanted)
    return [_decide(database, one, verdict, by, reason) for one in dict.fromkeys(wanted)]


def decide_by_policy(database: Database, proposal: str, rule: str, reason: str) -> Decided:
    """Approve a proposal in the name of a written rule."""
    return _decide(database, proposal, "approve", POLICY + rule, reason)


def checked_name(by: str) -> str:
    """A person's name as it is recorded and shown.

    Raises:
        ConfigError: it is empty, too long, or a policy's.
    """
    name = for_terminal(by)
    if name.lower().startswith(POLICY):
        raise ConfigError(
            f"{name[:40]!r} is the name of a policy, not of a person",
            "Say --by NAME with a name of your own.",
        )
    if not name or len(name) > MAX_NAME:
        raise ConfigError(
            "every decision bears a name, and none is known"
            if not name
            else f"the name {name[:40]!r}… is too long",
            "Say --by NAME or set it once: git config user.name NAME.",
        )
    return name


def require_known(database: Database, wanted: Iterable[str]) -> None:
    """Check that every id is a proposal's.

    Raises:
        ConfigError: one is not.
    """
    for one in wanted:
        if proposals.find(database, one) is None:
            raise ConfigError(
                f"there is no proposal {for_terminal(one)!r}", "`hundredfold inbox --all` lists them."
            )


def _decide(database: Database, proposal: str, verdict: Verdict, by: str, reason: str) -> Decided:
    at_us = now_us()
    with database.write() as connection:
        if not proposals.move(connection, proposal, _FROM[verdict], _TO[verdict]):
            return _not_decided(connection, proposal, verdict, at_us)
        seconds = seconds_open(connection, proposal, by, at_us)
        proposals.add_decision(connection, Decision(proposal, verdict, by, reason, at_us, seconds))
    return Decided(proposal, verdict, "done", f"{_TO[verdict]} by {by}", seconds)


def _not_decided(connection: sa.Connection, proposal: str, verdict: Verdict, at_us: int) -> Decided:
    state = connection.execute(
        sa.select(proposals_table.c.state).where(proposals_table.c.id == proposal)
    ).scalar_one()
    last = connection.execute(
        sa.select(decisions)
        .where(decisions.c.proposal == proposal)
        .order_by(decisions.c.at_us.desc(), decisions.c.id)
        .limit(1)
    ).one_or_none()
    stands = state == _TO[verdict] or (verdict == "approve" and state == "applied")
    who = f" by {last.by} {_ago(at_us - last.at_us)} ago" if last is not None else ""
    if stands:
        return Decided(proposal, verdict, "already", f"was {_TO[verdict]}{who} already; it is {state}")
    mend = "undo it first" if state == "applied" else "nothing was changed"
    return Decided(proposal, verdict, "conflict", f"was {_past(last)}{who} and is {state}; {mend}")


def _past(last: sa.Row[tuple[object, ...]] | None) -> str:
    return "decided" if last is None else _TO["approve" if last.verdict == "approve" else "reject"]


def _ago(microseconds: int) -> str:
    seconds = max(0, microseconds // 1_000_000)
    for size, unit in ((86_400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"

"""What waits for people: listing, one proposal in full, and how many review minutes it adds up to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct

from hundredfold.proposals.sanitise import block_for_terminal, for_terminal
from hundredfold.proposals.wording import told
from hundredfold.store import actions, findings, items, proposals
from hundredfold.store.actions import ActionRow
from hundredfold.store.database import Database
from hundredfold.store.proposals import ProposalRow
from hundredfold.vocabulary import SEVERITIES, Decision, Finding, Proposal, ProposalState, Severity

#: What a person still has to look at. Failed and stale ones are reported where they are published.
WAITING: tuple[ProposalState, ...] = ("open",)


class Entry(Struct, frozen=True):
    """A proposal as the inbox lists it, safe to print. `severity` is its gravest finding's; `replaced_by` the
    newer proposal about the same that made it stale."""

    id: str
    state: ProposalState
    job: str
    type: str
    title: str
    item: str
    about: str
    severity: Severity | None
    confidence: float | None
    private: bool
    review_minutes: float
    run: str | None
    opened_us: int
    replaced_by: str | None = None


class Detail(Struct, frozen=True):
    """One proposal in full. `does`: what it would do, a paragraph each; `edited_by`: who changed it."""

    entry: Entry
    body: str
    preconditions: dict[str, str]
    findings: tuple[Finding, ...]
    decisions: tuple[Decision, ...]
    action: ActionRow | None
    does: tuple[str, ...] = ()
    edited_by: tuple[str, ...] = ()


def pending_minutes(database: Database, project: str) -> float:
    """The review minutes people are expected to need for what waits in the project's inbox."""
    return proposals.minutes(database, project, WAITING)


def listed(
    database: Database,
    project: str,
    *,
    states: Sequence[str] = WAITING,
    job: str | None = None,
    type_: str | None = None,
    run: str | None = None,
    item: str | None = None,
    severity: Severity | None = None,
) -> list[Entry]:
    """The project's proposals, gravest first, then most certain, then oldest. `severity`: at least that."""
    rows = proposals.of_project(database, project, states=states, job=job, type_=type_, run=run, item=item)
    known = findings.by_id(database, [one for row in rows for one in row.proposal.findings])
    keys = {row.item.id: row.item.title for row in items.of_project(database, project)} if rows else {}
    entries = [_entry(row, _findings(row, known), keys.get(row.proposal.item, "")) for row in rows]
    if severity is not None:
        entries = [one for one in entries if _rank(one.severity) <= _rank(severity)]
    return sorted(entries, key=lambda one: (_rank(one.severity), -(one.confidence or 0.0), one.opened_us))


def surely(
    database: Database,
    project: str,
    *,
    run: str | None = None,
    job: str | None = None,
    type_: str | None = None,
    confidence: float = 0.0,
) -> list[str]:
    """The waiting proposals of a run, a job and a type whose findings are all at least so certain, oldest
    first. Above 0, one without findings is not among them."""
    rows = proposals.of_project(database, project, states=WAITING, run=run, job=job, type_=type_)
    known = findings.by_id(database, [one for row in rows for one in row.proposal.findings])
    return [
        row.proposal.id
        for row in rows
        if min((one.confidence for one in _findings(row, known)), default=0.0) >= confidence
    ]


def detail(database: Database, proposal: str) -> Detail | None:
    """One proposal with its findings, decisions and action."""
    row = proposals.find(database, proposal)
    if row is None:
        return None
    found = _findings(row, findings.by_id(database, row.proposal.findings))
    item = items.find(database, row.proposal.item)
    return Detail(
        entry=_entry(row, found, item.item.title if item else ""),
        body=block_for_terminal(row.proposal.body),
        preconditions=row.proposal.preconditions,
        findings=found,
        decisions=tuple(proposals.decisions_of(database, proposal)),
        action=actions.of_proposal(database, proposal),
        does=tuple(block_for_terminal(one) for one in told(row.proposal.payload)),
        edited_by=tuple(one.by for one in proposals.edits_of(database, proposal)),
    )


def as_json(one: Entry | Detail) -> dict[str, Any]:
    """The entry (or detail) as JSON, without secrets and without bytes that JSON can't hold."""
    made: dict[str, Any] = _safe(msgspec.to_builtins(one))
    return made


def _safe(value: Any) -> Any:
    if isinstance(value, str):
        return block_for_terminal(value) if "\n" in value else for_terminal(value)
    if isinstance(value, dict):
        return {_safe(key): _safe(one) for key, one in value.items()}
    return [_safe(one) for one in value] if isinstance(value, list | tuple) else value


def _findings(row: ProposalRow, known: dict[str, Finding]) -> tuple[Finding, ...]:
    return tuple(known[one] for one in row.proposal.findings if one in known)


def _entry(row: ProposalRow, found: Sequence[Finding], about: str) -> Entry:
    proposal: Proposal = row.proposal
    gravest = min(found, key=lambda one: (_rank(one.severity), -one.confidence), default=None)
    return Entry(
        id=proposal.id,
        state=row.state,
        job=for_terminal(proposal.job),
        type=for_terminal(proposal.type),
        title=for_terminal(proposal.title),
        item=proposal.item,
        about=for_terminal(about),
        severity=gravest.severity if gravest else None,
        confidence=gravest.confidence if gravest else None,
        private=proposal.private,
        review_minutes=proposal.review_minutes,
        run=row.run,
        opened_us=row.opened_us,
        replaced_by=row.replaced_by,
    )


def _rank(severity: Severity | None) -> int:
    return len(SEVERITIES) if severity is None else SEVERITIES.index(severity)

"""What became of a proposal, or of a thing of a repository's past, as a link of `why`'s chain."""

from __future__ import annotations

from typing import Any

from hundredfold.outcome import KINDS, Observation
from hundredfold.proposals.link import MAX_CHILDREN, Node, safe, shown, time_text
from hundredfold.store import outcomes
from hundredfold.store.database import Database
from hundredfold.store.outcomes import OutcomeRow, Seen


def outcome_node(database: Database, row: OutcomeRow, *, asked: bool = False) -> Node:
    """What became of one thing: what counts of it, and below everything that was ever observed."""
    outcome = row.outcome
    facts: dict[str, Any] = {
        "kind": KINDS.get(outcome.origin.kind, outcome.origin.kind),
        "reference": outcome.reference,
        "opened": time_text(outcome.opened_us),
        "by": outcome.author or outcome.origin.agent,
        "simulated": "yes" if outcome.origin.simulated else "",
    }
    if row.observation is not None:
        facts |= _observed(row.observation)
    seen = outcomes.history(database, outcome.id)
    children = tuple(
        Node("observation", "", safe(one.observation.state), shown(_trace(one)))
        for one in seen[-MAX_CHILDREN:]
    )
    title = f"{row.state}: {outcome.title}" if row.observation else f"{row.state}: not observed yet"
    return Node("outcome", outcome.id, safe(title), shown(facts), children, asked=asked)


def _trace(one: Seen) -> dict[str, Any]:
    facts = _observed(one.observation) | {"number": one.seq}
    if not one.counts:
        facts["does not count"] = "a person's word stood"
    if one.overrules is not None:
        facts["overrules"] = one.overrules
    if one.overruled_by is not None:
        facts["overruled by"] = one.overruled_by
    return facts


def _observed(one: Observation) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "rule": one.rule,
        "strength": one.strength,
        "confirmed": "yes" if one.confirmed else "",
        "accepted": "" if one.accepted_us is None else time_text(one.accepted_us),
        "ended": "" if one.ended_us is None else time_text(one.ended_us),
        "lines kept": "" if one.lines is None else f"{one.lines_kept} of {one.lines}",
        "observed": time_text(one.observed_us),
        "by": one.by,
        "reason": one.reason,
    }
    return facts | {f"seen {name}": str(value) for name, value in sorted(one.evidence.items())}

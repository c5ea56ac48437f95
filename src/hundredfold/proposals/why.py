"""`why`: the chain from source to decision behind any id, as a tree of plain facts.

Source → item and its digest → attempts (route, prompt, cost) → findings with evidence → proposal → decisions
→ action → outcome. What an id does not concern is left out: a finding's chain has its own attempts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from hundredfold.errors import ConfigError
from hundredfold.proposals.fate import outcome_node
from hundredfold.proposals.link import MAX_CHILDREN, Node, safe, shown, time_text
from hundredfold.proposals.sanitise import for_terminal
from hundredfold.store import actions, attempts, findings, items, lookup, outcomes, proposals
from hundredfold.store.attempts import AttemptRow
from hundredfold.store.database import Database
from hundredfold.store.items import ItemRow
from hundredfold.store.proposals import ProposalRow
from hundredfold.vocabulary import Decision, Finding

#: What each of these attempts cost, as facts ready to show, by attempt.
CostOf = Callable[[Sequence[str]], Mapping[str, Mapping[str, Any]]]


class _Scope(Struct, frozen=True):
    """What of an item's chain is shown; None is all of it."""

    asked: str
    attempts: frozenset[str] | None = None
    findings: frozenset[str] | None = None
    proposals: frozenset[str] | None = None


def resolved(database: Database, wanted: str) -> str:
    """The one id that `wanted` is or begins, or a request's number or response id.

    Raises:
        ConfigError: there is none (with near ones), or there are several.
    """
    wanted = wanted.strip()
    if wanted.isdecimal() or (wanted and lookup.kind_of(wanted) is None):
        row = lookup.request(database, wanted)
        if row is not None:
            return str(row.seq)
    found = lookup.matching(database, wanted) if wanted else []
    if wanted in found:
        return wanted
    if len(found) == 1:
        return found[0]
    shown = for_terminal(wanted)[:80]
    if found:
        raise ConfigError(f"{shown!r} begins several ids", f"Which one: {', '.join(found[:10])}?")
    close = lookup.near(database, wanted)
    mend = f"Did you mean {' or '.join(close)}?" if close else "`hundredfold inbox --all` lists proposals."
    raise ConfigError(f"there is no record {shown!r}", mend)


def chain(database: Database, identity: str, cost_of: CostOf) -> Node:
    """The chain behind a full id, as `resolved` returns it.

    Raises:
        ConfigError: the record is there but not what it hangs on (a damaged or foreign database).
    """
    kind = lookup.kind_of(identity)
    if kind is None:
        return _request(database, identity, cost_of)
    if kind == "run":
        return _run(database, identity)
    if kind == "decision":
        return _of_proposal(database, identity, lookup.decision_proposal(database, identity), cost_of)
    if kind == "action":
        return _of_proposal(database, identity, actions.proposal_of(database, identity), cost_of)
    if kind == "proposal":
        return _of_proposal(database, identity, identity, cost_of)
    if kind == "outcome":
        return _of_outcome(database, identity, cost_of)
    if kind == "finding":
        return _of_finding(database, identity, cost_of)
    if kind == "attempt":
        return _of_attempt(database, identity, cost_of)
    return _of_item(database, identity, _Scope(asked=identity), cost_of)


# ------------------------------------------------------------------ from an id to what of its item is shown


def _of_proposal(database: Database, asked: str, proposal: str | None, cost_of: CostOf) -> Node:
    row = proposals.find(database, proposal) if proposal else None
    if row is None:
        raise _broken(asked)
    known = findings.by_id(database, row.proposal.findings)
    scope = _Scope(
        asked=asked,
        attempts=_sources(known.values()),
        findings=frozenset(row.proposal.findings),
        proposals=frozenset((row.proposal.id,)),
    )
    return _of_item(database, row.proposal.item, scope, cost_of)


def _of_outcome(database: Database, outcome: str, cost_of: CostOf) -> Node:
    row = outcomes.find(database, outcome)
    if row is None:
        raise _broken(outcome)
    if row.outcome.proposal is None:
        return outcome_node(database, row, asked=True)
    return _of_proposal(database, outcome, row.outcome.proposal, cost_of)


def _of_finding(database: Database, finding: str, cost_of: CostOf) -> Node:
    found = findings.find(database, finding)
    if found is None:
        raise _broken(finding)
    rows = proposals.of_project(database, found.project, item=found.item)
    naming = frozenset(row.proposal.id for row in rows if finding in row.proposal.findings)
    scope = _Scope(
        asked=finding, attempts=_sources([found]), findings=frozenset((finding,)), proposals=naming
    )
    return _of_item(database, found.item, scope, cost_of)


def _of_attempt(database: Database, attempt: str, cost_of: CostOf) -> Node:
    item = lookup.attempt_item(database, attempt)
    row = items.find(database, item) if item else None
    if row is None:
        raise _broken(attempt)
    found = findings.of_project(database, row.item.project, item=row.item.id)
    from_it = frozenset(one.id for one in found if attempt in one.attempts)
    all_rows = proposals.of_project(database, row.item.project, item=row.item.id)
    naming = frozenset(one.proposal.id for one in all_rows if from_it & set(one.proposal.findings))
    scope = _Scope(asked=attempt, attempts=frozenset((attempt,)), findings=from_it, proposals=naming)
    return _of_item(database, row.item.id, scope, cost_of)


def _request(database: Database, number: str, cost_of: CostOf) -> Node:
    row = lookup.request(database, number)
    if row is None:
        raise _broken(number)
    facts = {name: value for name, value in msgspec.structs.asdict(row).items() if value not in ("", None)}
    facts["at"] = time_text(facts.pop("at_us"))
    for name in ("seq", "key", "attempt"):
        facts.pop(name, None)
    above = () if row.attempt is None else (_of_attempt(database, row.attempt, cost_of),)
    return Node("request", str(row.seq), safe(row.key), shown(facts), above, asked=True)


def _run(database: Database, identity: str) -> Node:
    row = lookup.run(database, identity)
    if row is None:
        raise _broken(identity)
    facts: dict[str, Any] = {"started": time_text(row.started_us), "by": row.person}
    if row.ended_us is not None:
        facts["ended"] = time_text(row.ended_us)
    facts |= {f"items {state}": n for state, n in items.counts(database, row.project, row.id).items()}
    made = proposals.of_project(database, row.project, run=row.id)
    children = tuple(
        Node("proposal", one.proposal.id, safe(one.proposal.title), {"state": one.state})
        for one in made[:MAX_CHILDREN]
    )
    return Node("run", row.id, f"a run of {safe(row.project)}", shown(facts), children, asked=True)


def _broken(identity: str) -> ConfigError:
    return ConfigError(
        f"{for_terminal(identity)} is known, but not what it belongs to",
        "Is this the database it was made in? See HUNDREDFOLD_DATABASE.",
    )


def _sources(found: Any) -> frozenset[str] | None:
    """The attempts findings came from; None (all of the item's) if they do not say."""
    return frozenset(attempt for one in found for attempt in one.attempts) or None


# ------------------------------------------------------------------ an item's chain


def _of_item(database: Database, item: str, scope: _Scope, cost_of: CostOf) -> Node:
    row = items.find(database, item)
    if row is None:
        raise _broken(item)
    tried = [
        one for one in attempts.of_item(database, item) if scope.attempts is None or one.id in scope.attempts
    ]
    costs = cost_of([one.id for one in tried])
    found = [
        one
        for one in findings.of_project(database, row.item.project, item=item)
        if scope.findings is None or one.id in scope.findings
    ]
    proposed = [
        one
        for one in proposals.of_project(database, row.item.project, item=item)
        if scope.proposals is None or one.proposal.id in scope.proposals
    ]
    children = [_attempt(one, costs.get(one.id, {}), scope) for one in tried]
    children += [_finding(one, scope) for one in found]
    children += [_proposal(database, one, scope) for one in proposed]
    left_out = max(0, len(children) - MAX_CHILDREN)
    facts = _item_facts(database, row, scope)
    if left_out:
        facts["not shown"] = f"{left_out} more; ask for one of them by its id"
    return Node(
        "item", item, safe(row.item.title), facts, tuple(children[:MAX_CHILDREN]), asked=scope.asked == item
    )


def _item_facts(database: Database, row: ItemRow, scope: _Scope) -> dict[str, Any]:
    item = row.item
    facts: dict[str, Any] = {
        "source": f"{item.key} at {item.revision}",
        "job": item.job,
        "digest": item.digest,
        "state": row.state,
        "reason": row.reason,
        "run": row.run or "",
    }
    if row.dropped:
        facts["dropped"] = ", ".join(f"{n} × {why}" for why, n in sorted(row.dropped.items()))
    if scope.asked == item.id:
        looked: dict[str, int] = {}
        for one in findings.coverage_of(database, item.project, item=item.id):
            looked[one.coverage.state] = looked.get(one.coverage.state, 0) + 1
        facts["coverage"] = ", ".join(f"{n} {state.replace('_', ' ')}" for state, n in sorted(looked.items()))
    return shown(facts)


def _attempt(row: AttemptRow, cost: Mapping[str, Any], scope: _Scope) -> Node:
    route = row.route
    facts: dict[str, Any] = {
        "state": row.state,
        "error": row.error,
        "route": " · ".join(
            filter(None, (route.backend, route.provider, route.model, route.effort, route.tier))
        ),
        "round": row.place[0],
        "try": row.try_,
        "prompt": row.prompt or "",
        "answer": row.answer or "",
        "started": time_text(row.started_us),
    }
    if row.ended_us is not None:
        facts["seconds"] = round((row.ended_us - row.started_us) / 1e6, 1)
    return Node("attempt", row.id, safe(row.label), shown({**facts, **cost}), asked=scope.asked == row.id)


def _finding(one: Finding, scope: _Scope) -> Node:
    facts = {
        "severity": one.severity,
        "confidence": one.confidence,
        "rule": one.rule,
        "fingerprint": one.fingerprint,
        "from": ", ".join(one.attempts) or "code alone",
        "private": one.private,
    }
    children = tuple(
        Node(
            "evidence",
            "",
            safe(f"{e.path}:{e.start_line}-{e.end_line} at {e.revision[:12]}"),
            shown({"quote": e.quote.strip()[:400], "note": e.note}),
        )
        for e in one.evidence
    )
    return Node("finding", one.id, safe(one.title), shown(facts), children, asked=scope.asked == one.id)


def _proposal(database: Database, row: ProposalRow, scope: _Scope) -> Node:
    proposal = row.proposal
    facts: dict[str, Any] = {"type": proposal.type, "state": row.state, "opened": time_text(row.opened_us)}
    if row.replaced_by:
        facts["replaced by"] = f"{row.replaced_by}, which is newer and about the same"
    if edits := proposals.edits_of(database, proposal.id):
        facts["edited by"] = ", ".join(f"{one.by} ({time_text(one.at_us)})" for one in edits)
    facts |= {f"only if {key}": value for key, value in sorted(proposal.preconditions.items())}
    children = [_decision(one) for one in proposals.decisions_of(database, proposal.id)]
    action = actions.of_proposal(database, proposal.id)
    if action is not None:
        did: dict[str, Any] = {
            "forge": action.forge,
            "state": action.state,
            "by": action.by,
            "at": time_text(action.at_us),
            "location": action.receipt.location if action.receipt else "",
            "residue" if action.state == "undone" else "error": action.error,
        }
        if action.undone_us is not None:
            did |= {"undone": time_text(action.undone_us), "undone by": action.undone_by or ""}
        children.append(Node("action", action.id, "", shown(did), asked=scope.asked == action.id))
    followed = outcomes.of_proposal(database, proposal.id)
    if followed is not None:
        children.append(outcome_node(database, followed, asked=scope.asked == followed.outcome.id))
    elif action is not None and action.state == "applied":
        children.append(Node("outcome", "", "pending: not observed yet"))
    asked = scope.asked == proposal.id
    return Node("proposal", proposal.id, safe(proposal.title), shown(facts), tuple(children), asked=asked)


def _decision(one: Decision) -> Node:
    facts: dict[str, Any] = {"by": one.by, "at": time_text(one.at_us), "reason": one.reason}
    if one.seconds is not None:
        facts["open for"] = f"{one.seconds:.0f} s"
    return Node("decision", "", one.verdict, shown(facts))

"""The written policy: which types of which job, at which confidence, may be applied without a person.

By default none. A decision by policy bears the rule's name. Private proposals, and those without a finding
whose confidence could be compared, are always left to people.
"""

from __future__ import annotations

from hundredfold.proposals.decide import POLICY, Decided, decide_by_policy
from hundredfold.settings import PolicyRule
from hundredfold.store import findings, proposals
from hundredfold.store.database import Database, now_us
from hundredfold.store.proposals import ProposalRow
from hundredfold.vocabulary import Limit


def chosen(
    database: Database, project: str, rules: tuple[PolicyRule, ...]
) -> list[tuple[ProposalRow, PolicyRule, str]]:
    """The open proposals that a rule allows, with the rule and why, each once and within its limit of the
    day."""
    if not rules:
        return []
    waiting = proposals.of_project(database, project, states=("open",))
    known = findings.by_id(database, [one for row in waiting for one in row.proposal.findings])
    today = Limit("", "day", 0).period_start_us(now_us())
    used = proposals.decided_since(database, project, today)
    left = {rule.name: rule.day - used.get(POLICY + rule.name, 0) for rule in rules}
    found = []
    for row in waiting:
        sure = [known[one].confidence for one in row.proposal.findings if one in known]
        if not sure or len(sure) < len(row.proposal.findings):
            continue
        for rule in rules:
            if _allows(rule, row, min(sure)) and left[rule.name] > 0:
                left[rule.name] -= 1
                found.append((row, rule, f"confidence {min(sure):.2f}, {rule.confidence:.2f} is enough"))
                break
    return found


def decide_by_rules(database: Database, project: str, rules: tuple[PolicyRule, ...]) -> list[Decided]:
    """Approve what the rules allow."""
    return [
        decide_by_policy(database, row.proposal.id, rule.name, why)
        for row, rule, why in chosen(database, project, rules)
    ]


def _allows(rule: PolicyRule, row: ProposalRow, confidence: float) -> bool:
    proposal = row.proposal
    return (
        not proposal.private
        and proposal.job == rule.job
        and proposal.type in rule.types
        and confidence >= rule.confidence
    )

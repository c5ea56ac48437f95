"""The written policy: which types of which job, at which confidence, may be applied without a person.

By default none. A decision by policy bears the rule's name. Private proposals, and those without a finding
whose confidence could be compared, are always left to people.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import msgspec
from msgspec import Struct

from hundredfold.errors import ConfigError
from hundredfold.payloads import TYPES
from hundredfold.proposals.decide import POLICY, Decided, decide_by_policy
from hundredfold.settings import PolicyRule, PublishSettings
from hundredfold.store import findings, proposals
from hundredfold.store.database import Database, now_us
from hundredfold.store.proposals import ProposalRow
from hundredfold.vocabulary import Limit

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,59}")


class _File(Struct, frozen=True, forbid_unknown_fields=True):
    policy: tuple[PolicyRule, ...] = ()


def rules_of(settings: PublishSettings, root: Path) -> tuple[PolicyRule, ...]:
    """The rules of the settings and of the file they name.

    Raises:
        ConfigError: the file can't be read, or a rule can't be meant; names the rule, the key and the mend.
    """
    rules = settings.policy
    if settings.policy_file:
        rules += _read(root / settings.policy_file)
    seen: set[str] = set()
    for rule in rules:
        _check(rule, seen)
        seen.add(rule.name)
    return rules


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


def _read(path: Path) -> tuple[PolicyRule, ...]:
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
        return msgspec.convert(raw, _File).policy
    except OSError as error:
        raise ConfigError(
            f"the policy file {path} can't be read: {error.strerror}", "Mend [publish] policy-file."
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.ValidationError) as error:
        raise ConfigError(f"{path}: {error}", "A rule has name, job, types and confidence.") from error


def _check(rule: PolicyRule, seen: set[str]) -> None:
    where = f"policy {rule.name[:60]!r}"
    if not _NAME.fullmatch(rule.name):
        raise ConfigError(f"{where}: that is no name", "Use letters, digits, blanks, dots and dashes.")
    if rule.name in seen:
        raise ConfigError(f"{where}: the name is used twice", "Decisions bear it: give each rule its own.")
    if unknown := [one for one in rule.types if one not in TYPES]:
        raise ConfigError(f"{where}: types has {unknown[0]!r}", f"Types are {', '.join(TYPES)}.")
    if not rule.types:
        raise ConfigError(f"{where}: types is empty", f"Types are {', '.join(TYPES)}.")
    if not 0.0 < rule.confidence <= 1.0:
        raise ConfigError(f"{where}: confidence is {rule.confidence}", "It must be over 0 and at most 1.")
    if rule.day < 1:
        raise ConfigError(f"{where}: day is {rule.day}", "It must be 1 or more.")

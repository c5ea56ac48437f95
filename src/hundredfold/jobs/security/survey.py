"""Round 0: what code alone can tell of a commit, and which units are worth an agent's look."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from msgspec import Struct

from hundredfold.evidence.matchers import match
from hundredfold.evidence.secrets import Secret, find_secrets
from hundredfold.jobs.protocol import Project
from hundredfold.jobs.security.commit import Change, ChangedUnit, read_change
from hundredfold.jobs.security.scanners import Hit, bandit, semgrep
from hundredfold.vocabulary import Coverage

SCREENED = "no matcher, secret pattern or scanner spoke up; no agent looked"

#: What a commit may not take out unnoticed: families that are checks rather than sinks.
_GUARDS = {"authorisation", "authentication", "session", "timing", "http", "transport", "resource-exhaustion"}
_GUARD_RULES = {"html-escaping", "path-check", "compare-secret", "signature-check", "resource-exhaustion"}


class Clue(Struct, frozen=True):
    """Why a line is worth a look. `line` is 1-based; `source` says who says so."""

    line: int
    rule: str
    family: str
    source: str
    text: str = ""


class Target(Struct, frozen=True):
    """A unit that an agent should look at, and the clues in it."""

    unit: ChangedUnit
    clues: tuple[Clue, ...]


class Leak(Struct, frozen=True):
    """A secret in a well-known format, or one that the commit took out and history keeps."""

    path: str
    unit: str
    secret: Secret
    removed: bool


class Survey(Struct, frozen=True):
    """What round 0 found out. `coverage` speaks of everything but the targets."""

    change: Change
    targets: tuple[Target, ...]
    leaks: tuple[Leak, ...]
    hits: tuple[tuple[ChangedUnit, Hit], ...]
    coverage: tuple[Coverage, ...]
    notes: tuple[str, ...]


def survey(project: Project, sha: str) -> Survey:
    """Look at the commit without a model.

    Raises:
        RepositoryError: the commit can't be read or compared.
    """
    change = read_change(project.repository, sha, project.job.exclude)
    touched = {unit.path for unit in change.units}
    contents = {path: raw for path, raw in change.contents.items() if path in touched}
    tests = {unit.path for unit in change.units if unit.is_test}
    scanned = {path: raw for path, raw in contents.items() if path not in tests}
    scans = (bandit(scanned), semgrep(scanned, rules_file(project)))
    by_path: dict[str, list[Hit]] = defaultdict(list)
    for scan in scans:
        for hit in scan.hits:
            by_path[hit.path].append(hit)
    targets, leaks, hits, coverage = [], [], [], list(change.coverage)
    for unit in change.units:
        clues, found, said = _look(unit, by_path.get(unit.path, []))
        leaks += found
        hits += [(unit, hit) for hit in said]
        if clues:
            targets.append(Target(unit, clues))
        else:
            coverage.append(Coverage(unit.path, unit.name, "screened", SCREENED))
    leaks += _removed_leaks(change)
    unread = [
        Coverage(path, "(scanner)", "not_looked_at", reason) for scan in scans for path, reason in scan.unread
    ]
    return Survey(
        change=change,
        targets=tuple(targets),
        leaks=tuple(leaks),
        hits=tuple(hits),
        coverage=(*coverage, *unread),
        notes=tuple(scan.note for scan in scans if scan.note),
    )


def rules_file(project: Project) -> Path | None:
    """The user's own semgrep rules, if configured."""
    return project.root / project.job.semgrep_rules if project.job.semgrep_rules else None


def _look(unit: ChangedUnit, hits: list[Hit]) -> tuple[tuple[Clue, ...], list[Leak], list[Hit]]:
    """The clues for an agent, the leaked secrets, and what scanners said of this unit."""
    numbered = [(unit.first_line + at, line) for at, line in enumerate(unit.lines)]
    clues: list[Clue] = []
    leaks: list[Leak] = []
    for secret in find_secrets("\n".join(unit.lines), unit.path, unit.first_line):
        if secret.line not in unit.changed:
            continue
        if secret.likely:
            clues.append(Clue(secret.line, secret.rule, "secret", "secret patterns", secret.redacted))
        elif not unit.is_test:
            leaks.append(Leak(unit.path, unit.name, secret, removed=False))
    if unit.is_test:  # a test is run by its authors: only what it leaks can do harm
        return tuple(clues), leaks, []
    clues += [
        Clue(one.line, one.rule, one.family, "matcher") for one in match(unit.path, numbered, unit.changed)
    ]
    clues += _removed_guards(unit)
    inside = [hit for hit in hits if unit.first_line <= hit.line <= unit.last_line]
    clues += [
        Clue(hit.line, hit.rule, hit.cwe or hit.tool, hit.tool, hit.title)
        for hit in inside
        if hit.severity != "low" or hit.line in unit.changed
    ]
    return tuple(sorted(clues, key=lambda clue: (clue.line, clue.source, clue.rule))), leaks, inside


def _removed_guards(unit: ChangedUnit) -> list[Clue]:
    """Checks that the commit took out of the unit and did not write again."""
    before = match(unit.path, unit.removed, {number for number, _ in unit.removed})
    now = {
        one.rule
        for one in match(
            unit.path, [(n, unit.lines[n - unit.first_line]) for n in sorted(unit.changed)], unit.changed
        )
    }
    return [
        Clue(one.line, f"removed-{one.rule}", one.family, "matcher", "a check was taken out here")
        for one in before
        if (one.family in _GUARDS or one.rule in _GUARD_RULES) and one.rule not in now
    ]


def _removed_leaks(change: Change) -> list[Leak]:
    """Secrets that the commit took out of its files altogether: history keeps them."""
    found = []
    for removed in change.removed:
        now = change.contents.get(removed.path, b"").decode("utf-8", "replace")
        still = {secret.redacted for secret in find_secrets(now, removed.path)}
        for number, text in removed.lines:
            found += [
                Leak(removed.path, "", secret, removed=True)
                for secret in find_secrets(text, removed.path, number)
                if not secret.likely and secret.redacted not in still
            ]
    return found

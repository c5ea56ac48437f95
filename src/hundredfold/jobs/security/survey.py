"""Round 0: what code alone can tell of a commit, and which units are worth an agent's look."""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Sequence
from pathlib import Path
from threading import Lock

import msgspec
from msgspec import Struct

from hundredfold.evidence.matchers import Matcher, language_of, match, possible, speaks_up
from hundredfold.evidence.secrets import Secret, find_secrets, may_hold_secrets
from hundredfold.jobs.changes import Part
from hundredfold.jobs.protocol import Project
from hundredfold.jobs.security.commit import Change, read_change
from hundredfold.jobs.security.scanners import Hit, bandit, bandit_may_speak, semgrep
from hundredfold.vocabulary import Coverage, Item

SCREENED = "no matcher, secret pattern or scanner spoke up; no agent looked"
SCREENED_TEST = "a test: searched for secrets only; no agent looked"
SCREENED_UNKNOWN = "no matcher speaks its language: searched for secrets only; no agent looked"

KEPT_BYTES = 64 * 1024 * 1024  # of file contents in surveys that are kept between the rounds of an item

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

    unit: Part
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
    hits: tuple[tuple[Part, Hit], ...]
    coverage: tuple[Coverage, ...]
    notes: tuple[str, ...]


class _Recent:
    """The latest surveys by what they depend on, within a bound of bytes: each round needs its item's."""

    def __init__(self, bound: int) -> None:
        self._bound = bound
        self._lock = Lock()
        self._kept: OrderedDict[tuple[str, str], tuple[Survey, int]] = OrderedDict()

    def get(self, key: tuple[str, str]) -> Survey | None:
        with self._lock:
            found = self._kept.get(key)
            if found is None:
                return None
            self._kept.move_to_end(key)
            return found[0]

    def keep(self, key: tuple[str, str], made: Survey) -> None:
        change = made.change
        removed = sum(len(text) for one in change.removed for _, text in one.lines)
        size = 4096 + sum(map(len, change.contents.values())) * 2 + removed + 256 * len(made.coverage)
        with self._lock:
            self._kept[key] = (made, size)
            while self._kept and sum(size for _, size in self._kept.values()) > self._bound:
                self._kept.popitem(last=False)


_recent = _Recent(KEPT_BYTES)


def survey(project: Project, item: Item) -> Survey:
    """Look at the item's commit without a model, or remember what was seen when last looked.

    Raises:
        RepositoryError: the commit can't be read or compared.
    """
    key = (str(project.repository.git_folder), item.digest)
    seen = _recent.get(key)
    if seen is None:
        seen = _look_at(project, item.revision)
        _recent.keep(key, seen)
    return seen


def _look_at(project: Project, sha: str) -> Survey:
    rules = rules_file(project)
    change = read_change(
        project.repository, sha, project.job.exclude, _screen if rules is None else _keep_all
    )
    tests = {unit.path for unit in change.units if unit.is_test}
    touched = {unit.path for unit in change.units} - tests
    scanned = {path: raw for path, raw in change.contents.items() if path in touched}
    scans = (bandit(scanned), semgrep(scanned, rules))
    among = {path: possible(path, raw.decode("utf-8", "replace")) for path, raw in scanned.items()}
    by_path: dict[str, list[Hit]] = defaultdict(list)
    for scan in scans:
        for hit in scan.hits:
            by_path[hit.path].append(hit)
    targets, leaks, hits, coverage = [], [], [], list(change.coverage)
    for unit in change.units:
        clues, found, said = _look(unit, by_path.get(unit.path, []), among.get(unit.path, ()))
        leaks += found
        hits += [(unit, hit) for hit in said]
        if clues:
            targets.append(Target(unit, clues))
        else:
            reason = _screened(unit.path, unit.is_test)
            coverage.append(Coverage(unit.path, unit.name, "screened", reason))
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


def _screen(path: str, is_test: bool, lines: list[str]) -> str:
    """Why a file need not be taken apart: nothing that round 0 has can speak up in it. "" if it could."""
    text = "\n".join(lines)
    if may_hold_secrets(text):
        return ""
    if not is_test and (bandit_may_speak(path, text) or speaks_up(path, lines)):
        return ""
    return _screened(path, is_test)


def _keep_all(_path: str, _is_test: bool, _lines: list[str]) -> str:
    """With rules of the user's own nobody knows beforehand which files matter."""
    return ""


def _screened(path: str, is_test: bool) -> str:
    if is_test:
        return SCREENED_TEST
    return SCREENED if language_of(path) else SCREENED_UNKNOWN


def _look(
    unit: Part, hits: list[Hit], among: Sequence[Matcher]
) -> tuple[tuple[Clue, ...], list[Leak], list[Hit]]:
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
        Clue(one.line, one.rule, one.family, "matcher")
        for one in match(unit.path, numbered, unit.changed, among)
        if one.level == "strict" or _is_new(unit, one.line)
    ]
    clues += _removed_guards(unit)
    inside = [hit for hit in hits if unit.first_line <= hit.line <= unit.last_line]
    clues += [
        Clue(hit.line, hit.rule, hit.cwe or hit.tool, hit.tool, hit.title)
        for hit in inside
        if hit.severity != "low" or hit.line in unit.changed
    ]
    return tuple(sorted(clues, key=lambda clue: (clue.line, clue.source, clue.rule))), leaks, inside


def _is_new(unit: Part, line: int) -> bool:
    """Whether a line says something new: not if only its blanks or a version in it changed."""
    if not unit.removed:
        return True
    text = _without_version(unit.lines[line - unit.first_line])
    return all(text != _without_version(before) for _, _, before in unit.removed)


def _without_version(line: str) -> str:
    """A line without blanks, without the version after an `@` (workflow steps) and what follows it."""
    return "".join(line.split("@", 1)[0].split()) if "uses:" in line else "".join(line.split())


def _removed_guards(unit: Part) -> list[Clue]:
    """Checks that the commit took out of the unit and did not write again."""
    if not unit.removed:
        return []
    gone = [(number, text) for _, number, text in unit.removed]
    before = match(unit.path, gone, {number for number, _ in gone})
    guards = [one for one in before if one.family in _GUARDS or one.rule in _GUARD_RULES]
    if not guards:
        return []
    written = [(number, unit.lines[number - unit.first_line]) for number in sorted(unit.changed)]
    now = {one.rule for one in match(unit.path, written, unit.changed)}
    return [
        Clue(one.line, f"removed-{one.rule}", one.family, "matcher", "a check was taken out here")
        for one in guards
        if one.rule not in now
    ]


def _removed_leaks(change: Change) -> list[Leak]:
    """Secrets that the commit took out of its files altogether: history keeps them."""
    found = []
    for removed in change.removed:
        text = "\n".join(line for _, line in removed.lines)
        if not may_hold_secrets(text):
            continue
        now = change.contents.get(removed.path, b"").decode("utf-8", "replace")
        still = {secret.redacted for secret in find_secrets(now, removed.path)}
        for secret in find_secrets(text, removed.path):
            if not secret.likely and secret.redacted not in still:
                there = msgspec.structs.replace(secret, line=removed.lines[secret.line - 1][0])
                found.append(Leak(removed.path, "", there, removed=True))
    return found

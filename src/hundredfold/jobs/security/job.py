"""The job `security`: commits → changed functions → code's clues → investigate → refute → findings.

Round 0 is code alone. Round 1 checks what agents claim and has every surviving claim attacked by a second
agent. Round 2 weighs both. An attempt that did not finish leaves its units "not looked at", never clean.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from hundredfold.errors import RepositoryError
from hundredfold.evidence.matchers import matchers_version
from hundredfold.evidence.secrets import rules_version
from hundredfold.jobs.answers import ReadFile, reader, why_none
from hundredfold.jobs.protocol import Project, Report
from hundredfold.jobs.security.asking import investigate_tasks, questions_version, refute_task
from hundredfold.jobs.security.claims import Claim, Review, check_claims, check_review
from hundredfold.jobs.security.reporting import reports
from hundredfold.jobs.security.survey import Survey, Target, rules_file, survey
from hundredfold.jobs.security.verdicts import (
    REVIEW_MINUTES,
    Verdict,
    findings_of,
    hits_as_verdicts,
    leaks_as_verdicts,
    proposals_of,
    upheld,
)
from hundredfold.vocabulary import (
    SEVERITIES,
    AgentTask,
    Answer,
    Ask,
    Coverage,
    Done,
    Finding,
    Item,
    Round,
    Skip,
    Step,
    digest,
    identity,
)

MAX_CLAIMS = 16  # of one commit that are handed to a second agent
POLICY = "3"  # raise it when what this job does with the same answers changes


class _Claimed(Struct, frozen=True):
    """A checked claim, the attempt that made it and the unit it is in."""

    claim: Claim
    attempt: str
    target: Target | None


class _Investigated(Struct, frozen=True):
    """What the first round of answers came to."""

    claims: tuple[_Claimed, ...]
    coverage: tuple[Coverage, ...]
    dropped: Counter[str]
    complete: bool


class SecurityJob:
    """See the module. Holds no state."""

    name = "security"

    def discover(self, project: Project) -> Iterator[Item]:
        """One item a commit of the configured range (or the newest ones), newest first."""
        policy = self._policy(project)
        for commit in project.repository.commits(project.job.range or None, project.job.commits):
            content = digest("security", commit.sha, *policy)
            yield Item(
                id=identity("item", project.slug, self.name, content),
                project=project.slug,
                job=self.name,
                key=commit.sha,
                digest=content,
                title=commit.subject,
                revision=commit.sha,
                priority=project.job.priority,
            )

    def planned(self, project: Project, item: Item) -> tuple[AgentTask, ...]:
        """The tasks that the first round would ask of agents; spends nothing."""
        step = self.advance(project, item, (), model=True)
        return step.tasks if isinstance(step, Ask) else ()

    def review_minutes(self, project: Project) -> float:
        """See `jobs.protocol.Estimates`: what a finding of medium severity needs."""
        return REVIEW_MINUTES["medium"]

    def advance(self, project: Project, item: Item, rounds: tuple[Round, ...], *, model: bool) -> Step:
        """See `jobs.protocol.Job.advance`."""
        try:
            seen = survey(project, item)
        except RepositoryError as error:
            reason = f"can't be read: {error}"
            return Done(coverage=(Coverage("", "", "not_looked_at", reason),), complete=False, note=reason)
        if not rounds:
            return _first(item, seen, model=model)
        investigated = _investigated(project, item, seen, rounds[0])
        if len(rounds) == 1 and investigated.claims:
            tasks = tuple(
                refute_task(item.revision, msgspec.to_builtins(one.claim), one.claim.evidence, one.target)
                for one in investigated.claims
            )
            return Ask(tasks)
        answers = rounds[1].answers if len(rounds) > 1 else ()
        return _judged(item, seen, investigated, answers, reader(project.repository))

    def report(
        self, project: Project, findings: list[Finding], coverage: list[dict[str, Any]]
    ) -> list[Report]:
        """security.sarif, coverage.json and findings.md."""
        return reports(findings, coverage)

    def _policy(self, project: Project) -> tuple[str, ...]:
        """What besides the commit decides whether it must be looked at again. The route is not among it."""
        rules = rules_file(project)
        content = b""
        if rules is not None and rules.is_file():
            content = rules.read_bytes()
        elif rules is not None and rules.is_dir():
            content = b"\0".join(one.read_bytes() for one in sorted(rules.rglob("*.y*ml"))[:1000])
        return (
            POLICY,
            questions_version(),
            matchers_version(),
            rules_version(),
            "\0".join(project.job.exclude),
            digest(project.job.semgrep_rules, content),
        )


def _first(item: Item, seen: Survey, *, model: bool) -> Step:
    """Round 0: ask, or say what came of it without asking."""
    change, note = seen.change, "; ".join(seen.notes)
    verdicts = leaks_as_verdicts(seen, item.revision, change.parent)
    if not seen.targets and not verdicts:
        if change.docs_only:
            return Skip("documentation only", seen.coverage)
        if not change.files:
            return Skip("changes nothing of its own", seen.coverage)
        if model or not seen.hits:
            return Done(coverage=seen.coverage, note=note)
    if model and seen.targets:
        tasks, _ = investigate_tasks(item.revision, item.title, seen.targets)
        if tasks:
            return Ask(tuple(task for task, _ in tasks))
    if not model:
        verdicts += hits_as_verdicts(seen, item.revision)
    reason = "too large for an agent's question" if model else "no model configured"
    unseen = tuple(_unseen(target, reason) for target in seen.targets)
    complete = model or not seen.targets
    return _done(item, verdicts, (*seen.coverage, *unseen), Counter(), complete=complete, note=note)


def _investigated(project: Project, item: Item, seen: Survey, done: Round) -> _Investigated:
    """Check the claims of the first round by code."""
    tasks, beyond = investigate_tasks(item.revision, item.title, seen.targets)
    read = reader(project.repository)
    dropped: Counter[str] = Counter()
    coverage = [_unseen(target, "beyond what is asked of one commit") for target in beyond]
    found: list[_Claimed] = []
    complete = True
    if tuple(task.prompt for task, _ in tasks) != tuple(task.prompt for task in _asked(done)):
        # A scanner that timed out once but not twice: the answers are to questions we can't place any more.
        reason = (
            "could not finish: the deterministic checks came out otherwise than when the agents were asked"
        )
        return _Investigated((), tuple(_unseen(target, reason) for target in seen.targets), dropped, False)
    for (_, targets), answer in zip(tasks, done.answers, strict=True):
        value = answer.value if answer.status == "ok" else None
        verdict = (value or {}).get("verdict")
        if value is None or verdict not in ("findings", "nothing_found"):
            why = why_none(answer, "notes")
            coverage += [_unseen(target, f"could not finish: {why}") for target in targets]
            complete = False
        else:
            coverage += [Coverage(target.unit.path, target.unit.name, "investigated") for target in targets]
        if value is not None:
            paths = {target.unit.path for target in targets}
            claims = check_claims(value, item.revision, paths, read, dropped)
            found += [_Claimed(claim, answer.attempt, _home(claim, targets)) for claim in claims]
    found.sort(key=lambda one: (SEVERITIES.index(one.claim.severity), -one.claim.confidence))
    if len(found) > MAX_CLAIMS:
        dropped[f"beyond the bound of {MAX_CLAIMS} claims a commit"] += len(found) - MAX_CLAIMS
        complete = False
    return _Investigated(tuple(found[:MAX_CLAIMS]), tuple(coverage), dropped, complete)


def _judged(
    item: Item, seen: Survey, investigated: _Investigated, answers: Sequence[Answer], read: ReadFile
) -> Done:
    """Weigh claims against their reviews."""
    verdicts = leaks_as_verdicts(seen, item.revision, seen.change.parent)
    dropped, complete = Counter(investigated.dropped), investigated.complete
    for claimed, answer in zip(investigated.claims, answers, strict=True):
        review: Review | None = None
        if answer.status == "ok" and answer.value is not None:
            review = check_review(answer.value, item.revision, read)
        if review is not None and review.verdict == "refuted" and review.evidence:
            dropped["refuted"] += 1
            continue
        why = ""
        if review is None or review.verdict not in ("refuted", "upheld"):
            why, review, complete = why_none(answer, "reason"), None, False
        verdicts.append(_verdict(claimed, review, why, answer.attempt))
    note = "; ".join(seen.notes)
    coverage = (*seen.coverage, *investigated.coverage)
    return _done(item, verdicts, coverage, dropped, complete=complete, note=note)


def _verdict(claimed: _Claimed, review: Review | None, why_not: str, reviewer: str) -> Verdict:
    place, target = claimed.claim.evidence, claimed.target
    agreed = target is not None and any(
        clue.family in (claimed.claim.rule, claimed.claim.cwe)
        and place.start_line <= clue.line <= place.end_line
        for clue in target.clues
    )
    made = upheld(claimed.claim, review, why_not, target.unit.name if target else "", agreed)
    return msgspec.structs.replace(made, attempts=tuple(filter(None, (claimed.attempt, reviewer))))


def _done(
    item: Item,
    verdicts: Sequence[Verdict],
    coverage: tuple[Coverage, ...],
    dropped: Counter[str],
    *,
    complete: bool,
    note: str,
) -> Done:
    findings = findings_of(item, verdicts)
    return Done(
        findings=findings,
        proposals=proposals_of(item, findings, verdicts),
        coverage=coverage,
        dropped=dict(sorted(dropped.items())),
        complete=complete,
        note=note,
    )


def _home(claim: Claim, targets: Sequence[Target]) -> Target | None:
    """The smallest unit that the claim begins in."""
    place = claim.evidence
    inside = [
        target
        for target in targets
        if target.unit.path == place.path
        and target.unit.first_line <= place.start_line <= target.unit.last_line
    ]
    return min(inside, key=lambda target: len(target.unit.lines), default=None)


def _asked(done: Round) -> tuple[AgentTask, ...]:
    return done.step.tasks if isinstance(done.step, Ask) else ()


def _unseen(target: Target, reason: str) -> Coverage:
    return Coverage(target.unit.path, target.unit.name, "not_looked_at", reason)

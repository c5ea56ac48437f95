"""The job `bugs`: a failing run → what failed → run again → a report → reproduced twice, or not filed.

Round by round: the failed test is run again (if a test command is configured), to tell flaky from broken; an
agent says why and gives a command; code checks every quote; the command is run twice in clean checkouts and
must fail both times with the output that the report names. What does not reproduce is not filed.
"""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterator
from typing import Any

from hundredfold.errors import RepositoryError
from hundredfold.evidence.logs.marks import marks_version
from hundredfold.jobs.answers import reader, why_none
from hundredfold.jobs.bugs.asking import TEXTS, report_task
from hundredfold.jobs.bugs.claims import Claimed, checked
from hundredfold.jobs.bugs.collecting import collect
from hundredfold.jobs.bugs.reporting import reports
from hundredfold.jobs.bugs.seeing import Seen, Unread
from hundredfold.jobs.bugs.verdicts import REVIEW_MINUTES, Again, again, bug, finding_of, issue, reproduced
from hundredfold.jobs.nearest import Nearest
from hundredfold.jobs.protocol import Project, Report
from hundredfold.vocabulary import (
    AgentTask,
    Answer,
    Ask,
    Check,
    Command,
    CommandResult,
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

POLICY = "1"  # raise it when what this job does with the same answers changes
VERSION_SECONDS = 20.0
PROOFS = 2  # how often the command of a report must fail


class BugsJob:
    """See the module. Holds no state."""

    name = "bugs"
    #: failed runs and their logs come from the forge too
    reads_forge = True

    def discover(self, project: Project) -> Iterator[Item]:
        """One item a failure of the configured logs and reports, and one a file that tells of none."""
        settings = project.job.reports
        head, nearest = project.repository.resolve("HEAD"), Nearest(project)
        failures = 0
        for seen in collect(project):
            if isinstance(seen, Seen):
                failures += 1
                if failures > settings.most:
                    break
            yield self._item(project, seen, head, nearest)

    def planned(self, project: Project, item: Item) -> tuple[AgentTask, ...]:
        """The question about the failure, without the reruns that a run would do first; spends nothing."""
        return () if "unread" in item.payload else (_question(item, ()),)

    def review_minutes(self, project: Project) -> float:
        """See `jobs.protocol.Estimates`."""
        return REVIEW_MINUTES

    def advance(self, project: Project, item: Item, rounds: tuple[Round, ...], *, model: bool) -> Step:
        """See `jobs.protocol.Job.advance`."""
        if reason := item.payload.get("unread"):
            return Skip(str(reason), (Coverage(item.key, "", "not_looked_at", str(reason)),))
        rerun = _rerun(project, item)
        if rerun is not None and not rounds:
            return rerun
        first, rest = (rounds[0].results, rounds[1:]) if rerun is not None else ((), rounds)
        shown = again(first)
        if shown == "flaky" or item.payload["flaky"]:
            return _flaky(item, first)
        if shown == "passes each time":
            return _passes(item, first)
        if not model:
            return _unasked(item, shown)
        if not rest:
            return Ask((_question(item, first),))
        return _answered(project, item, rest, shown)

    def report(
        self, project: Project, findings: list[Finding], coverage: list[dict[str, Any]]
    ) -> list[Report]:
        """bugs.md and coverage.json."""
        return reports(findings, coverage)

    def _item(self, project: Project, seen: Seen | Unread, head: str, nearest: Nearest) -> Item:
        revision = head
        if isinstance(seen, Unread):
            mark, title, key = digest("unread", seen.source, seen.reason), seen.source, seen.source
            payload: dict[str, Any] = {"unread": seen.reason}
        else:
            mark, title, key = seen.failure.fingerprint, seen.failure.title, seen.failure.fingerprint[:12]
            payload = {
                "fingerprint": mark,
                "test": seen.failure.test,
                "source": seen.source,
                "log": seen.excerpt,
                "flaky": seen.flaky,
                "nearest": nearest.line(f"failure:{mark}", "failure", title, seen.excerpt),
            }
            revision = _tried_at(project, seen.revision, head)
        settings = project.job.reports
        rules = (POLICY, TEXTS.version(), marks_version(), settings.test_command, str(settings.reruns))
        content = digest("bugs", mark, *rules)
        return Item(
            id=identity("item", project.slug, self.name, content),
            project=project.slug,
            job=self.name,
            key=key,
            digest=content,
            title=title,
            revision=revision,
            priority=project.job.priority,
            payload=payload,
        )


def _tried_at(project: Project, revision: str, head: str) -> str:
    """Where a failure is tried again: at HEAD, which may have mended it, unless the run was of another
    branch.
    """
    try:
        sha = project.repository.resolve(revision) if revision else head
        return head if project.repository.merge_base(sha, head) == sha else sha
    except RepositoryError:
        return head


def _rerun(project: Project, item: Item) -> Check | None:
    """The failed test, so often; None if it can't be run again. Its name is one word of the command."""
    settings, test = project.job.reports, str(item.payload["test"])
    if not settings.test_command or not test or test.startswith("-") or settings.reruns < 1:
        return None
    words = tuple(word.replace("{test}", test) for word in shlex.split(settings.test_command))
    command = Command(words, item.revision, settings.timeout_seconds)
    return Check((command,) * settings.reruns)


def _question(item: Item, reruns: tuple[CommandResult, ...]) -> AgentTask:
    payload = item.payload
    return report_task(item.revision, item.title, payload["test"], payload["source"], payload["log"], reruns)


def _answered(project: Project, item: Item, rest: tuple[Round, ...], shown: Again) -> Step:
    """What came of the question; a report that claims a bug is reproduced first."""
    dropped: Counter[str] = Counter()
    answer = rest[0].answers[0]
    claimed = _claimed(project, item, answer, dropped)
    if isinstance(claimed, str):
        return _done(item, "not_looked_at", claimed, dropped=dropped, complete=answer.status == "ok")
    if claimed.verdict == "could_not_finish":
        why = why_none(answer, "cause")
        return _done(item, "not_looked_at", f"could not finish: {why}", dropped=dropped, complete=False)
    if claimed.verdict != "bug":
        found = _told(item, claimed, answer.attempt)
        return _done(item, "investigated", claimed.verdict, (found,), dropped=dropped)
    if len(rest) == 1:
        command = Command(claimed.command, item.revision, project.job.reports.timeout_seconds)
        version = Command((claimed.command[0], "--version"), item.revision, VERSION_SECONDS)
        return Check((*(command,) * PROOFS, version))
    proof = reproduced(claimed, rest[1].results[:PROOFS], rest[1].results[PROOFS])
    if proof.why_not:
        dropped[f"not reproduced: {proof.why_not}"] += 1
        return _done(item, "investigated", f"not filed: {proof.why_not}", dropped=dropped)
    found = bug(item, claimed, proof, shown, answer.attempt)
    proposal = issue(item, found, claimed, proof, item.payload["nearest"])
    return Done(
        findings=(found,),
        proposals=(proposal,),
        coverage=(Coverage(item.payload["source"], item.key, "investigated", "reproduced"),),
        dropped=dict(sorted(dropped.items())),
    )


def _claimed(project: Project, item: Item, answer: Answer, dropped: Counter[str]) -> Claimed | str:
    """The answer's report, or why there is none."""
    if answer.status != "ok" or answer.value is None:
        return f"could not finish: {why_none(answer, 'cause')}"
    read = reader(project.repository)
    found = checked(answer.value, item.revision, item.payload["log"], read, dropped)
    if isinstance(found, str):
        dropped[found] += 1
    return found


def _told(item: Item, claimed: Claimed, attempt: str) -> Finding:
    return finding_of(
        item,
        rule=f"bug/{claimed.verdict}",
        title=claimed.title,
        description=claimed.cause,
        severity="info",
        confidence=claimed.confidence / 2,  # nobody proved it
        places=claimed.places,
        attempts=(attempt,),
    )


def _flaky(item: Item, results: tuple[CommandResult, ...]) -> Done:
    failed = sum(one.exit_code != 0 for one in results)
    told = (
        f"failed {failed} of {len(results)} times at {item.revision[:12]}"
        if results
        else "its runner saw it pass"
    )
    found = finding_of(
        item,
        rule="bug/flaky",
        title=f"Flaky: {item.title}",
        description=f"It fails and passes without a change: {told}.",
        severity="low",
        confidence=0.9,
        extra={"failed": failed, "runs": len(results)},
    )
    return _done(item, "investigated", f"flaky: {told}", (found,))


def _passes(item: Item, results: tuple[CommandResult, ...]) -> Done:
    times = f"{len(results)} of {len(results)} times at {item.revision[:12]}"
    reason = f"passes {times}: mended since, or of that machine"
    return _done(item, "screened", reason)


def _unasked(item: Item, shown: Again) -> Done:
    found = finding_of(
        item,
        rule="bug/unexplained",
        title=item.title,
        description=f"Seen in {item.payload['source']}; {shown}. No agent was asked why.",
        severity="medium" if shown == "fails each time" else "low",
        confidence=0.6 if shown == "fails each time" else 0.3,
    )
    return _done(item, "not_looked_at", f"no model configured; {shown}", (found,), complete=False)


def _done(
    item: Item,
    state: Any,
    reason: str,
    findings: tuple[Finding, ...] = (),
    *,
    dropped: Counter[str] | None = None,
    complete: bool = True,
) -> Done:
    return Done(
        findings=findings,
        coverage=(Coverage(item.payload["source"], item.key, state, reason),),
        dropped=dict(sorted((dropped or Counter()).items())),
        complete=complete,
    )

"""The job `benchmarks`: results → steps for the worse → bisected → explained → a notice and an issue.

Discovery reads the configured results into the store and looks for steps; what stepped at one range of
commits is one item. If a benchmark command is configured, running it narrows the range; an agent explains
from the diff, and code checks its quotes. Without a model the steps, the bisecting and the report remain.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from hundredfold.errors import RepositoryError
from hundredfold.evidence.measures import changed
from hundredfold.evidence.regressions import Examined, Group, examine, grouped
from hundredfold.jobs.answers import reader, why_none
from hundredfold.jobs.benchmarks.asking import TEXTS, explain_task
from hundredfold.jobs.benchmarks.bisecting import Narrowed, next_step
from hundredfold.jobs.benchmarks.collecting import LeftOut, collect
from hundredfold.jobs.benchmarks.reporting import reports
from hundredfold.jobs.benchmarks.subject import PICTURES, Subject, anchor_of, subject, subject_of
from hundredfold.jobs.benchmarks.verdicts import (
    REVIEW_MINUTES,
    WITHIN,
    Explained,
    checked,
    finding_of,
    proposals_of,
    title_of,
)
from hundredfold.jobs.nearest import Nearest
from hundredfold.jobs.protocol import Project, Report
from hundredfold.jobs.review.change import Change, read_change
from hundredfold.plots.benchmarks import Panel, stepped_png
from hundredfold.sources.benchmarks.records import in_words
from hundredfold.vocabulary import (
    AgentTask,
    Ask,
    Check,
    Coverage,
    CoverageState,
    Done,
    Finding,
    Item,
    Proposal,
    Round,
    Skip,
    Step,
    digest,
    identity,
)

if TYPE_CHECKING:
    from hundredfold.sources.git import Commit

POLICY = "1"  # raise it when what this job does with the same answers changes
MAX_CHAIN = 2_000  # commits of a range


class _Range(Struct, frozen=True):
    """The commits from the last fast one to the first slow one, oldest first; why there are none."""

    chain: tuple[str, ...] = ()
    why_not: str = ""


class BenchmarksJob:
    """See the module. Holds no state."""

    name = "benchmarks"
    #: an issue's proposal names the nearest known one
    reads_forge = True

    def discover(self, project: Project) -> Iterator[Item]:
        """One item a range of commits in which series became worse, the newest ranges first; and one for
        what the files hold that is no measurement.

        Raises:
            ConfigError: no results are configured, or they can't be read.
        """
        settings = project.job.results
        left_out: LeftOut = {}
        series = project.series(collect(project.root, project.repository, settings, left_out))
        examined = {one.series.id: one for one in examine(series)}
        known, nearest = [one.extra for one in project.earlier().findings], Nearest(project)
        for group in _recent(examined, settings.recent)[: settings.most]:
            found, anchor = subject_of(group, examined), anchor_of(group, examined, known)
            said = "\n".join(one.line() for one in found.series)
            near = nearest.line(f"regression:{anchor}", "regression", title_of(found), said)
            yield self._item(project, found, anchor, near)
        if left_out:
            yield self._unread(project, left_out)

    def planned(self, project: Project, item: Item) -> tuple[AgentTask, ...]:
        """The question, by the whole range: what a bisecting would narrow is not known before; spends
        nothing."""
        if "unread" in item.payload:
            return ()
        found = subject(item.payload["subject"])
        if _range(project, found).why_not:
            return ()
        return (_question(project, found, Narrowed(found.before, found.after)).task,)

    def review_minutes(self, project: Project) -> float:
        """See `jobs.protocol.Estimates`."""
        return REVIEW_MINUTES

    def advance(self, project: Project, item: Item, rounds: tuple[Round, ...], *, model: bool) -> Step:
        """See `jobs.protocol.Job.advance`."""
        if "unread" in item.payload:
            return Skip(item.title, tuple(_unread(item.payload["unread"])))
        found = subject(item.payload["subject"])
        there = _range(project, found)
        measured = tuple(one for one in rounds if isinstance(one.step, Check))
        asked = next((one for one in rounds if isinstance(one.step, Ask)), None)
        narrowed = Narrowed(found.before, found.after, why_not=there.why_not)
        if not there.why_not and project.job.results.command:
            step = next_step(there.chain, found.series[0], project.job.results, measured)
            if isinstance(step, Check):
                if asked is None:
                    return step
            else:
                narrowed = step
        if there.why_not or not model:
            reason = there.why_not or "no model configured"
            return _told(
                project, item, found, narrowed, None, Counter(), reason, complete=bool(there.why_not)
            )
        question = _question(project, found, narrowed)
        if asked is None:
            return Ask((question.task,))
        return _answered(project, item, found, narrowed, question, asked)

    def report(
        self, project: Project, findings: list[Finding], coverage: list[dict[str, Any]]
    ) -> list[Report]:
        """benchmarks.md and coverage.json."""
        return reports(findings, coverage)

    def _item(self, project: Project, found: Subject, anchor: str, nearest: str) -> Item:
        settings = project.job.results
        rules = (POLICY, TEXTS.version(), settings.command, str(settings.repeats))
        content = digest("benchmarks", anchor, *rules)
        revision = found.after
        try:
            revision = project.repository.resolve(found.after) if found.after else ""
        except RepositoryError:
            revision = ""
        return Item(
            id=identity("item", project.slug, self.name, content),
            project=project.slug,
            job=self.name,
            key=anchor[:80],
            digest=content,
            title=title_of(found),
            revision=revision or project.repository.resolve("HEAD"),
            priority=project.job.priority,
            payload={"anchor": anchor, "subject": msgspec.to_builtins(found), "nearest": nearest},
        )

    def _unread(self, project: Project, left_out: LeftOut) -> Item:
        """So that nobody takes a value that no reader could use for one that was looked at."""
        told = [f"{file}: {in_words(reasons)}" for file, reasons in left_out.items()]
        content = digest("benchmarks", "unread", POLICY, *told)
        count = sum(sum(reasons.values()) for reasons in left_out.values())
        return Item(
            id=identity("item", project.slug, self.name, content),
            project=project.slug,
            job=self.name,
            key="unread",
            digest=content,
            title=f"{count:,} values of benchmark files are no measurements",
            revision=project.repository.resolve("HEAD"),
            priority=project.job.priority,
            payload={"unread": left_out},
        )


def _unread(left_out: LeftOut) -> Iterator[Coverage]:
    for file, reasons in left_out.items():
        yield Coverage(file[:200], "", "not_looked_at", f"left out: {in_words(reasons)}")


class _Question(Struct, frozen=True):
    """What an agent is asked, and what did not fit into it."""

    task: AgentTask
    change: Change
    commits: tuple[str, ...]
    beyond: int


def _recent(examined: dict[str, Examined], newest: int) -> list[Group]:
    """The groups in which at least one step is among its series' newest points."""
    late = {
        (alert.series, alert.level.index)
        for one in examined.values()
        for alert in one.alerts
        if alert.level.index >= len(one.points) - newest
    }
    found = grouped(list(examined.values()))
    return [one for one in found if any((alert.series, alert.level.index) in late for alert in one.alerts)]


def _range(project: Project, found: Subject) -> _Range:
    """Follows first parents back from the slow commit: that is the line on which it was measured."""
    if not found.before or not found.after:
        return _Range(why_not="the results do not say of which commits they are")
    if found.within:
        return _Range(why_not=WITHIN)
    repository = project.repository
    try:
        before, after = repository.resolve(found.before), repository.resolve(found.after)
        commits = {one.sha: one for one in repository.commits(f"{before}..{after}", MAX_CHAIN)}
    except RepositoryError:
        return _Range(why_not="the measured commits are not in this repository")
    chain, at = [after], after
    while at in commits and commits[at].parents:
        at = commits[at].parents[0]
        chain.append(at)
        if at == before:
            return _Range(tuple(reversed(chain)))
    return _Range(why_not="the slow commit does not follow the fast one on one line of commits")


def _commits(project: Project, narrowed: Narrowed) -> list[Commit]:
    return project.repository.commits(f"{narrowed.before}..{narrowed.after}", MAX_CHAIN)


def _question(project: Project, found: Subject, narrowed: Narrowed) -> _Question:
    commits = _commits(project, narrowed)
    change = read_change(project.repository, narrowed.before, narrowed.after, project.job.exclude)
    task, beyond = explain_task(found, narrowed, commits, change)
    return _Question(task, change, tuple(one.sha for one in commits), len(beyond))


def _answered(
    project: Project, item: Item, found: Subject, narrowed: Narrowed, question: _Question, done: Round
) -> Done:
    dropped: Counter[str] = Counter()
    asked = done.step.tasks if isinstance(done.step, Ask) else ()
    answer = done.answers[0]
    told: Explained | str
    if tuple(one.prompt for one in asked) != (question.task.prompt,):
        told = "could not finish: the question came out otherwise than when the agent was asked"
    elif answer.status != "ok" or answer.value is None:
        told = f"could not finish: {why_none(answer, 'explanation')}"
    else:
        read = reader(project.repository)
        told = checked(answer.value, answer.attempt, narrowed.after, question.commits, read, dropped)
        if isinstance(told, str):
            dropped[told] += 1
        elif told.verdict == "could_not_finish":
            told = f"could not finish: {why_none(answer, 'explanation')}"
    if isinstance(told, str):
        return _told(project, item, found, narrowed, None, dropped, told, complete=answer.status == "ok")
    note = f"{question.beyond} parts of the change were not shown." if question.beyond else ""
    return _told(project, item, found, narrowed, told, dropped, note, complete=True)


def _told(
    project: Project,
    item: Item,
    found: Subject,
    narrowed: Narrowed,
    told: Explained | None,
    dropped: Counter[str],
    note: str,
    *,
    complete: bool,
) -> Done:
    finding = finding_of(item, found, narrowed, told)
    proposals: tuple[Proposal, ...] = ()
    if told is not None:
        picture = project.keep(stepped_png(title_of(found), panels(found)))
        proposals = proposals_of(item, finding, found, narrowed, told, picture, note)
    state: CoverageState = "investigated" if told is not None else "not_looked_at"
    reason = note if told is None else "; ".join(filter(None, (told.verdict, narrowed.why_not, note)))
    coverage = [Coverage(one.label[:200], one.id, state, reason) for one in found.series]
    return Done(
        findings=(finding,),
        proposals=proposals,
        coverage=tuple(coverage),
        dropped=dict(sorted(dropped.items())),
        complete=complete,
        note=note if told is None else "",
    )


def panels(found: Subject) -> Sequence[Panel]:
    """The largest steps as they are drawn."""
    return [
        Panel(
            one.label,
            one.unit,
            one.values,
            one.at,
            one.before,
            one.after,
            (one.begin, one.end or len(one.values)),
            (one.last, one.first),
            changed(one.after / one.before),
        )
        for one in found.series[:PICTURES]
    ]

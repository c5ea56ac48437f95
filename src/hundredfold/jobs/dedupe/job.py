"""The job `dedupe`: new and changed issues → candidates → an agent judges → a canonical issue → proposals.

Discovery is code alone: it brings the index of what is known up to date and searches each open issue among
the earlier ones. Round 0 asks an agent about the candidates; round 1 checks its quotes and proposes by rule.
Issues about security are shown to no agent and nothing is proposed of them: they are listed for people.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import msgspec

from hundredfold.jobs.answers import why_none
from hundredfold.jobs.dedupe.asking import TEXTS, judge
from hundredfold.jobs.dedupe.candidates import Candidate, Shown, candidates, sensitive, shown
from hundredfold.jobs.dedupe.canonical import groups
from hundredfold.jobs.dedupe.reporting import reports
from hundredfold.jobs.dedupe.verdicts import Same, findings_of, pairs, proposals_of, ruled
from hundredfold.jobs.protocol import Project, Report
from hundredfold.jobs.searched import document_of, key_of
from hundredfold.sources.issues import IssueRecord, read_issues
from hundredfold.vocabulary import (
    AgentTask,
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

POLICY = "1"  # raise it when what this job does with the same answers changes


class _View(msgspec.Struct, frozen=True):
    """What an item carries: all that `advance` needs."""

    head: str
    issue: Shown
    candidates: tuple[Candidate, ...]
    group: tuple[Shown, ...]  # what is known to belong to a candidate's group besides
    grouped: dict[str, tuple[str, ...]]  # a candidate's ref → the refs of its group
    standing: tuple[str, ...]
    left: dict[str, int]
    private: bool
    by: str


class DedupeJob:
    """See the module. Holds no state."""

    name = "dedupe"
    reads_forge = True

    def discover(self, project: Project) -> Iterator[Item]:
        """One item an open issue, the newest change first.

        Raises:
            SourceError: the export can't be read; names file and line.
            ConfigError: there is no source of issues.
        """
        known = project.known
        if known is None:
            return
        issues = {key_of(one): one for one in self._issues(project)}
        known.refresh("issue", map(document_of, issues.values()))
        never, always, standing = known.rulings()
        settings = project.job.duplicates
        earlier = [
            (f"issue:{one.extra['issue']}", f"issue:{one.extra['other']}")
            for one in sorted(project.earlier().findings, key=lambda one: (-one.confidence, one.id))
            if one.rule == "dedupe/duplicate"
        ]
        ruled_pairs = [(min(one), max(one)) for one in always]
        together = groups([*ruled_pairs, *earlier], never)
        newest = sorted(issues.values(), key=lambda one: (-one.updated_us, one.ref))
        head = project.repository.resolve("HEAD")
        looked = [one for one in newest if one.state == "open"][: settings.most]
        for issue in looked:
            private = sensitive(issue)
            found, left = candidates(
                known,
                issue,
                issues,
                never=never,
                always=always,
                least=settings.least_score,
                most=settings.candidates,
            )
            mine = {one.issue.ref: together.get(f"issue:{one.issue.ref}", frozenset()) for one in found}
            others = sorted({key for keys in mine.values() for key in keys} & issues.keys())
            view = _View(
                head=head,
                issue=shown(issue),
                candidates=tuple(found),
                group=tuple(shown(issues[key]) for key in others if not sensitive(issues[key])),
                grouped={
                    ref: tuple(sorted(key.removeprefix("issue:") for key in keys))
                    for ref, keys in mine.items()
                    if keys
                },
                standing=tuple(sorted(standing)),
                left=dict(sorted(left.items())),
                private=private,
                by=known.by,
            )
            yield self._item(project, issue, view)

    def planned(self, project: Project, item: Item) -> tuple[AgentTask, ...]:
        """The tasks that would be asked of agents; spends nothing."""
        step = self.advance(project, item, (), model=True)
        return step.tasks if isinstance(step, Ask) else ()

    def advance(self, project: Project, item: Item, rounds: tuple[Round, ...], *, model: bool) -> Step:
        """See `jobs.protocol.Job.advance`."""
        view = msgspec.convert(item.payload, _View)
        name = f"issue {view.issue.ref}"
        if view.private:
            reason = "about security: for people only, no agent is shown it and nothing is proposed"
            return Done(coverage=(Coverage(name, "", "not_looked_at", reason),), note=reason)
        if not view.candidates:
            why = "; ".join(f"{number} {reason}" for reason, number in view.left.items())
            return Skip(f"nothing is like it{f' ({why})' if why else ''}", (Coverage(name, "", "screened"),))
        asked = tuple(one for one in view.candidates if not one.ruled)
        if asked and not rounds:
            if model:
                return Ask((judge(view.head, view.issue, asked),))
            return self._unjudged(item, view)
        return self._judged(project, item, view, rounds)

    def report(
        self, project: Project, findings: list[Finding], coverage: list[dict[str, Any]]
    ) -> list[Report]:
        """duplicates.md and coverage.json."""
        return reports(findings, coverage)

    def _issues(self, project: Project) -> list[IssueRecord]:
        mirror = project.mirror.database if project.mirror else None
        return read_issues(project.root, project.job.source, mirror, project.slug)

    def _item(self, project: Project, issue: IssueRecord, view: _View) -> Item:
        payload = msgspec.to_builtins(view)
        content = digest(
            "dedupe",
            POLICY,
            TEXTS.version(),
            project.job.duplicates.label,
            str(project.job.duplicates.close),
            # neither the checkout, nor the scores of the day, nor earlier judgements make it another item
            *(
                f"{one.ref} {one.state} {one.digest}"
                for one in (view.issue, *(c.issue for c in view.candidates))
            ),
            *(f"{one.issue.ref} {one.ruled}" for one in view.candidates),
            *view.standing,
        )
        return Item(
            id=identity("item", project.slug, self.name, content),
            project=project.slug,
            job=self.name,
            key=issue.ref,
            digest=content,
            title=view.issue.title,
            revision=view.head,
            priority=project.job.priority,
            payload=payload,
        )

    def _unjudged(self, item: Item, view: _View) -> Done:
        """Without a model: the candidates with scores and reasons, for people; nothing is proposed."""
        coverage = tuple(
            Coverage(f"issue {view.issue.ref}", f"issue {one.issue.ref}", "not_looked_at", _why(one, view.by))
            for one in view.candidates
        )
        return Done(coverage=coverage, complete=False, note=f"{len(coverage)} candidates, nobody judged them")

    def _judged(self, project: Project, item: Item, view: _View, rounds: tuple[Round, ...]) -> Done:
        dropped: Counter[str] = Counter()
        same: list[Same] = ruled(view.candidates)
        complete, why = True, ""
        for answer in rounds[0].answers if rounds else ():
            value = answer.value if answer.status == "ok" else None
            if value is not None:
                same += pairs(value, answer.attempt, view.issue, view.candidates, dropped)
            if value is None or value.get("verdict") != "judged":
                complete, why = False, why_none(answer, "notes")
        findings = findings_of(item, view.issue, same)
        state = "investigated" if complete else "not_looked_at"
        coverage = tuple(
            Coverage(
                f"issue {view.issue.ref}",
                f"issue {one.issue.ref}",
                state,  # type: ignore[arg-type]
                _why(one, view.by) if complete else f"could not finish: {why}",
            )
            for one in view.candidates
        )
        there = {one.ref: one for one in (*view.group, *(one.issue for one in view.candidates))}
        joined = {
            ref
            for one in same
            for ref in (one.candidate.issue.ref, *view.grouped.get(one.candidate.issue.ref, ()))
        }
        group = {view.issue.ref: view.issue} | {ref: there[ref] for ref in sorted(joined) if ref in there}
        settings = project.job.duplicates
        made = proposals_of(
            item, view.issue, same, findings, group, view.standing, label=settings.label, close=settings.close
        )
        return Done(
            findings=findings,
            proposals=made,
            coverage=coverage,
            dropped=dict(sorted(dropped.items())),
            complete=complete,
        )


def _why(one: Candidate, by: str) -> str:
    if one.ruled:
        return "a person ruled: always together"
    alike = f"words {one.lexical:.2f} of the best"
    if by != "words":
        alike = f"meaning {one.cosine:.2f}, {alike}"
    shared = f"{one.shared_title} words of the title shared"
    traces = f", {one.shared_traces} names of code" if one.shared_traces else ""
    return f"score {one.score:.2f}: {alike}; {shared}{traces}"

"""The job `review`: a head against its base → changed parts → several passes → votes → one comment, or of a
pull request one review with comments in its diff.

Round 0 is code alone: what changed, and which of it was reviewed before and is unchanged. The rest is asked
of several agents. Round 1 checks what they say and counts votes. A part that too few passes finished is "not
looked at", and the review incomplete.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from hundredfold.errors import RepositoryError
from hundredfold.evidence.matchers import match
from hundredfold.jobs.answers import reader, why_none
from hundredfold.jobs.changes import Part
from hundredfold.jobs.protocol import Earlier, Project, Report, reads_pulls
from hundredfold.jobs.review.asking import Asked, questions, questions_version
from hundredfold.jobs.review.change import Change, read_change
from hundredfold.jobs.review.claims import Claim, check_claims
from hundredfold.jobs.review.earlier import Known, recall, remember
from hundredfold.jobs.review.elections import elect, findings_of
from hundredfold.jobs.review.heads import Head, heads, none_ahead, pull_heads
from hundredfold.jobs.review.reporting import reports
from hundredfold.jobs.review.verdicts import minutes, proposals_of
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

if TYPE_CHECKING:
    from hundredfold.settings import JobSettings
    from hundredfold.sources.git import Repository

POLICY = "2"  # raise it when what this job does with the same answers changes
MAX_SUBJECTS = 20  # commits named in a question
TYPICAL_COMMENTS = 3  # of a review of which nothing is known yet; for plans only
MAX_PLACES = 6  # risky places named of a part that nobody looked at


class _View(Struct, frozen=True):
    """An item as code alone sees it. `asked` is about `fresh` parts; `beyond` are those that don't fit."""

    head: Head
    change: Change
    known: Known
    fresh: tuple[Part, ...]
    asked: tuple[Asked, ...]
    beyond: tuple[Part, ...]


class ReviewJob:
    """See the module. Holds no state."""

    name = "review"
    #: open pull requests of the forge are looked at too
    reads_pulls = True

    def discover(self, project: Project) -> Iterator[Item]:
        """One item an open pull request, and one a head that is ahead of its base and no pull request's.

        Raises:
            RepositoryError: see `heads`.
        """
        settings, mirrored = project.job, project.mirror
        pulls: list[Head] = []
        if mirrored is not None and mirrored.repository and reads_pulls(self, settings):
            pulls = pull_heads(project.repository, settings, project.slug, mirrored)
        known = {head.sha for head in pulls}
        branches = [head for head in heads(project.repository, settings) if head.sha not in known]
        record = project.earlier() if pulls or branches else Earlier()
        for head in (*pulls, *branches):
            yield _item(project, head, record)

    def planned(self, project: Project, item: Item) -> tuple[AgentTask, ...]:
        """The tasks that would be asked of agents; spends nothing."""
        step = self.advance(project, item, (), model=True)
        return step.tasks if isinstance(step, Ask) else ()

    def review_minutes(self, project: Project) -> float:
        """See `jobs.protocol.Estimates`."""
        return minutes(min(TYPICAL_COMMENTS, project.job.cap))

    def nothing_found(self, project: Project) -> str:
        """See `jobs.protocol.Explains`."""
        how = "Check another branch out, name branches or a base under [job.review], or give --range A..B."
        return f"{none_ahead(project.repository, project.job)} {how}"

    def advance(self, project: Project, item: Item, rounds: tuple[Round, ...], *, model: bool) -> Step:
        """See `jobs.protocol.Job.advance`."""
        try:
            view = _view(project, item)
        except RepositoryError as error:
            reason = f"can't be read: {error}"
            return Done(coverage=(Coverage("", "", "not_looked_at", reason),), complete=False, note=reason)
        if rounds:
            return _judged(project, item, view, rounds[0])
        if not view.change.parts:
            return Skip("changes no code", view.change.coverage)
        if model and view.asked:
            return Ask(tuple(one.task for one in view.asked))
        unseen = [] if model else [_unseen(part, "no model configured") for part in view.fresh]
        return _done(project, item, view, (), unseen, Counter(), complete=not unseen)

    def report(
        self, project: Project, findings: list[Finding], coverage: list[dict[str, Any]]
    ) -> list[Report]:
        """review.md and coverage.json."""
        return reports(findings, coverage)


def _item(project: Project, head: Head, record: Earlier) -> Item:
    """The base of a pull request is not part of what makes it another item: it may not be known yet."""
    settings = project.job
    rules, cap, base = _rules(settings), str(settings.cap), "" if head.pull else head.base
    content = digest("review", rules, cap, head.key, head.sha, base, *settings.exclude)
    about = {"pull": head.pull, "title": head.title, "untrusted": head.untrusted} if head.pull else {}
    shown = f"{head.title} ({head.sha[:12]})" if head.pull else f"against {head.base[:12]}"
    return Item(
        id=identity("item", project.slug, "review", content),
        project=project.slug,
        job="review",
        key=head.key,
        digest=content,
        title=f"{head.key} {shown}",
        revision=head.sha,
        priority=settings.priority,
        payload={
            "branch": head.branch,
            "against": head.against,
            "base": head.base,
            **about,
            **(remember(project.repository, head, record, rules) if head.base else {}),
        },
    )


def _head(repository: Repository, item: Item) -> Head:
    """The item's head. What was not here when the item was found may be by now.

    Raises:
        RepositoryError: it is not here.
    """
    payload = item.payload
    base = payload["base"]
    if not base:
        base = repository.merge_base(payload["against"], item.revision)
        if base is None:
            raise RepositoryError(
                f"{item.key} at {item.revision[:12]}, or its base, is not here", "A run fetches it."
            )
    return Head(
        item.key,
        payload["branch"],
        item.revision,
        payload["against"],
        base,
        payload.get("pull", 0),
        payload.get("title", ""),
        payload.get("untrusted", False),
    )


def _rules(settings: JobSettings) -> str:
    """By which rules a part is reviewed: what must be equal for an earlier review to count."""
    mark = digest(POLICY, questions_version(), str(settings.passes), str(settings.votes))
    return f"by rules {mark[:8]}"


def _view(project: Project, item: Item) -> _View:
    repository, settings = project.repository, project.job
    head = _head(repository, item)
    change = read_change(repository, head.base, head.sha, settings.exclude)
    known = recall(repository, item, change, settings.exclude)
    seen = {part.content for part in known.parts}
    fresh = tuple(part for part in change.parts if part.content not in seen)
    commits = repository.commits(f"{head.base}..{head.sha}", MAX_SUBJECTS)
    subjects = [commit.subject for commit in commits]
    asked, beyond = questions(head, subjects, change.files, fresh, settings.passes)
    return _View(head, change, known, fresh, asked, beyond)


def _judged(project: Project, item: Item, view: _View, done: Round) -> Done:
    """Check what the passes said, and count the votes."""
    dropped: Counter[str] = Counter()
    asked = done.step.tasks if isinstance(done.step, Ask) else ()
    if tuple(one.task.prompt for one in view.asked) != tuple(task.prompt for task in asked):
        reason = "could not finish: the questions came out otherwise than when the agents were asked"
        unseen = [_unseen(part, reason) for part in view.fresh]
        return _done(project, item, view, (), unseen, dropped, complete=False)
    claims: list[Claim] = []
    finished: Counter[str] = Counter()
    why: dict[str, str] = {}
    answers = iter(done.answers)
    read = reader(project.repository)
    for one in view.asked:
        paths = {part.path for part in one.parts}
        for voter in one.voters:
            answer = next(answers)
            value = answer.value if answer.status == "ok" else None
            if value is not None:
                by = (voter, answer.attempt)
                claims += check_claims(value, by, view.head, view.change.files, paths, read, dropped)
            usable = value is not None and value.get("verdict") in ("comments", "nothing_found")
            for part in one.parts:
                finished[part.content] += usable
                if not usable:
                    why[part.content] = why_none(answer, "notes")
    votes = project.job.votes
    coverage = []
    for part in view.fresh:
        if part in view.beyond:
            continue
        if finished[part.content] >= votes:
            coverage.append(Coverage(part.path, part.name, "investigated", _rules(project.job)))
        else:
            reason = f"could not finish: {finished[part.content]} of {project.job.passes} passes answered"
            coverage.append(_unseen(part, f"{reason}; {why.get(part.content, '')}"))
    complete = all(one.state == "investigated" for one in coverage)
    return _done(project, item, view, claims, coverage, dropped, complete=complete)


def _done(
    project: Project,
    item: Item,
    view: _View,
    claims: Sequence[Claim],
    looked: Sequence[Coverage],
    dropped: Counter[str],
    *,
    complete: bool,
) -> Done:
    """The item's end: what was elected now, and what stands from earlier."""
    known, settings = view.known, project.job
    elected = elect(claims, view.change.parts, settings.votes, dropped)
    findings = findings_of(item, view.head, elected, settings.passes)
    new = {one.id for one in findings}
    standing = tuple(one for one in known.findings if one.id not in new)
    since = f"unchanged since {known.since[:12]}"
    coverage = (
        *view.change.coverage,
        *(
            Coverage(part.path, part.name, "investigated", f"{_rules(settings)}; {since}")
            for part in known.parts
        ),
        *(_unseen(part, "beyond what is asked of one review") for part in view.beyond),
        *looked,
    )
    demoted = sum(one.claim.anchor.on_file for one in elected)
    notes = [
        f"{len(standing)} comments stand from {known.since[:12]}" if standing else "",
        f"{demoted} comments are on lines outside the change and stand on their files" if demoted else "",
    ]
    return Done(
        findings=findings,
        proposals=proposals_of(
            item, view.head, (*findings, *standing), coverage, settings.cap, complete=complete
        ),
        coverage=coverage,
        dropped=dict(sorted(dropped.items())),
        complete=complete,
        note="; ".join(filter(None, notes)),
    )


def _unseen(part: Part, reason: str) -> Coverage:
    """A part that nobody looked at: why, how much of it there is, and where to look first."""
    size = f"{len(part.changed)} lines written, {len(part.removed)} taken out"
    numbered = [(part.first_line + at, text) for at, text in enumerate(part.lines)]
    places = [f"line {one.line} ({one.family})" for one in match(part.path, numbered, part.changed)]
    look = f"; look first at {', '.join(places[:MAX_PLACES])}" if places else ""
    return Coverage(part.path, part.name, "not_looked_at", f"{reason}; {size}{look}")

"""Looking at what is due: each followed outcome by the rules of its kind, out of git and the forge's mirror.

No forge is asked here: the mirror is brought up to date before, with its own bounds, so ten thousand
outcomes cost the forge what one does. How often to look is part of each observation.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import cached_property

from msgspec import Struct

from hundredfold.errors import RepositoryError
from hundredfold.outcome import Observation
from hundredfold.outcomes import references
from hundredfold.outcomes.gitfate import Change
from hundredfold.outcomes.issues import Issues
from hundredfold.outcomes.judging import Forge, judge
from hundredfold.outcomes.lines import Place, changed, places_in
from hundredfold.outcomes.references import Reference
from hundredfold.outcomes.saying import DAY_US, Judged, Says, next_look
from hundredfold.payloads import Close, Labels, Review
from hundredfold.sources.git import Repository
from hundredfold.sources.githistory import History
from hundredfold.store import actions, findings, mirror, outcomes, proposals
from hundredfold.store.database import Database
from hundredfold.store.outcomes import OutcomeRow
from hundredfold.vocabulary import Finding, Proposal

BATCH = 200
GIVEN_UP_DAYS = 180  # after which what nothing ever spoke of is called unknown
OBSERVER = "git and mirror"


class Looked(Struct, frozen=True):
    """How many outcomes were looked at, how many of the observations count, and the states they are in
    now.
    """

    looked: int
    counted: int
    states: dict[str, int]


class _Ours(Struct, frozen=True):
    """A proposal of ours that was applied: when, and what it said."""

    proposal: Proposal
    findings: tuple[Finding, ...]
    applied_us: int
    reference: Reference | None


class Observer:
    """Looks at one project's outcomes as of `now_us` (UTC microseconds).

    `branch` is where work lands, a revision. What the mirror says is as old as its last sync.
    """

    def __init__(
        self, database: Database, project: str, repository: Repository, branch: str, now_us: int
    ) -> None:
        self.database = database
        self.project = project
        self.repository = repository
        self.branch = branch
        self.now_us = now_us
        synced = mirror.synced_us(database, project)
        self.mirrored_us = min(synced, now_us) if synced is not None else 0

    @cached_property
    def history(self) -> History:
        """The branch's history, read when it is first needed."""
        return History(self.repository, self.branch)

    def look(self, limit: int | None = None, tell: Callable[[int], None] = lambda _: None) -> Looked:
        """Look at every outcome that is due (at most `limit`), and keep what was seen.

        `tell` is called with how many were looked at, now and then.

        Raises:
            RepositoryError: the branch can't be read.
        """
        looked = counted = 0
        states: Counter[str] = Counter()
        while limit is None or looked < limit:
            size = BATCH if limit is None else min(BATCH, limit - looked)
            due = outcomes.of_project(self.database, self.project, due_us=self.now_us, limit=size)
            if not due:
                break
            judged = [self._judged(row) for row in due]
            seen = [one.observation for one in judged]
            # What is due again at once would be looked at for ever: it waits at least a day.
            again = {
                one.observation.outcome: None
                if one.look_us is None
                else max(one.look_us, self.now_us + DAY_US)
                for one in judged
            }
            fresh = [one for one, row in zip(seen, due, strict=True) if not _same(one, row.observation)]
            counted += outcomes.observe(self.database, fresh, look_us=again)
            states.update(one.state for one in seen)
            looked += len(due)
            tell(looked)
        return Looked(looked, counted, dict(sorted(states.items())))

    def _judged(self, row: OutcomeRow) -> Judged:
        outcome = row.outcome
        ours = self._ours(outcome.proposal) if outcome.proposal else None
        if outcome.proposal and ours is None:  # not applied: our own records say what there is to say
            return self._waiting(row, "not applied")
        reference = references.parse(outcome.reference) or (ours.reference if ours else None)
        if ours is not None and ours.reference is not None and not outcome.reference:
            outcomes.refer(self.database, outcome.id, str(ours.reference))
        try:
            return self._by_kind(row, ours, reference)
        except RepositoryError as error:
            return self._says(row).unknown(f"the repository could not be read: {error}"[:200])

    def _by_kind(self, row: OutcomeRow, ours: _Ours | None, reference: Reference | None) -> Judged:
        kind, issues = row.outcome.origin.kind, Issues(self.database, self.project, self.mirrored_us)
        payload = ours.proposal.payload if ours else None
        if reference is not None and reference.kind == "commit":
            change = Change((reference.sha,))
            return judge(row.outcome.id, self.history, change, self.now_us, opened_us=row.outcome.opened_us)
        if kind == "pull_request" and reference is not None:
            return self._pull(row, reference.number)
        if isinstance(payload, Close) and ours is not None and self.mirrored_us:
            return issues.closed_duplicate(
                row.outcome.id, payload.number, payload.duplicate_of, ours.applied_us
            )
        if isinstance(payload, Labels) and ours is not None and self.mirrored_us:
            return issues.labelled(row.outcome.id, payload.number, payload.add, ours.applied_us)
        if kind == "regression" and ours is not None:
            return self._regression(row, ours)
        if ours is not None and ours.findings:
            return self._said_of_lines(row, ours, reference)
        if kind == "issue" and reference is not None and self.mirrored_us:
            return issues.opened(row.outcome.id, reference.number, row.outcome.opened_us)
        return self._waiting(row, "nothing shows what became of it")

    def _ours(self, proposal: str) -> _Ours | None:
        row = proposals.find(self.database, proposal)
        action = actions.of_proposals(self.database, [proposal]).get(proposal)
        if row is None or action is None or action.state != "applied" or action.receipt is None:
            return None
        told = row.proposal
        found = tuple(findings.by_id(self.database, told.findings).values())
        return _Ours(told, found, action.at_us, references.of_proposal(told, action.receipt.location))

    def _pull(self, row: OutcomeRow, number: int) -> Judged:
        pull = mirror.pull(self.database, self.project, number)
        issue = mirror.issue(self.database, self.project, number)
        if pull is None or issue is None:
            return self._waiting(row, f"pull request {number} is not in the mirror")
        reviewers = {
            one.author
            for one in mirror.reviews(self.database, self.project, number)
            if one.author != issue.author and one.state in ("APPROVED", "CHANGES_REQUESTED", "COMMENTED")
        }
        merged = mirror.events(self.database, self.project, number=number, kinds=("merged",))
        forge = Forge(
            merged=pull.merged_us is not None,
            closed_us=issue.closed_us,
            merged_us=pull.merged_us,
            merged_by=next((one.actor for one in merged if one.actor != issue.author), ""),
            reviewers=tuple(sorted(reviewers)),
            url=issue.url,
        )
        merge = pull.merge_sha if forge.merged else ""
        change = Change((pull.head_sha,), pull.base_sha, number, merge)
        return judge(
            row.outcome.id, self.history, change, self.now_us, opened_us=row.outcome.opened_us, forge=forge
        )

    def _regression(self, row: OutcomeRow, ours: _Ours) -> Judged:
        """Right if the commit it blames was taken back; else as any finding about lines."""
        for found in ours.findings:
            culprit = str(found.extra.get("culprit") or found.extra.get("commit") or "")
            for back in self.history.reverts_of(culprit) if culprit else ():
                return self._says(row).accepted(
                    "the commit it blames was taken back",
                    back.at_us,
                    evidence={"taken back by": back.sha},
                    confirmed=True,
                )
        return self._said_of_lines(row, ours, None)

    def _said_of_lines(self, row: OutcomeRow, ours: _Ours, reference: Reference | None) -> Judged:
        """Acted on if a later commit changes the lines: up to the pull request's last head, or the branch."""
        payload = ours.proposal.payload
        tip, over_us = self.history.tip, None
        if isinstance(payload, Review) or (reference is not None and reference.kind == "pull"):
            number = reference.number if reference is not None else getattr(payload, "number", 0)
            pull = mirror.pull(self.database, self.project, number) if number else None
            issue = mirror.issue(self.database, self.project, number) if number else None
            if pull is not None and issue is not None:
                tip, over_us = pull.head_sha, issue.closed_us
        told = [changed(self.repository, place, tip) for place in self._places(ours)]
        if any(told):
            at_us = over_us or self.now_us
            touched = sum(bool(one) for one in told)
            rule = f"a later change touches {touched} of {len(told)} places"
            return self._says(row).accepted(rule, max(ours.applied_us, at_us), evidence={"at": tip})
        if over_us is not None and told and not any(one is None for one in told):
            return self._says(row).rejected("closed without touching these lines", over_us, "medium")
        return self._waiting(row, "its lines are as they were")

    def _places(self, ours: _Ours) -> list[Place]:
        return [place for found in ours.findings for place in places_in(found.evidence)]

    def _waiting(self, row: OutcomeRow, rule: str) -> Judged:
        """What stands, stands; what nothing spoke of for half a year is unknown."""
        standing, opened_us = row.observation, row.outcome.opened_us
        if standing is not None and standing.state != "pending":
            return Judged(standing, next_look(opened_us, self.now_us))
        if self.now_us > opened_us + GIVEN_UP_DAYS * DAY_US:
            return self._says(row).unknown(f"{rule}, for {GIVEN_UP_DAYS} days")
        return self._says(row).pending(rule, opened_us, "low")

    def _says(self, row: OutcomeRow) -> Says:
        return Says(row.outcome.id, OBSERVER, self.now_us)


def _same(new: Observation, standing: Observation | None) -> bool:
    """Whether an observation says nothing that is not known: the ledger of what was seen stays short."""
    return standing is not None and (new.state, new.rule, new.accepted_us, new.ended_us, new.lines_kept) == (
        standing.state,
        standing.rule,
        standing.accepted_us,
        standing.ended_us,
        standing.lines_kept,
    )

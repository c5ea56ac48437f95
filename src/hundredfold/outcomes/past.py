"""A repository's past as outcomes: agents' pull requests out of the forge's mirror, agents' commits out of
git.

The mirror knows what was closed unmerged too, so acceptance has its denominator. git alone shows what came
in and nothing of what was rejected: such commits are followed for how long they stand, under a job of their
own.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from hundredfold.evidence.agenttraces import Trace, trace
from hundredfold.outcome import PAST, PAST_COMMITS, Origin, Outcome
from hundredfold.sources.githistory import Entry, History
from hundredfold.store import mirror
from hundredfold.store.database import Database
from hundredfold.store.mirrorrows import IssueRow, PullRow
from hundredfold.store.outcomes import outcome_id

#: whose work it is booked to: no job of ours brought it about
PULLS_JOB = PAST + "pull requests"
PEOPLE = "human"


class Past(Struct, frozen=True):
    """One thing of the past: its outcome, and by which trace it is an agent's (None: a person's)."""

    outcome: Outcome
    trace: Trace | None


def past_pulls(
    database: Database, project: str, *, since_us: int = 0, people: bool = False
) -> Iterator[Past]:
    """The agents' pull requests in the mirror opened since then, with `people` everybody's, oldest first."""
    details = {one.number: one for one in mirror.pulls(database, project)}
    for issue in mirror.issues(database, project, pull=True):
        pull = details.get(issue.number)
        if pull is None or issue.created_us < since_us:
            continue
        found = _trace_of(issue, pull)
        if found is not None or people:
            yield _past(project, f"pull:{issue.number}", issue.title, issue.author, issue.created_us, found)


def past_commits(
    history: History, project: str, *, since_us: int = 0, people: bool = False
) -> Iterator[Past]:
    """The agents' commits on the branch since then, with `people` everybody's, oldest first; no merges."""
    for entry in reversed(history.entries):
        if entry.at_us < since_us or len(entry.parents) > 1:
            continue
        found = trace_of(entry)
        if found is not None or people:
            yield _past(project, f"commit:{entry.sha}", entry.subject, entry.author, entry.at_us, found)


def trace_of(entry: Entry) -> Trace | None:
    """The agent that a commit is by; None: nothing says it is one's."""
    return trace(authors=(entry.author, entry.author_mail), text=entry.message)


def _trace_of(issue: IssueRow, pull: PullRow) -> Trace | None:
    return trace(authors=(issue.author,), text=issue.body, branch=pull.head_ref)


def _past(project: str, reference: str, title: str, author: str, opened_us: int, found: Trace | None) -> Past:
    pulled = reference.startswith("pull:")
    origin = Origin(
        project=project,
        job=PULLS_JOB if pulled else PAST_COMMITS,
        kind="pull_request" if pulled else "commit",
        agent=found.agent if found else PEOPLE,
    )
    outcome = Outcome(
        id=outcome_id(project, reference=reference),
        origin=origin,
        title=title,
        opened_us=opened_us,
        reference=reference,
        author=author,
    )
    return Past(outcome, found)

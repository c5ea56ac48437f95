"""Outcomes in words: the frozen records of what is followed, by whom it was made, and what was seen of it.

As in `vocabulary`: times are UTC microseconds, records know no I/O.
"""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

from hundredfold.vocabulary import JobName

OutcomeKind = str  # "pull_request", "finding", …: see KINDS; a third party's job may add its own
#: what is followed, in the words that pages show
KINDS: dict[OutcomeKind, str] = {
    "pull_request": "pull request merged",
    "commit": "commit kept",
    "finding": "finding confirmed",
    "comment": "review comment addressed",
    "duplicate": "duplicate closed",
    "regression": "regression confirmed",
    "issue": "issue opened and kept",
    "label": "label kept",
    "notice": "notice acted on",
    "other": "proposal accepted",
}

#: what a proposal of a type is followed as; a job may follow its own otherwise
_OF_TYPE: dict[str, OutcomeKind] = {
    "pull_request": "pull_request",
    "advisory": "finding",
    "check_run": "finding",
    "sarif": "finding",
    "comment": "comment",
    "review": "comment",
    "close": "duplicate",
    "issue": "issue",
    "labels": "label",
    "notice": "notice",
}
#: what a job's work is counted as while it has brought nothing about
_OF_JOB: dict[JobName, OutcomeKind] = {
    "security": "finding",
    "review": "comment",
    "dedupe": "duplicate",
    "bugs": "issue",
    "benchmarks": "regression",
    "direction": "issue",
    "meetings": "issue",
}


def plain_job(job: JobName) -> JobName:
    """A job's own name: an arm of an experiment works under JOB@CODE."""
    return job.partition("@")[0]


#: what no job of ours brought about, a repository's past, is booked to jobs whose names begin so
PAST = "past "
#: of the past that git alone tells: nobody knows what was rejected, so there is no acceptance of it
PAST_COMMITS = PAST + "commits"


def kind_of(job: JobName, type_: str = "") -> OutcomeKind:
    """What a proposal of a job and type is followed as; without a type, what the job is there for."""
    job = plain_job(job)
    if not type_:
        return _OF_JOB.get(job, "other")
    if job == "benchmarks" and type_ in ("issue", "notice", "comment"):
        return "regression"
    return _OF_TYPE.get(type_, "other")


OutcomeState = Literal["pending", "accepted", "rejected", "survived", "reverted", "unknown"]
"""pending: nothing says yes or no yet · accepted: yes, and it has not stood for the whole horizon yet ·
survived: accepted, and it stood for the whole horizon · rejected: no · reverted: accepted, then taken back ·
unknown: it can not be followed (gone, unreadable), which is neither yes nor no."""
ACCEPTED_STATES: frozenset[OutcomeState] = frozenset({"accepted", "survived", "reverted"})

#: a decision by a written policy bears its name after this, not a person's
POLICY = "policy:"

Strength = Literal["low", "medium", "high"]
"""How far the evidence of an observation can be trusted."""


class Origin(Struct, frozen=True):
    """Who brought something about, and for whom: what outcomes are counted by.

    `agent` is the backend ("codex", …) or, of history, the name its traces bear; "human" for people's work.
    `model` and `tier` are those served, "" where nobody knows. `repository` is "" for the project's own.
    """

    project: str
    job: JobName
    kind: OutcomeKind
    agent: str = ""
    model: str = ""
    effort: str = ""
    tier: str = ""
    payer: str = ""
    repository: str = ""
    simulated: bool = False


class Outcome(Struct, frozen=True):
    """Something whose fate is followed: a proposal of ours, or an external thing of a repository's past.

    `proposal` names ours; `reference` names what is on a forge or in git ("pull:123", "commit:<sha>"), and
    either may be there alone. `author` is the forge's name of who opened it, "" if that was us.
    """

    id: str
    origin: Origin
    title: str
    opened_us: int
    proposal: str | None = None
    reference: str = ""
    author: str = ""


class Observation(Struct, frozen=True, kw_only=True):
    """What was seen of an outcome's fate, once, by one observer or person. Observations are only ever added.

    `confirmed`: somebody or something other than the agent that made it says so. `accepted_us` is when it was
    accepted (needed by accepted, survived, reverted); `ended_us` when it was rejected or taken back;
    `observed_us` is up to when its fate is known, which is where a survival that goes on is censored.
    `lines_kept` of `lines` added are still there. `evidence` holds what was seen, small and JSON-able: urls,
    shas, names. `person`: a person says so, by name in `by`, with a `reason`; else `by` names the observer.
    """

    outcome: str
    state: OutcomeState
    rule: str
    strength: Strength
    observed_us: int
    by: str
    confirmed: bool = False
    accepted_us: int | None = None
    ended_us: int | None = None
    lines: int | None = None
    lines_kept: int | None = None
    evidence: dict[str, Any] = {}
    person: bool = False
    reason: str = ""

"""The GitHub forge: plans exact calls from the live state, keeps them, makes each once, and takes them back.

A call whose answer was lost is looked for before it is made again, by the marker or by what it names. An
action that was begun goes on with the calls it was planned with, if nobody else changed what they are
about; if somebody did, what was done is taken back and the proposal is stale.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

import msgspec

from hundredfold.errors import UnavailableError
from hundredfold.forges.github import comments, issues, pulls, reports, reviews
from hundredfold.forges.github.calls import GitHubError, Shut, Uncertain
from hundredfold.forges.github.client import GitHubClient
from hundredfold.forges.github.repo import Repo
from hundredfold.forges.github.work import Kind, Step, Wanted, Work, result_of
from hundredfold.forges.preconditions import LiveRepository, require
from hundredfold.forges.protocol import NONE, History, Stale
from hundredfold.forges.subject import Subject, Touch, numbers, require_subject, requirements
from hundredfold.payloads import (
    Advisory,
    CheckRun,
    Close,
    Comment,
    Issue,
    Labels,
    PullRequest,
    Review,
    Sarif,
)
from hundredfold.vocabulary import Proposal, Receipt

T = TypeVar("T")

TYPES = frozenset(
    {"comment", "review", "labels", "issue", "close", "pull_request", "check_run", "sarif", "advisory"}
)
#: steps that set something to a value
_SETTINGS = frozenset({"labels", "unlabel", "state", "comment_edit"})
LOOKS = 3  # how often a lost call is looked for before it is made again, and made again

_KINDS: Mapping[str, Kind] = {
    "comment": comments.COMMENT,
    "comment_edit": comments.EDIT,
    "issue": issues.ISSUE,
    "labels": issues.LABELS,
    "unlabel": issues.UNLABEL,
    "state": issues.STATE,
    "review": reviews.REVIEW,
    "file_remark": reviews.FILE_REMARK,
    "object": pulls.OBJECT,
    "ref": pulls.REF,
    "pull": pulls.PULL,
    "check_run": reports.CHECK_RUN,
    "sarif": reports.SARIF,
    "advisory": reports.ADVISORY,
}


class GitHubForge:
    """Implements `forges.protocol.Forge` on one repository. Not for use inside a running event loop.

    Args:
        connect: makes the client; called once, when it is first needed.
        local: the repository on this machine, for preconditions on its commits and quotes.
        build: makes a pull request's commits.
        settle_s: seconds after which a call whose answer was lost should show.
        clock: Unix seconds.
    """

    def __init__(
        self,
        connect: Callable[[], GitHubClient],
        repository: str,
        local: LiveRepository,
        build: pulls.Builder,
        *,
        settle_s: float = 2.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.name = f"github:{repository}"
        self._connect, self._repository = connect, repository
        self._local, self._build = local, build
        self._settle_s, self._clock = settle_s, clock
        self._runner: asyncio.Runner | None = None
        self._repo: Repo | None = None

    def types(self) -> frozenset[str]:
        """All but notices, which are no forge's."""
        return TYPES

    def preview(self, proposal: Proposal, key: str, ours: Sequence[Touch] = ()) -> list[str]:
        """The calls, with their bodies."""
        work = self._run(lambda repo: self._planned(repo, proposal, key, ours))
        return [_shown(step) for step in work.steps]

    def apply(self, proposal: Proposal, key: str, history: History = NONE) -> Receipt:
        """See `Forge.apply`."""
        return self._run(lambda repo: self._apply(repo, proposal, key, history))

    def undo(self, receipt: Receipt, key: str) -> str:
        """See `Forge.undo`."""
        work = msgspec.convert(receipt.undo["work"], Work)
        return self._run(lambda repo: _taken_back(repo, work))

    def abandon(self, begun: Mapping[str, Any], key: str) -> str:
        """See `Forge.abandon`."""

        async def work(repo: Repo) -> str:
            return await _taken_back(repo, await self._as_made(repo, msgspec.convert(begun, Work)))

        return self._run(work)

    def refresh(self, receipt: Receipt, key: str) -> Receipt | None:
        """See `Forge.refresh`: comments and reviews that are bound to a head."""
        work = msgspec.convert(receipt.undo["work"], Work)
        if not work.head:
            return None
        return self._run(lambda repo: self._refreshed(repo, receipt, work))

    def close(self) -> None:
        """Close the connections."""
        if self._runner is not None and self._repo is not None:
            self._runner.run(self._repo.client.close())
            self._runner.close()
        self._runner = self._repo = None

    def _run(self, work: Callable[[Repo], Coroutine[Any, Any, T]]) -> T:
        if self._runner is None:
            self._runner = asyncio.Runner()
            self._repo = Repo(self._connect(), self._repository)
        assert self._repo is not None
        return self._runner.run(work(self._repo))

    # ------------------------------------------------------------------ planning

    async def _planned(self, repo: Repo, proposal: Proposal, key: str, ours: Sequence[Touch]) -> Work:
        payload = proposal.payload
        if payload is None or proposal.type not in TYPES:
            raise UnavailableError(
                f"a proposal of type {proposal.type!r} does not say what to do on GitHub",
                "It can be applied to the local forge.",
            )
        number = await _target(repo, proposal)
        await self._require(repo, proposal)
        named = sorted({*numbers(proposal.preconditions), *([number] if number else [])})
        subjects = {one: await repo.subject(one) for one in named}
        for one in subjects.values():
            require_subject(proposal.preconditions, one, ours)
        subject = subjects.get(number)
        head = payload.head if isinstance(payload, Comment | Review) else ""
        if subject is not None:
            _require_open_to_us(subject, proposal, head)
        at = datetime.fromtimestamp(self._clock(), UTC).strftime("%Y-%m-%d %H:%M UTC")
        wanted = Wanted(proposal, key, subject, at)
        steps = await self._steps(repo, wanted)
        return Work(tuple(steps), tuple(subjects.values()), head)

    async def _steps(self, repo: Repo, wanted: Wanted) -> list[Step]:
        match wanted.proposal.payload:
            case Comment() as payload:
                return await comments.plan(repo, wanted, wanted.proposal.body, payload.head)
            case Review() as payload:
                return await reviews.plan(repo, wanted, payload)
            case Labels() as payload:
                return await issues.plan_labels(repo, wanted, payload)
            case Issue() as payload:
                return await issues.plan_issue(repo, wanted, payload)
            case Close() as payload:
                return await issues.plan_close(repo, wanted, payload)
            case PullRequest() as payload:
                return await pulls.plan(repo, wanted, payload, self._build, int(self._clock()))
            case CheckRun() as payload:
                return await reports.plan_check_run(repo, wanted, payload)
            case Sarif() as payload:
                return await reports.plan_sarif(repo, wanted, payload)
            case Advisory() as payload:
                return await reports.plan_advisory(repo, wanted, payload)
            case _:
                raise AssertionError("types() says otherwise")

    async def _require(self, repo: Repo, proposal: Proposal) -> None:
        """Preconditions on branches hold on GitHub, those on commits and quotes on this machine."""
        branches = {key: sha for key, sha in proposal.preconditions.items() if key.startswith("head:")}
        require(
            {key: value for key, value in proposal.preconditions.items() if key not in branches}, self._local
        )
        for key, sha in branches.items():
            name = key.removeprefix("head:")
            there = await repo.branch(name)
            if there != sha:
                now = f"at {there[:12]}" if there else "gone"
                raise Stale(f"{name} was at {sha[:12]} and is now {now}")

    # ------------------------------------------------------------------ applying

    async def _apply(self, repo: Repo, proposal: Proposal, key: str, history: History) -> Receipt:
        if history.begun:
            work = await self._looked(repo, msgspec.convert(history.begun, Work))
            try:
                await _require_untouched(repo, work, proposal)
            except Stale:
                await _taken_back(repo, await self._as_made(repo, work))
                history.keep({})
                raise
        else:
            work = await self._planned(repo, proposal, key, history.ours)
        history.keep(msgspec.to_builtins(work))
        for at in range(len(work.steps)):
            step = work.steps[at]
            if step.result is None:
                made = await self._made(repo, step)
                work = work.done(at, made).renamed(step.expected, made.get("sha", step.expected))
                history.keep(msgspec.to_builtins(work))
        touches = [
            work.touch(one, (await repo.subject(one.number)).updated_at)
            for one in work.subjects
            if any(step.number == one.number for step in work.steps)
        ]
        undo = {"work": msgspec.to_builtins(work), "touches": msgspec.to_builtins(touches)}
        return Receipt(_location(repo, work), undo)

    async def _looked(self, repo: Repo, work: Work) -> Work:
        """The work with its first step that is not known to be done looked for."""
        for at, step in enumerate(work.steps):
            if step.result is None:
                found = await _KINDS[step.kind].find(repo, step)
                return work if found is None else await self._looked(repo, work.done(at, found))
        return work

    async def _as_made(self, repo: Repo, work: Work) -> Work:
        """The work with the step that may have been made last taken as made: undoing what was not is harmless
        where nothing new comes into being."""
        work = await self._looked(repo, work)
        at = next((at for at, step in enumerate(work.steps) if step.result is None), None)
        return work.done(at, {}) if at is not None and work.steps[at].kind in _SETTINGS else work

    async def _made(self, repo: Repo, step: Step) -> dict[str, Any]:
        """Make one step, exactly once as far as GitHub tells; what is kept of its answer."""
        kind = _KINDS[step.kind]
        for _ in range(LOOKS):
            found = await kind.find(repo, step)
            if found is not None:
                return found
            try:
                answer = await repo.send(step.call)
            except Uncertain:
                await asyncio.sleep(self._settle_s)
                continue
            except Shut:
                raise
            except GitHubError as error:
                if error.status in kind.fine:
                    return {}
                raise
            result = result_of(answer)
            sha = result.get("sha", step.expected)
            if step.expected and sha != step.expected and not pulls.same_commit(step, answer.json()):
                raise GitHubError(
                    f"{step.method} {step.path}: GitHub made {sha[:12]}, not {step.expected[:12]}"
                )
            return result
        raise GitHubError(
            f"{step.method} {step.path}: the answer was lost {LOOKS} times", "Approve it again to go on."
        )

    async def _refreshed(self, repo: Repo, receipt: Receipt, work: Work) -> Receipt | None:
        subject = work.subjects[0]
        live = await repo.read("pulls", subject.number)
        if live is None or live["state"] != "open" or live["head"]["sha"] == work.head:
            return None
        head = live["head"]["sha"]
        changed = False
        for at, step in enumerate(work.steps):
            now = None
            if step.kind in ("comment", "comment_edit"):
                now = await comments.refresh(repo, step, head)
            elif step.kind == "review":
                now = await reviews.refresh(repo, step, head)
            if now is not None:
                changed = True
                steps = (*work.steps[:at], now, *work.steps[at + 1 :])
                work = msgspec.structs.replace(work, steps=steps)
        if not changed:
            return None
        return Receipt(receipt.location, {**receipt.undo, "work": msgspec.to_builtins(work)})


async def _target(repo: Repo, proposal: Proposal) -> int:
    payload = proposal.payload
    if isinstance(payload, Comment | Review) and payload.branch:
        return await repo.pull_of(payload.branch)
    return payload.number if isinstance(payload, Comment | Review | Labels | Close) else 0


def _require_open_to_us(subject: Subject, proposal: Proposal, head: str) -> None:
    if head and subject.head != head:
        raise Stale(f"#{subject.number} was at {head[:12]} and is now at {subject.head[:12] or 'no head'}")
    if subject.locked and proposal.type in ("comment", "review", "close"):
        raise UnavailableError(f"#{subject.number} is locked", "Unlock it there, or reject the proposal.")


async def _require_untouched(repo: Repo, work: Work, proposal: Proposal) -> None:
    """An action that was begun goes on only if nobody else changed what it is about.

    Raises:
        Stale: somebody did.
    """
    for before in work.subjects:
        live = await repo.subject(before.number)
        own = work.touch(before, live.updated_at)
        wanted = requirements(before.number, labels=before.labels, head=before.head)
        wanted[f"text:{before.number}"] = before.text
        if not (own.state and live.state == own.state):
            wanted[f"state:{before.number}"] = before.state
        require_subject(wanted, live, [own])


async def _taken_back(repo: Repo, work: Work) -> str:
    stays = []
    for step in reversed(work.steps):
        if step.result is not None:
            stays.append(await _KINDS[step.kind].undo(repo, step))
    return "; ".join(dict.fromkeys(filter(None, stays)))


def _location(repo: Repo, work: Work) -> str:
    for step in work.steps:
        if step.kind != "object" and (address := (step.result or {}).get("html_url")):
            return str(address)
    number = next((step.number for step in work.steps if step.number), 0)
    number = number or next((one.number for one in work.subjects), 0)
    return f"{repo.repository}#{number}" if number else repo.repository


def _shown(step: Step) -> str:
    call = f"{step.method} {step.path}"
    return (
        call
        if step.body is None
        else f"{call}\n{msgspec.json.format(msgspec.json.encode(step.body)).decode()}"
    )

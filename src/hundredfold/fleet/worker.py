"""What the engine calls: advance an item, try a task, run a check. Each may be called again after a crash.

The worker holds no durable state of its own: what was done is in the store, and it looks there first.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from typing import Any, TypeVar

import msgspec

from hundredfold.agents.protocol import Event, Gone, Outcome, Started, WorkOrder
from hundredfold.errors import HundredfoldError, LimitReached, StorageError, UnavailableError
from hundredfold.fleet.answers import judged
from hundredfold.fleet.board import Transcript
from hundredfold.fleet.desk import Desk
from hundredfold.fleet.engine import StepTaken, TryTaken
from hundredfold.fleet.routing import UntrustedHead, limits_of, provider_of, route_of
from hundredfold.gateway.grants import close_grant, open_grant
from hundredfold.proposals.record import record_done, record_skip
from hundredfold.store import attempts, items
from hundredfold.store.attempts import EXCUSED, KEPT, AttemptRow, AttemptState
from hundredfold.vocabulary import (
    SIMULATED,
    AgentTask,
    Answer,
    Ask,
    Check,
    CommandResult,
    Done,
    Finding,
    Item,
    Proposal,
    Round,
    Route,
    Skip,
    Step,
)

FIRST_BACKOFF_S = 5.0
LONGEST_BACKOFF_S = 120.0
NOT_TRIED_AGAIN = frozenset({"context", "request", "auth", "quota"})

log = logging.getLogger(__name__)
Titled = TypeVar("Titled", Finding, Proposal)

_STEP: msgspec.json.Decoder[Step] = msgspec.json.Decoder(Step)
_ANSWER = msgspec.json.Decoder(Answer)
_RESULTS = msgspec.json.Decoder(tuple[CommandResult, ...])


class Try(msgspec.Struct, frozen=True):
    """One try at a pass of a task. `number` counts all tries at it, `failures` this run's that count."""

    item: Item
    run: str
    task: AgentTask
    where: tuple[int, int, int]
    number: int
    failures: int


class Worker:
    """Implements `engine.Work` for one project."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        #: why no further attempt is started, once something makes all of them pointless
        self.halted: HundredfoldError | None = None
        self._live: dict[tuple[str, tuple[int, int, int]], asyncio.Task[TryTaken]] = {}
        self._stopping = False

    # ------------------------------------------------------------------ advance

    async def advance(self, item: str, rounds: list[list[Any]]) -> StepTaken:
        """Ask the job what to do next; a last step is recorded at once. An item that can't go on has failed,
        with the reason: it never stays open for ever."""
        row = items.find(self.desk.database, item)
        assert row is not None and row.run is not None, f"item {item} was queued without being stored"
        if row.state == "queued":
            items.set_state(self.desk.database, item, "working")
        try:
            return await self._advance(row.item, row.run, rounds)
        except HundredfoldError as error:
            if isinstance(error, UnavailableError | LimitReached | StorageError):
                self._halt(error)
            reason = error.whole
        except Exception as error:
            log.exception("the job %s failed on item %s", row.item.job, item)
            reason = f"a fault in the job {row.item.job}: {type(error).__name__}: {error}"
        items.set_state(self.desk.database, item, "failed", reason)
        return StepTaken(kind="failed", blob="", passes=[], provider="")

    async def _advance(self, item: Item, run: str, rounds: list[list[Any]]) -> StepTaken:
        finished = tuple(self._round(*one) for one in rounds)
        step = await asyncio.to_thread(
            self.desk.job(item.job).advance,
            self.desk.project(item.job),
            item,
            finished,
            model=self.desk.model,
        )
        match step:
            case Ask(tasks=tasks):
                provider = provider_of(self.desk.settings, item.job)
                return StepTaken(
                    kind="ask", blob=self._put(step), passes=[t.passes for t in tasks], provider=provider
                )
            case Check():
                return StepTaken(kind="check", blob=self._put(step), passes=[], provider="")
            case Done():
                done = self._labelled(item.job, step)
                await asyncio.to_thread(
                    record_done, self.desk.database, item, run, done, model=self.desk.model
                )
                return StepTaken(kind="done", blob="", passes=[], provider="")
            case Skip():
                await asyncio.to_thread(record_skip, self.desk.database, item, step)
                return StepTaken(kind="skip", blob="", passes=[], provider="")

    def _labelled(self, job: str, done: Done) -> Done:
        """What a simulated provider brought about says so in its title, wherever it is shown."""
        provider = self.desk.settings.provider[provider_of(self.desk.settings, job)]
        if not (self.desk.model and provider.simulated):
            return done
        return msgspec.structs.replace(
            done,
            findings=tuple(_simulated(one) for one in done.findings),
            proposals=tuple(_simulated(one) for one in done.proposals),
        )

    async def give_up(self, item: str, reason: str) -> None:
        """The item can't go on."""
        items.set_state(self.desk.database, item, "failed", reason)

    def _round(self, step_key: str, result_keys: list[str]) -> Round:
        step = _STEP.decode(self.desk.blobs.get(step_key))
        if isinstance(step, Check):
            return Round(step=step, results=_RESULTS.decode(self.desk.blobs.get(result_keys[0])))
        assert isinstance(step, Ask)
        labels = [task.label for task in step.tasks for _ in range(task.passes)]
        answers = [
            _ANSWER.decode(self.desk.blobs.get(key))
            if key
            else Answer(attempt="", label=label, status="failed", error="gave up after too many tries")
            for label, key in zip(labels, result_keys, strict=True)
        ]
        return Round(step=step, answers=tuple(answers))

    # ------------------------------------------------------------------ check

    async def check(self, item: str, step: str) -> str:
        """Run the commands of a step, each in a fresh, writable checkout of its revision."""
        check = _STEP.decode(self.desk.blobs.get(step))
        assert isinstance(check, Check)
        results = []
        for number, command in enumerate(check.commands):
            async with self.desk.pool.lend(command.revision, f"{item}-check{number}", writable=True) as lent:
                results.append(
                    await self.desk.sandbox.run(
                        command.argv, lent.path, writable=True, timeout_s=command.timeout_s
                    )
                )
        return self.desk.blobs.put(msgspec.json.encode(tuple(results)))

    # ------------------------------------------------------------------ attempt

    async def attempt(self, item: str, step: str, place: list[int]) -> TryTaken:
        """One try at a task; what is finished is returned, what still runs is waited for."""
        where = (place[0], place[1], place[2])
        if live := self._live.get((item, where)):
            return await asyncio.shield(live)
        ask = _STEP.decode(self.desk.blobs.get(step))
        row = items.find(self.desk.database, item)
        assert isinstance(ask, Ask) and row is not None and row.run is not None
        past = attempts.tries(self.desk.database, item, where)
        last = past[-1] if past else None
        if last and last.state in KEPT and last.answer:
            return _final(last.answer)
        counted = [one for one in past if one.state not in EXCUSED | {"running"}]
        failures = [one for one in counted if one.started_us >= row.queued_us]
        if len(failures) > self.desk.settings.fleet.retries and failures[-1].answer:
            return _final(failures[-1].answer)
        job = Try(row.item, row.run, ask.tasks[where[1]], where, len(past), len(failures))
        resuming = last is not None and last.state == "running"
        live = asyncio.ensure_future(self._resume(job, last) if resuming and last else self._begin(job))
        self._live[(item, where)] = live
        try:
            return await live
        finally:
            self._live.pop((item, where), None)

    async def _begin(self, job: Try) -> TryTaken:
        if self.halted:
            return self._unfinished(job.task, self.halted)
        if not self.desk.model:  # the question is left from a run that had one
            return self._unfinished(job.task, UnavailableError("no model can be asked in this run"))
        try:
            route = route_of(self.desk.settings, job.item.job, job.task, self.desk.backends)
            async with self.desk.admission.admitted(job.item, job.task, route):
                return await self._claimed(job, route)
        except UntrustedHead as error:
            return self._unfinished(job.task, error)
        except HundredfoldError as error:
            self._halt(error)
            return self._unfinished(job.task, error)

    async def _claimed(self, job: Try, route: Route) -> TryTaken:
        attempt = attempts.claim(
            self.desk.database,
            item=job.item.id,
            run=job.run,
            label=job.task.label,
            place=job.where,
            try_=job.number,
            route=route,
            prompt=self.desk.blobs.put(job.task.prompt.encode("utf-8", "surrogateescape")),
            schema=self.desk.blobs.put(msgspec.json.encode(job.task.schema)),
        )
        token = open_grant(
            self.desk.database,
            attempt_id=attempt,
            upstream=route.provider,
            model=route.model,
            tier=route.tier,
            limits=limits_of(self.desk.settings, job.item, attempt),
        )
        return await self._run(job, attempt, route, self.desk.gateway.address_for(token), None)

    async def _resume(self, job: Try, row: AttemptRow) -> TryTaken:
        if row.session is None or row.route.backend not in self.desk.backends:
            close_grant(self.desk.database, row.id)
            self._finish(row.id, "interrupted", "its agent died with the process that ran it")
            return _again(0.0)
        async with self.desk.admission.admitted(job.item, job.task, row.route, running=True):
            return await self._run(job, row.id, row.route, "", row.session)

    async def _run(
        self, job: Try, attempt: str, route: Route, address: str, resume: dict[str, Any] | None
    ) -> TryTaken:
        desk, task, transcript = self.desk, job.task, Transcript()
        desk.board.open(attempt, job.item.id, job.item.title, task.label, route)
        outcome = Outcome(status="failed", error_kind="agent", error="it never ran")
        try:
            async with desk.pool.lend(task.revision, attempt, writable=task.writable) as lent:

                def report(event: Event) -> None:
                    transcript.add(event)
                    desk.board.tell(attempt, event)
                    if isinstance(event, Started):
                        attempts.keep_session(desk.database, attempt, event.session, str(lent.path))

                order = WorkOrder(
                    attempt=attempt,
                    prompt=task.prompt,
                    schema=task.schema,
                    workspace=lent.path,
                    writable=task.writable,
                    gateway_url=address,
                    model=route.model,
                    effort=route.effort,
                    tier=route.tier,
                    deadline_s=task.deadline_s,
                    stall_s=desk.settings.fleet.stall_seconds,
                )
                outcome = await desk.backends[route.backend].run(order, report, resume)
        except Gone as gone:
            self._finish(attempt, "interrupted", str(gone) or "its agent is gone")
            return _again(0.0)
        except asyncio.CancelledError:
            self._finish(attempt, "interrupted" if self._stopping else "cancelled", "cancelled")
            raise
        except HundredfoldError as error:
            if isinstance(error, UnavailableError | StorageError):
                self._halt(error)
            outcome = Outcome(status="failed", error_kind="agent", error=error.whole)
        except Exception as error:
            log.exception("the agent %s failed on attempt %s", route.backend, attempt)
            outcome = Outcome(status="failed", error_kind="agent", error=f"{type(error).__name__}: {error}")
        finally:
            close_grant(desk.database, attempt)
            desk.board.close(attempt, outcome.status)
        return self._conclude(job, attempt, outcome, transcript)

    def _conclude(self, job: Try, attempt: str, outcome: Outcome, transcript: Transcript) -> TryTaken:
        state, value, error = judged(job.task, outcome)
        kept = self.desk.blobs.put(transcript.encoded())
        if state == "throttled":
            self._finish(attempt, "throttled", error, transcript=kept)
            return _again(_backoff(job.number))
        answer = self.desk.blobs.put(
            msgspec.json.encode(
                Answer(attempt=attempt, label=job.task.label, status=state, value=value, error=error)
            )
        )
        self._finish(attempt, state, error, answer=answer, transcript=kept)
        if outcome.error_kind == "quota":
            self._halt(LimitReached(error, "Raise the budget or wait; then run again, nothing is lost."))
        elif outcome.error_kind == "auth":
            self._halt(UnavailableError(error, "Check the provider's key; then run again, nothing is lost."))
        final = state in KEPT or outcome.error_kind in NOT_TRIED_AGAIN
        if final or job.failures >= self.desk.settings.fleet.retries:
            return _final(answer)
        return _again(_backoff(job.failures))

    def _finish(
        self,
        attempt: str,
        state: AttemptState,
        error: str,
        *,
        answer: str | None = None,
        transcript: str | None = None,
    ) -> None:
        attempts.finish(
            self.desk.database, attempt, state, error=error[:2000], answer=answer, transcript=transcript
        )

    def _halt(self, error: HundredfoldError) -> None:
        if self.halted is None:
            self.halted = error

    def _unfinished(self, task: AgentTask, error: HundredfoldError) -> TryTaken:
        status = "limit" if isinstance(error, LimitReached) else "failed"
        answer = Answer(attempt="", label=task.label, status=status, error=str(error))  # type: ignore[arg-type]
        return _final(self.desk.blobs.put(msgspec.json.encode(answer)))

    def _put(self, step: Step) -> str:
        return self.desk.blobs.put(msgspec.json.encode(step))

    # ------------------------------------------------------------------ the end

    async def stop(self) -> None:
        """Cancel what runs; it is marked interrupted and tried again by the next run."""
        self._stopping = True
        running = list(self._live.values())
        for task in running:
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*running, return_exceptions=True)


def _simulated(one: Titled) -> Titled:
    return msgspec.structs.replace(one, title=f"{SIMULATED}{one.title}")


def _final(answer: str) -> TryTaken:
    return TryTaken(answer=answer, again_in_s=0.0)


def _again(delay_s: float) -> TryTaken:
    return TryTaken(answer="", again_in_s=delay_s)


def _backoff(tries: int) -> float:
    """Full jitter over an exponential bound (AWS Architecture Blog, "Exponential Backoff And Jitter")."""
    bound = min(LONGEST_BACKOFF_S, FIRST_BACKOFF_S * 2.0 ** min(tries, 10))
    return random.uniform(bound / 2, bound)  # noqa: S311

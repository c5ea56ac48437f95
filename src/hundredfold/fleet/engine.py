"""The one module that knows DBOS: two durable workflows (item, attempt), two queues, and their life.

What is durable is small: a workflow's arguments and the keys of blobs that its steps returned. Queues are
named for the project, so that a run works on its own project only; attempts are a partitioned queue, keyed
by provider. DBOS lives once in a process, and so does an `Engine`.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol, TypedDict

import sqlalchemy as sa
from dbos import DBOS, DBOSClient, DBOSConfig, DBOSPortableJSONSerializer, SetEnqueueOptions, SetWorkflowID
from sqlalchemy import event

from hundredfold.errors import StorageError
from hundredfold.store.database import Database, normalised_url

APPLICATION_VERSION = "1"  # raise it only when a running workflow could not be continued by newer code
MAX_ROUNDS = 12
MAX_TRIES = 60
FOREIGN_POLL_S = 5.0
SETTLING_POLL_S = 0.05  # an attempt that has arrived is only waiting for its own last write
KEPT_DAYS = 7
MOST_FORGOTTEN = 1000  # a launch; a tenth of a second
PRIORITY_RANGE = (1, 2**31 - 1)


class StepTaken(TypedDict):
    """What `advance` decided: the kind of step, the blob it is kept in, and its tasks' passes (ask)."""

    kind: str
    blob: str
    passes: list[int]
    provider: str


class TryTaken(TypedDict):
    """How one try ended: the blob of its `Answer`, or how long to wait before the next try."""

    answer: str
    again_in_s: float


class Work(Protocol):
    """What the engine calls, durably. Every method may be called again after a crash with the same
    arguments and must then find what was done."""

    async def advance(self, item: str, rounds: list[list[Any]]) -> StepTaken:
        """Decide the item's next step; `rounds` are [step blob, [result blobs]] of the finished ones."""
        ...

    async def attempt(self, item: str, step: str, place: list[int]) -> TryTaken:
        """One try at a task; `place` is [round, task, pass]."""
        ...

    async def check(self, item: str, step: str) -> str:
        """Run a step's commands; the blob of their results."""
        ...

    async def give_up(self, item: str, reason: str) -> None:
        """The item can't go on: say so."""
        ...


_work: Work | None = None
_arrivals: dict[str, asyncio.Event] = {}
_engine: Engine | None = None


def _working() -> Work:
    assert _work is not None, "the engine was not launched"
    return _work


@DBOS.step(name="advance")
async def _advance(item: str, rounds: list[list[Any]]) -> StepTaken:
    return await _working().advance(item, rounds)


@DBOS.step(name="check", preemptible=True)
async def _check(item: str, step: str) -> str:
    return await _working().check(item, step)


@DBOS.step(name="try", preemptible=True)
async def _try(item: str, step: str, place: list[int]) -> TryTaken:
    return await _working().attempt(item, step, place)


@DBOS.step(name="give_up")
async def _give_up(item: str, reason: str) -> None:
    await _working().give_up(item, reason)


@DBOS.workflow(name="attempt", max_recovery_attempts=1000)
async def _attempt_workflow(item: str, step: str, place: list[int]) -> str:
    """Try a task until it has an answer; throttling and backoff are durable sleeps."""
    identity = DBOS.workflow_id or ""
    try:
        for _ in range(MAX_TRIES):
            taken = await _try(item, step, place)
            if taken["answer"]:
                return taken["answer"]
            await DBOS.sleep_async(taken["again_in_s"])
        return ""
    finally:
        if arrived := _arrivals.get(identity):
            arrived.set()


@DBOS.workflow(name="item", max_recovery_attempts=1000)
async def _item_workflow(item: str, priority: int) -> str:
    """An item's life: advance, then ask or check, round by round, until it is done or skipped."""
    identity = DBOS.workflow_id or ""
    rounds: list[list[Any]] = []
    for number in range(MAX_ROUNDS):
        step = await _advance(item, rounds)
        if step["kind"] == "ask":
            children = []
            for task, passes in enumerate(step["passes"]):
                for one in range(passes):
                    child = f"{identity}/{number}.{task}.{one}"
                    _arrivals.setdefault(child, asyncio.Event())
                    with (
                        SetWorkflowID(child),
                        SetEnqueueOptions(priority=priority, queue_partition_key=step["provider"]),
                    ):
                        children.append(
                            await DBOS.enqueue_workflow_async(
                                _the_engine().attempts_queue,
                                _attempt_workflow,
                                item,
                                step["blob"],
                                [number, task, one],
                            )
                        )
            answers = []
            for handle in children:
                await _the_engine().arrival(handle.workflow_id)
                answers.append(await handle.get_result(polling_interval_sec=SETTLING_POLL_S))
            rounds.append([step["blob"], answers])
        elif step["kind"] == "check":
            rounds.append([step["blob"], [await _check(item, step["blob"])]])
        else:
            return step["kind"]
    await _give_up(item, f"the job did not come to an end within {MAX_ROUNDS} rounds")
    return "failed"


def _the_engine() -> Engine:
    assert _engine is not None, "the engine was not launched"
    return _engine


class Engine:
    """DBOS, launched for one project's queues.

    Args:
        database: where our tables are; the engine's are in the same PostgreSQL database (schema `dbos`)
            or, with SQLite, in a second file beside it.
        project: the project's slug.
        items: items in progress at once; attempts: attempts at once in this process.
        providers: attempts at once per provider (the queue's partitions share the largest).
        idle: poll the queues once a second (a watching process) rather than ten times.
    """

    def __init__(
        self,
        database: Database,
        project: str,
        work: Work,
        *,
        items: int,
        attempts: int,
        per_provider: int,
        idle: bool = False,
    ) -> None:
        self.project = project
        self.items_queue = f"items:{project}"
        self.attempts_queue = f"attempts:{project}"
        self._work = work
        self._limits = (items, attempts, per_provider)
        self._poll_s = 1.0 if idle else 0.1
        self._url = engine_url(database)
        self._engine = _dbos_engine(self._url)

    async def launch(self) -> None:
        """Start DBOS on the running event loop; what a killed process of this project left is recovered.

        Raises:
            StorageError: the engine's database can't be opened or migrated.
        """
        global _work, _engine
        _work, _engine = self._work, self
        _arrivals.clear()
        _quiet_loggers()
        config: DBOSConfig = {
            "name": "hundredfold",
            "system_database_engine": self._engine,
            "system_database_url": self._url,
            "application_version": APPLICATION_VERSION,
            "executor_id": f"run:{self.project}",
            "max_executor_threads": 24,
            "console_log_level": "ERROR",
            "log_level": "ERROR",
            "serializer": DBOSPortableJSONSerializer(),
            "scheduler_polling_interval_sec": 3600.0,
            "use_listen_notify": False,
            "notification_listener_polling_interval_sec": 1.0,
        }
        try:
            DBOS(config=config)
            DBOS.listen_queues([self.items_queue, self.attempts_queue])
            DBOS.launch()
            items, attempts, per_provider = self._limits
            await DBOS.register_queue_async(
                self.items_queue,
                worker_concurrency=items,
                polling_interval_sec=self._poll_s,
                on_conflict="always_update",
            )
            await DBOS.register_queue_async(
                self.attempts_queue,
                worker_concurrency=attempts,
                partition_concurrency=per_provider,
                polling_interval_sec=self._poll_s,
                on_conflict="always_update",
            )
            await self.forget_old()
        except sa.exc.DBAPIError as error:
            raise StorageError(
                f"the engine's database refused: {error.orig}", "Check that it is writable and not full."
            ) from error

    async def enqueue(self, item: str, queued_us: int, priority: int) -> None:
        """Queue an item that was taken in at that time. The same again is no second workflow."""
        low, high = PRIORITY_RANGE
        bounded = min(max(priority, low), high)
        with SetWorkflowID(workflow_id(item, queued_us)), SetEnqueueOptions(priority=bounded):
            await DBOS.enqueue_workflow_async(self.items_queue, _item_workflow, item, bounded)

    async def arrival(self, attempt_workflow: str) -> None:
        """Wait until that workflow has ended, in this process (told at once) or another (asked now and
        every few seconds, outside the workflow's record: how often must not matter to a replay)."""
        arrived = _arrivals.setdefault(attempt_workflow, asyncio.Event())
        loop = asyncio.get_running_loop()
        while not arrived.is_set():
            if await loop.run_in_executor(None, self._ended, attempt_workflow):
                break
            try:
                await asyncio.wait_for(arrived.wait(), FOREIGN_POLL_S)
            except TimeoutError:
                continue
        _arrivals.pop(attempt_workflow, None)

    def _ended(self, identity: str) -> bool:
        schema = "" if self._engine.dialect.name == "sqlite" else "dbos."
        query = sa.text(f"SELECT status FROM {schema}workflow_status WHERE workflow_uuid = :id")  # noqa: S608
        with self._engine.connect() as connection:
            status = connection.execute(query, {"id": identity}).scalar()
        return status not in (None, "PENDING", "ENQUEUED", "DELAYED")

    async def forget_old(self) -> int:
        """Delete what ended more than `KEPT_DAYS` ago: the store has what it came to. Returns how many."""
        before = (datetime.now(UTC) - timedelta(days=KEPT_DAYS)).isoformat()
        old = await DBOS.list_workflows_async(
            name="item",
            queue_name=self.items_queue,
            status=["SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"],
            completed_before=before,
            limit=MOST_FORGOTTEN,
            load_input=False,
            load_output=False,
        )
        await DBOS.delete_workflows_async([one.workflow_id for one in old], delete_children=True)
        return len(old)

    async def close(self) -> None:
        """Stop dispatching. What is not finished stays queued or is recovered by the next launch."""
        global _work, _engine
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(1, thread_name_prefix="engine-close") as thread:
            await loop.run_in_executor(thread, DBOS.destroy)
        # DBOS made its own pool the loop's default and has shut it down; what is closed after us needs one.
        loop.set_default_executor(ThreadPoolExecutor(thread_name_prefix="default"))
        self._engine.dispose()
        _work = _engine = None


def workflow_id(item: str, queued_us: int) -> str:
    """The durable id of an item's work since it was last taken in."""
    return f"{item}@{queued_us}"


def cancel(database: Database, taken_in: Sequence[tuple[str, int]]) -> None:
    """Cancel items (id, when taken in) and all attempts below them, from any process: the one that works on
    them notices within about a second and stops their agents."""
    engine = _dbos_engine(engine_url(database))
    client = DBOSClient(system_database_engine=engine, serializer=DBOSPortableJSONSerializer())
    try:
        client.cancel_workflows([workflow_id(*one) for one in taken_in], cancel_children=True)
    finally:
        client.destroy()
        engine.dispose()


def _quiet_loggers() -> None:
    """Errors of DBOS and alembic go to whatever standard error is at that moment.

    The handler that DBOS makes for itself keeps the stream of its first launch, closed or not.
    """
    for name in ("dbos", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
    logger = logging.getLogger("dbos")
    if logging.lastResort is not None and not logger.handlers:
        logger.addHandler(logging.lastResort)
        logger.propagate = False


def engine_url(database: Database) -> str:
    """The engine's database: the same PostgreSQL one, or `engine.db` beside our SQLite file."""
    if database.is_sqlite:
        return f"sqlite:///{Path(database.engine.url.database or '').with_name('engine.db')}"
    return normalised_url(database.url)


def _dbos_engine(url: str) -> sa.Engine:
    """SQLite as DBOS needs it: one connection, immediate transactions, WAL, clocks finer than a second.

    The sub-second clock is lent to SQLite releases before 3.42, whose `unixepoch` has none.
    """
    if not url.startswith("sqlite"):
        return sa.create_engine(url, pool_size=20, max_overflow=0, pool_pre_ping=True)
    engine = sa.create_engine(
        url, pool_size=1, max_overflow=0, pool_timeout=120, connect_args={"check_same_thread": False}
    )

    @event.listens_for(engine, "connect")
    def _prepare(connection: sqlite3.Connection, _record: Any) -> None:
        connection.isolation_level = "IMMEDIATE"
        for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "busy_timeout=30000", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")
        if sqlite3.sqlite_version_info < (3, 42):
            connection.create_function("unixepoch", 1, lambda _mode: time.time())
            connection.create_function("strftime", 2, _strftime)

    return engine


def _strftime(form: str, moment: str) -> float | str | None:
    """SQLite's strftime for the one use DBOS makes of it: ('%s', 'now'), with the fraction kept."""
    return time.time() if (form, moment) == ("%s", "now") else None

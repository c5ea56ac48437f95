"""Putting a fleet together for one project, and taking it apart so that nothing is left behind."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

from msgspec import Struct

from hundredfold.agents.protocol import Backend
from hundredfold.config import Place, price_files
from hundredfold.errors import UnavailableError
from hundredfold.fleet.admission import Admission
from hundredfold.fleet.board import Board
from hundredfold.fleet.desk import Desk
from hundredfold.fleet.engine import Engine
from hundredfold.fleet.routing import route_of
from hundredfold.fleet.worker import Worker
from hundredfold.gateway.client import GatewayHandle, ensure_gateway, stop_leftover, supervise
from hundredfold.gateway.settings import GatewayConfig, Upstream
from hundredfold.jobs.known import Known
from hundredfold.jobs.protocol import Job
from hundredfold.prices.book import PriceBook, load_book
from hundredfold.settings import Settings
from hundredfold.sources.git import Repository
from hundredfold.store import attempts
from hundredfold.store.blobs import Blobs
from hundredfold.store.database import Database
from hundredfold.usage.ledger import Ledger
from hundredfold.usage.spend import bill
from hundredfold.usage.wording import line_text
from hundredfold.vocabulary import Limit
from hundredfold.workspaces.pool import GitWorkspacePool
from hundredfold.workspaces.protocol import Sandbox
from hundredfold.workspaces.sandbox import RefusingSandbox, find_sandbox

GIGABYTE = 10**9


class Assembly(Struct, frozen=True):
    """A launched fleet."""

    desk: Desk
    worker: Worker
    engine: Engine
    gateway: GatewayHandle | None
    book: PriceBook

    def check_routes(self) -> None:
        """See that every job's agent is there, before anything is taken in.

        Raises:
            UnavailableError: one is not installed.
        """
        for job in self.desk.jobs if self.desk.model else ():
            route_of(self.desk.settings, job, None, self.desk.backends)

    async def flush(self) -> None:
        """Wait until every request the gateway has seen is in the ledger."""
        if self.gateway is not None:
            await self.gateway.flush()

    def spent_text(self, run: str) -> str:
        """What the run has cost so far, in a few words; "" where no model is asked."""
        if self.gateway is None:
            return ""
        return line_text(bill(self.desk.database, self.book, by=(), run=run))


@contextlib.asynccontextmanager
async def assembled(
    place: Place,
    settings: Settings,
    database: Database,
    blobs: Blobs,
    repository: Repository,
    jobs: Iterable[Job],
    *,
    person: str,
    model: bool,
    idle: bool = False,
) -> AsyncIterator[Assembly]:
    """Start gateway (if a model is to be asked), backends and engine; stop them all on leaving.

    Raises:
        UnavailableError, StorageError, ConfigError: what could not be started, and how to mend it.
    """
    book = load_book(price_files(settings, place.root))
    async with contextlib.AsyncExitStack() as stack:
        gateway = None
        if model:
            gateway = await _gateway(stack, place, settings, database, person)
        else:
            await _end_leftovers(place, settings, database, person)
        backends = _backends(place, settings, database, person) if model else {}
        stack.push_async_callback(_close_all, backends)
        pool = GitWorkspacePool(
            repository.root,
            place.state / "workspaces",
            size=settings.workspaces.pool,
            disk_bytes=int(settings.workspaces.disk_gb * GIGABYTE),
            heads=place.heads,
        )
        stack.push_async_callback(pool.close)
        running = attempts.of_project(database, place.slug, states=("running",))
        await pool.sweep(keep={one.id for one in running})
        desk = Desk(
            place=place,
            settings=settings,
            database=database,
            blobs=blobs,
            repository=repository,
            jobs={job.name: job for job in jobs},
            pool=pool,
            sandbox=_sandbox(settings),
            backends=backends,
            gateway=gateway or _NoGateway(),
            admission=_admission(settings, book, database, gateway),
            board=Board(),
            known=Known.of(database, blobs, place.slug, settings),
            model=model,
        )
        worker = Worker(desk)
        most = max(one.max_attempts for one in settings.provider.values())
        engine = Engine(
            database,
            place.slug,
            worker,
            items=settings.fleet.agents if model else 4,
            attempts=settings.fleet.agents,
            per_provider=min(most, settings.fleet.agents),
            idle=idle,
        )
        await engine.launch()
        stack.push_async_callback(engine.close)
        yield Assembly(desk=desk, worker=worker, engine=engine, gateway=gateway, book=book)


async def _gateway(
    stack: contextlib.AsyncExitStack,
    place: Place,
    settings: Settings,
    database: Database,
    person: str,
) -> GatewayHandle:
    config = GatewayConfig(
        database_url=database.url,
        upstreams={
            name: Upstream(
                base_url=one.base_url, key_env=one.key_env, prices=one.prices or name, simulated=one.simulated
            )
            for name, one in settings.provider.items()
        },
        prices=tuple(map(str, price_files(settings, place.root))),
        reserve_output=settings.gateway.reserve_output,
        first_byte_seconds=settings.gateway.first_byte_seconds,
        person=person,
        payer=settings.project.payer,
        cost_centre=settings.project.cost_centre,
    )
    handle = await ensure_gateway(place.state / "gateway", config)
    stack.push_async_callback(handle.stop)
    watcher = asyncio.ensure_future(supervise(handle))
    stack.push_async_callback(_ended, watcher)
    return handle


async def _ended(task: asyncio.Future[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


def _backends(place: Place, settings: Settings, database: Database, person: str) -> dict[str, Backend]:
    """The agents that are installed, by name."""
    from hundredfold.agents.acp.style import Acp, find_acp
    from hundredfold.agents.claude.locate import find_claude
    from hundredfold.agents.claude.style import Claude
    from hundredfold.agents.codex.backend import CodexBackend
    from hundredfold.agents.codex.locate import find_codex
    from hundredfold.agents.codex_exec.style import CodexExec
    from hundredfold.agents.native.backend import NativeBackend
    from hundredfold.agents.programs.backend import ProgramBackend
    from hundredfold.fleet.rollouts import Rollouts

    lent = settings.route.login == "subscription"
    kept = Rollouts(database, settings.project, person).keep if lent else None
    acp = settings.acp
    backends: dict[str, Backend] = {"native": NativeBackend(_sandbox(settings))}
    if find_codex() is not None:
        backends["codex"] = CodexBackend(place.state / "codex")
        backends["codex-exec"] = ProgramBackend(
            CodexExec(subscription=lent), place.state / "codex-exec", kept=kept
        )
    if find_claude() is not None:
        backends["claude"] = ProgramBackend(Claude(subscription=lent), place.state / "claude", kept=kept)
    if acp.command and find_acp(acp.command[0]) is not None:
        backends["acp"] = ProgramBackend(Acp(acp.command, acp.environment), place.state / "acp")
    return backends


async def _end_leftovers(place: Place, settings: Settings, database: Database, person: str) -> None:
    """End what a killed run left up for the next one, which this one, without a model, is not."""
    await stop_leftover(place.state / "gateway")
    if (place.state / "codex").is_dir():
        await _close_all(_backends(place, settings, database, person))


async def _close_all(backends: dict[str, Backend]) -> None:
    for backend in backends.values():
        await backend.close()


def _sandbox(settings: Settings) -> Sandbox:
    """The sandbox of this machine; where there is none, one that refuses every command."""
    return (
        find_sandbox([Path(folder).expanduser() for folder in settings.workspaces.read]) or RefusingSandbox()
    )


class _NoGateway:
    """Stands where no model is asked: nothing may want an address."""

    def address_for(self, token: str) -> str:
        raise UnavailableError("no gateway runs, since no model is to be asked", "Run without --no-model.")


def _admission(
    settings: Settings, book: PriceBook, database: Database, gateway: GatewayHandle | None
) -> Admission:
    ledger = Ledger(database)

    def spent(limit: Limit) -> int:
        return ledger.spent(book, limit)

    def paused_until(provider: str) -> float:
        return gateway.paused_until(provider) if gateway is not None else 0.0

    return Admission(settings, book, spent, paused_until)

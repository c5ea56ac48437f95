"""A rehearsal: the configured fleet on a simulated provider, in a home of its own, measured.

The user's ledger, keys and provider are never touched: the provider is a process on loopback, the data
directory is temporary, and every upstream of the settings is replaced. All that a rehearsal reports is marked
as simulated.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import msgspec
import sqlalchemy as sa
from msgspec import Struct

from hundredfold.config import Place
from hundredfold.errors import UnavailableError
from hundredfold.prices.book import PriceBook
from hundredfold.settings import Budget, ProviderSettings, Settings
from hundredfold.simulation.measure import Measured, Meter
from hundredfold.simulation.month import TierCost, month_costs
from hundredfold.simulation.process import provider_process
from hundredfold.simulation.provider.log import read_log
from hundredfold.simulation.truth import Comparison, compare, ledger_rows
from hundredfold.store.database import Database, now_us, open_database, sqlite_url
from hundredfold.store.tables.work import attempts, items
from hundredfold.vocabulary import Usage

#: what Claude Code is rehearsed with where the settings name no model of Anthropic's
CLAUDE_MODEL = "claude-opus-5-5"

RunFleet = Callable[[Settings, Place], Awaitable[None]]
"""Runs the fleet to its end, with its gateway marked as simulated. All requests must be in the ledger, and
all its processes ended, when it returns."""


class Rehearsal(Struct, frozen=True, kw_only=True):
    """What a rehearsal came to. Everything in it is simulated; money is picodollars at list price."""

    simulated: bool = True
    profile: str
    seed: int
    agents: int
    items: dict[str, int]  # by end state
    attempts: dict[str, int]  # by end state
    requests: dict[str, int]  # by what the provider did
    usage: Usage  # as the provider billed it
    measured: Measured
    comparison: Comparison
    items_per_day: int
    month: tuple[TierCost, ...]


async def rehearse(
    settings: Settings,
    root: Path,
    slug: str,
    run_fleet: RunFleet,
    book: PriceBook,
    *,
    agents: int = 100,
    profile: str = "calm",
    seed: int = 0,
    items_per_day: int = 200,
    keep: Path | None = None,
) -> Rehearsal:
    """Run `run_fleet` on a simulated provider and report what it did and used.

    `keep` is a new folder for the rehearsal's home, kept afterwards; by default it is temporary.

    Raises:
        ConfigError, UnavailableError: the provider can't be started; else whatever `run_fleet` raises.
    """
    with (
        _home(keep) as home,
        provider_process(home / "provider.jsonl", profile=profile, seed=seed) as provider,
    ):
        staged = _staged(for_agent(settings), provider.base_url, home, agents)
        place = Place(root=root, slug=slug, home=home)
        place.state.mkdir(parents=True, mode=0o700)
        with _environment(home), Meter(provider.pid, str(home)) as meter:
            await run_fleet(staged, place)
        measured = await asyncio.to_thread(meter.finish)
        log = read_log(provider.log) if provider.log.exists() else []
        database = open_database(staged.database)
        try:
            prices = _prices_of(staged)
            rows = ledger_rows(database)
            ended = {table.name: _by_state(database, table) for table in (items, attempts)}
        finally:
            database.close()
        requests: dict[str, int] = {}
        usage = Usage()
        for line in log:
            requests[line.outcome] = requests.get(line.outcome, 0) + 1
            usage += line.usage or Usage()
        return Rehearsal(
            profile=profile,
            seed=seed,
            agents=agents,
            items=ended["items"],
            attempts=ended["attempts"],
            requests=requests,
            usage=usage,
            measured=measured,
            comparison=compare(log, rows, book, prices=prices),
            items_per_day=items_per_day,
            month=month_costs(
                log,
                book,
                prices=prices,
                seconds=measured.wall_s,
                items=sum(ended["items"].values()),
                items_per_day=items_per_day,
                at_us=now_us(),
            ),
        )


def for_agent(settings: Settings) -> Settings:
    """The settings, with a model of Anthropic's where Claude Code is to be rehearsed and none is named."""
    replace, route = msgspec.structs.replace, settings.route
    if route.agent != "claude" or _prices_of(settings) == "anthropic":
        return settings
    return replace(
        settings,
        provider={**settings.provider, "anthropic": ProviderSettings(base_url="", prices="anthropic")},
        route=replace(route, provider="anthropic", model=CLAUDE_MODEL),
        job={name: replace(one, provider="", model="") for name, one in settings.job.items()},
    )


def _staged(settings: Settings, base_url: str, home: Path, agents: int) -> Settings:
    """The settings with every provider replaced by the simulated one, and nothing of the user's storage.

    Limits are lifted: simulated dollars must not stop a rehearsal where real ones would stop a run.
    """
    replace = msgspec.structs.replace
    providers = {
        name: ProviderSettings(
            base_url=base_url,
            key_env="",
            prices=one.prices or name,
            max_attempts=max(agents, one.max_attempts),
            simulated=True,
        )
        for name, one in settings.provider.items()
    }
    return replace(
        settings,
        provider=providers,
        route=replace(settings.route, login="gateway"),
        database=sqlite_url(home / "hundredfold.db"),
        fleet=replace(settings.fleet, agents=agents, review_minutes=float("inf")),
        budgets=Budget(),
        job={name: replace(one, budgets=Budget()) for name, one in settings.job.items()},
        workspaces=replace(settings.workspaces, pool=max(agents, settings.workspaces.pool)),
    )


def _by_state(database: Database, table: sa.Table) -> dict[str, int]:
    query = sa.select(table.c.state, sa.func.count()).group_by(table.c.state)
    with database.read() as connection:
        return {row[0]: row[1] for row in connection.execute(query)}


def _prices_of(settings: Settings) -> str:
    name = settings.route.provider
    return settings.provider[name].prices or name


@contextlib.contextmanager
def _home(keep: Path | None) -> Iterator[Path]:
    """A data directory that is not the user's; removed afterwards unless it is to be kept."""
    if keep is not None:
        keep.mkdir(parents=True, mode=0o700)
        yield keep.resolve()
        return
    # A short name, because sockets below it have a limit of 107 bytes. Not below TMPDIR: Codex refuses to
    # set up its command sandbox for a home there.
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    try:
        cache.mkdir(parents=True, exist_ok=True, mode=0o700)
        home = Path(tempfile.mkdtemp(prefix="hf-", dir=cache))
    except OSError as error:
        raise UnavailableError(
            f"no folder for the rehearsal can be made in {cache}: {error.strerror}",
            "Set XDG_CACHE_HOME to a folder you can write.",
        ) from error
    try:
        yield home.resolve()
    finally:
        shutil.rmtree(home, ignore_errors=True)


@contextlib.contextmanager
def _environment(home: Path) -> Iterator[None]:
    """The variables that would lead to the user's own home or database point into the rehearsal's."""
    names = ("HUNDREDFOLD_HOME", "HUNDREDFOLD_DATABASE")
    before = {name: os.environ.get(name) for name in names}
    os.environ["HUNDREDFOLD_HOME"] = str(home)
    os.environ.pop("HUNDREDFOLD_DATABASE", None)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value

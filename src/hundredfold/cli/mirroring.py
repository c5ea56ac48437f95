"""Keeping the mirror up to date on behalf of commands: one sync shown as it goes, and webhooks taken in."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import TYPE_CHECKING, Any

from hundredfold.cli.context import Context
from hundredfold.cli.output import console, say
from hundredfold.errors import ConfigError, HundredfoldError

if TYPE_CHECKING:
    from hundredfold.jobs.protocol import Job
    from hundredfold.sections import PullsSettings
    from hundredfold.sources.github.mirror import Synced, Tick
    from hundredfold.sources.github.receiver import Receiver

PLAIN_EVERY_S = 5.0
EVERY_S = 30.0
NAMES = {
    "inline": "inline comments",
    "pulls": "pull requests",
    "runs": "workflow runs",
    "reviews": "pull requests asked for reviews",
    "checks": "heads asked for checks",
    "logs": "failed runs asked for logs",
}


def require_repository(context: Context) -> str:
    """owner/name of the project's repository on GitHub.

    Raises:
        ConfigError: the settings name none.
    """
    repository = context.settings.forge.repository
    if not repository:
        raise ConfigError(
            "the settings name no repository to mirror",
            'Write repository = "owner/name" into the [forge] table of hundredfold.toml.',
        )
    return repository


def secret_of(context: Context) -> str:
    """The webhook's secret.

    Raises:
        ConfigError: there is none in the environment.
    """
    name = context.settings.forge.webhook_secret_env
    secret = os.environ.get(name, "")
    if not secret:
        raise ConfigError(
            f"the environment variable {name} holds no secret for webhooks",
            "Set it to the secret that the webhook has on GitHub: without one anybody could write here.",
        )
    return secret


async def synced(context: Context, tick: Tick, days: float | None = None) -> Synced:
    """Bring the project's mirror up to date once.

    Raises:
        ConfigError: no repository, or no credential.
        UnavailableError, LimitReached: GitHub can't be read (now); what was read is kept.
    """
    from hundredfold.forges.github.access import client_of
    from hundredfold.sources.github.mirror import Mirror, Wanted

    settings = context.settings.forge
    client = client_of(settings)
    wanted = Wanted(days=settings.mirror_days if days is None else days)
    try:
        mirror = Mirror(
            client,
            context.database,
            context.blobs,
            context.place.slug,
            require_repository(context),
            wanted,
            tick=tick,
        )
        return await mirror.sync()
    finally:
        await client.close()


@contextlib.asynccontextmanager
async def listening(
    context: Context, told: Callable[[tuple[str, ...]], Awaitable[None]], port: int | None = None
) -> AsyncIterator[Receiver]:
    """Take webhooks in at the settings' address for as long as the block lasts; says where on stderr.

    Raises:
        ConfigError: there is no secret in the environment.
        UnavailableError: the port can't be had.
    """
    from hundredfold.sources.github.receiver import Receiver

    settings = context.settings.forge
    secret = secret_of(context)
    receiver = Receiver(context.database, context.place.slug, require_repository(context), secret, told)
    at = settings.webhook_port if port is None else port
    async with receiver.serving(settings.webhook_host, at) as url:
        say(f"webhooks of {settings.repository} are taken in at {url}")
        yield receiver


class Refresh:
    """Brings the mirror up to date before jobs that read it look for items, and the heads of pull requests
    here for those that look at them, at most every `EVERY_S`.

    A forge that can't be read stops no run: it is said, and the jobs see what was read before. The first time
    is shown as it goes; later ones are not, since the run's own summary has the terminal then.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._last: float | None = None

    async def __call__(self, jobs: list[Job]) -> None:
        """See the class."""
        from hundredfold.jobs.protocol import reads_forge, reads_pulls
        from hundredfold.proposals.sanitise import for_terminal

        now = time.monotonic()
        settings = self._context.settings
        wanted = settings.forge.repository and any(reads_forge(one, settings.job[one.name]) for one in jobs)
        if not wanted or (self._last is not None and now - self._last < EVERY_S):
            return
        showing = shown() if self._last is None else contextlib.nullcontext(_nothing)
        self._last = now
        try:
            with showing as tick:
                done = await synced(self._context, tick)
        except HundredfoldError as error:
            say(for_terminal(f"the forge's mirror is not up to date: {error.whole}"))
            return
        for name, why in done.refused.items():
            say(for_terminal(f"the forge's {_name(name)} could not be read: {why}"))
        for one in jobs:
            if reads_pulls(one, settings.job[one.name]):
                await _bring_heads(self._context, settings.job[one.name].pulls)


async def _bring_heads(context: Context, settings: PullsSettings) -> None:
    """Fetch the heads of the pull requests to look at; what could not be had is said."""
    from hundredfold.forges.github.access import client_of, git_address, git_authorization
    from hundredfold.proposals.sanitise import for_terminal
    from hundredfold.sources.heads import Heads, choose, keep_bases
    from hundredfold.store import mirror

    place, forge = context.place, context.settings.forge
    chosen = choose(context.database, place.slug, settings)
    still_open = {one.number for one in mirror.pulls(context.database, place.slug, state="open")}
    heads = Heads(place.heads, context.repository)
    try:
        client = client_of(forge)
        try:
            allowed = git_authorization(await client.auth.authorization())
        finally:
            await client.close()
        done, tips = await asyncio.to_thread(
            heads.fetch, chosen.pulls, still_open, git_address(forge), allowed
        )
    except HundredfoldError as error:
        say(for_terminal(f"the heads of pull requests could not be fetched: {error.whole}"))
        return
    keep_bases(context.database, place.slug, forge.repository, tips)
    for number, why in sorted(done.missing.items()):
        say(for_terminal(f"the head of #{number} could not be fetched: {why}"))
    if chosen.beyond:
        bound = f"[job.review.pulls] most is {settings.most}"
        say(f"{chosen.beyond} more open pull requests, which changed earlier, are not looked at: {bound}")


@contextlib.asynccontextmanager
async def webhooks(
    context: Context, jobs: list[Job], nudged: set[str], *, watch: bool
) -> AsyncIterator[None]:
    """While watching, and if the settings name a port: take webhooks in, and nudge the jobs that read the
    mirror when something changed there.

    Raises:
        ConfigError, UnavailableError: see `listening`.
    """
    from hundredfold.jobs.protocol import reads_forge

    if not watch or not context.settings.forge.webhook_port:
        yield
        return
    settings = context.settings.job
    names = {job.name for job in jobs if reads_forge(job, settings[job.name])}

    async def told(_items: tuple[str, ...]) -> None:
        nudged.update(names)

    async with listening(context, told):
        yield


def _nothing(_resource: str, _done: int, _all: int) -> None:
    """Shows nothing."""


@contextlib.contextmanager
def shown() -> Iterator[Tick]:
    """A bar for each resource on a terminal, a line now and then otherwise."""
    if sys.stderr.isatty():
        with _bars() as tick:
            yield tick
        return
    printed = time.monotonic()

    def plain(resource: str, done: int, total: int) -> None:
        nonlocal printed
        if time.monotonic() - printed >= PLAIN_EVERY_S:
            printed = time.monotonic()
            say(f"mirror: {done:,}{f' of about {total:,}' if total > done else ''} {_name(resource)}")

    yield plain


@contextlib.contextmanager
def _bars() -> Iterator[Tick]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description:31}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console(stderr=True), transient=True) as progress:
        tasks: dict[str, Any] = {}

        def tick(resource: str, done: int, total: int) -> None:
            if resource not in tasks:
                tasks[resource] = progress.add_task(_name(resource), total=None)
            progress.update(tasks[resource], completed=done, total=total or None)

        yield tick


def _name(resource: str) -> str:
    return NAMES.get(resource, resource)

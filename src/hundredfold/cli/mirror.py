"""`hundredfold mirror`: read the project's issues, pull requests, reviews, checks and CI logs from GitHub."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING, Any

import msgspec

from hundredfold.cli.context import Context, Where
from hundredfold.cli.output import counted, print_json, say
from hundredfold.config import MOST_DAYS
from hundredfold.errors import ConfigError

if TYPE_CHECKING:
    from hundredfold.sources.github.mirror import Synced


def mirror(
    *,
    days: float | None = None,
    listen: bool = False,
    port: int | None = None,
    json: bool = False,
    where: Where = Where(),  # noqa: B008
) -> int:
    """Read issues, pull requests, comments, reviews, checks and the logs of failed CI runs from GitHub.

    Only what changed is asked for; a sync that was stopped goes on where it was. `hundredfold run` does this
    by itself for jobs that need it. Needs [forge] repository, and a token or a GitHub App. Exit codes: 0 up
    to date, 4 GitHub can't be read, 5 a rate limit lasts too long (call again later).

    Parameters
    ----------
    days
        How far back reviews, checks, events and CI runs are read (default: [forge] mirror-days); 0 = all.
    listen
        Stay up and take GitHub's webhooks in as they come. The secret is read from the environment.
    port
        Where to listen (default: [forge] webhook-port; 0 = any free port).
    json
        Print one JSON document a sync.
    """
    if days is not None and not 0 <= days <= MOST_DAYS:
        raise ConfigError(f"--days is {days}", f"It must be from 0 (all there are) to {MOST_DAYS}.")
    return asyncio.run(_mirror(where.open(), days, listen=listen, port=port, json=json))


async def _mirror(context: Context, days: float | None, *, listen: bool, port: int | None, json: bool) -> int:
    from hundredfold.cli.mirroring import listening, require_repository, secret_of, shown, synced

    require_repository(context)
    if listen:
        secret_of(context)
    with shown() as tick:
        done = await synced(context, tick, days)
    _print(context, done, json=json)
    if not listen:
        return 0

    async def told(items: tuple[str, ...]) -> None:
        if json:
            print_json({"changed": items})
        else:
            say(
                f"changed: {', '.join(items[:10])}{f' and {len(items) - 10} more' if len(items) > 10 else ''}"
            )

    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with listening(context, told, port) as receiver:
        say("Ctrl-C ends it")
        await stop.wait()
    tally = receiver.tally
    say(f"{tally.taken:,} deliveries taken in, {tally.replayed:,} replayed, {tally.refused:,} refused")
    return 0


def _print(context: Context, done: Synced, *, json: bool) -> None:
    from hundredfold.proposals.sanitise import for_terminal
    from hundredfold.store.mirror import counts

    there = counts(context.database, context.place.slug)
    repository = context.settings.forge.repository
    if json:
        document: dict[str, Any] = {
            "repository": repository,
            "holds": there,
            "sync": msgspec.to_builtins(done),
        }
        print_json(document)
        return
    for name, why in done.refused.items():
        say(f"{name} could not be read: {for_terminal(why)}")
    issues = there["issues"] - there["pulls"]
    say(
        f"{repository}: {counted(issues, 'issue')}, {counted(there['pulls'], 'pull request')}, "
        f"{counted(there['comments'], 'comment')}, "
        f"{there['reviews']:,} reviews, {there['checks']:,} checks, {there['runs']:,} workflow runs"
    )
    say(
        f"read {sum(done.read.values()):,} entries in {done.seconds:.1f} s "
        f"with {counted(done.requests, 'request')} "
        f"({done.unchanged:,} of them unchanged, which cost nothing of the limit)"
        + (f"; waited {done.waited_s:.0f} s for rate limits" if done.waited_s >= 1 else "")
    )

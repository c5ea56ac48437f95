"""Tells a run by chat, where that is configured: its status, what stopped it, and yesterday's digest."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

from hundredfold.errors import HundredfoldError
from hundredfold.fleet.assembly import Assembly
from hundredfold.fleet.routing import provider_of
from hundredfold.fleet.run import Run
from hundredfold.notices import delivery, others
from hundredfold.notices.session import Pulse, delivering, webhook_url
from hundredfold.notices.telling import Telling
from hundredfold.proposals.inbox import pending_minutes
from hundredfold.store import items
from hundredfold.usage.spend import bill
from hundredfold.usage.wording import line_text

log = logging.getLogger(__name__)


@contextlib.asynccontextmanager
async def told(assembly: Assembly, run: Run, stop: asyncio.Event) -> AsyncIterator[None]:
    """Tell the run while the block lasts, and how it ended. A failed delivery is tried again, by the next run
    if need be, and fails nothing.

    Raises:
        ConfigError: the configured variable does not hold a webhook's URL.
    """
    desk = assembly.desk
    url, urls = webhook_url(desk.settings.notices), others.addresses(desk.settings.notices)
    if not url and not urls:
        yield
        return
    simulated = desk.model and any(
        desk.settings.provider[provider_of(desk.settings, job)].simulated for job in desk.jobs
    )
    channels = ((delivery.CHANNEL,) if url else ()) + ((others.CHANNEL,) if urls else ())
    telling = Telling(
        desk.database, desk.place.slug, desk.place.root.name, simulated=simulated, channels=channels
    )
    pulse = Pulse(lambda end: asyncio.to_thread(_tell, assembly, run, telling, end, status=bool(url)))
    async with delivering(desk.database, desk.place.slug, desk.blobs, url, pulse.beat):
        try:
            yield
        finally:
            halted = assembly.worker.halted
            if halted is not None and desk.settings.notices.discord.alerts:
                with contextlib.suppress(HundredfoldError):
                    telling.stopped(run.id, str(halted), halted.mend)
            await pulse.beat("stopped" if stop.is_set() or halted else "done")
            if urls:
                try:
                    await asyncio.to_thread(others.deliver, desk.database, desk.place.slug, urls)
                except Exception:
                    log.warning("notices could not be delivered through Apprise", exc_info=True)


def _tell(assembly: Assembly, run: Run, telling: Telling, end: str, *, status: bool) -> None:
    desk, wanted = assembly.desk, assembly.desk.settings.notices.discord
    database, project = desk.database, desk.place.slug
    if wanted.digest:
        today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        since, until = (int(at.timestamp() * 1e6) for at in (today - timedelta(days=1), today))
        spent = bill(database, assembly.book, by=(), project=project, since_us=since, until_us=until)
        telling.digest(datetime.now(UTC), line_text(spent))
    if wanted.status and status:
        states = items.counts(database, project, run.id)
        waiting = pending_minutes(database, project)
        telling.status(run.id, states, assembly.spent_text(run.id), waiting, end)

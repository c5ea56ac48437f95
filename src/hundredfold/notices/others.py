"""Slack, mail and others through Apprise, an optional extra: alerts, digests and notices, without pictures.

Apprise bundles many services without their limits being known to us, so this is best effort: what a service
does not take is tried again by the next run, and given up after `MOST_TRIES`. Its addresses are secrets.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from hundredfold.errors import UnavailableError
from hundredfold.notices.embed import MAX_TITLE, harmless
from hundredfold.store import notices
from hundredfold.store.database import Database, now_us

if TYPE_CHECKING:
    from hundredfold.settings import NoticesSettings

CHANNEL = "apprise"
MAX_BODY = 2_000
MOST_TRIES = 8
RETRY_S = 300


def addresses(settings: NoticesSettings) -> list[str]:
    """The configured addresses; none if none are."""
    return os.environ.get(settings.apprise_env, "").split() if settings.apprise_env else []


def deliver(database: Database, project: str, urls: list[str]) -> int:
    """Deliver what is due to every address; how many were sent.

    Raises:
        UnavailableError: the extra is not installed, or an address can't be read.
    """
    rows = notices.due(database, project, CHANNEL, now_us())
    if not rows:
        return 0
    try:
        from apprise import Apprise
    except ImportError as error:
        raise UnavailableError(
            "notices.apprise-env is set, but Apprise is not installed", "pip install 'hundredfold[notices]'"
        ) from error
    service = Apprise()
    if not all(service.add(url) for url in urls):
        raise UnavailableError(
            "an address in notices.apprise-env can't be read", "See https://github.com/caronc/apprise/wiki."
        )
    sent = 0
    for row in rows:
        title, body = harmless(row.told.title, MAX_TITLE), harmless(row.told.body, MAX_BODY)
        if service.notify(body=body or title, title=title, body_format="text"):
            notices.settle(database, row.id, "sent")
            sent += 1
        elif row.tries + 1 >= MOST_TRIES:
            notices.settle(database, row.id, "refused", error=f"not taken in {MOST_TRIES} tries")
        else:
            notices.postpone(database, row.id, now_us() + RETRY_S * 10**6, "a service did not take it")
    return sent

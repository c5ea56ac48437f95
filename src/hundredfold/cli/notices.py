"""`hundredfold notices`: what was told by chat, what still waits, and delivering it now."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from hundredfold.cli.context import Context, Where
from hundredfold.cli.output import console, print_json, say
from hundredfold.errors import EXIT_INCOMPLETE


def notices(
    *,
    send: bool = False,
    test: bool = False,
    limit: int = 20,
    json: bool = False,
    where: Where = Where(),  # noqa: B008
) -> int:
    """Show what was told by chat and what waits for delivery.

    Runs deliver by themselves; what could not be delivered waits here and goes with the next run, or now with
    --send. Exit codes: 0, or 8 if something could not be sent now.

    Parameters
    ----------
    send
        Deliver what waits, now.
    test
        Send a notice that says that notices arrive, with what else waits.
    limit
        How many of the newest are shown.
    json
        Print JSON.
    """
    from hundredfold.notices.delivery import CHANNEL
    from hundredfold.proposals.sanitise import for_terminal
    from hundredfold.store import notices as outbox
    from hundredfold.store.database import now_us

    context = where.open()
    database, project = context.database, context.place.slug
    code = 0
    if test:
        text = outbox.Told(
            f"{context.place.root.name}: notices arrive here", f"Asked for by {context.person}."
        )
        outbox.put(database, project, CHANNEL, "notice", text, key=f"test:{now_us()}")
    if send or test:
        code = _send(context)
    rows = outbox.newest(database, project, max(1, limit))
    if json:
        print_json({"counts": outbox.counts(database, project, CHANNEL), "notices": rows})
        return code
    for row in rows:
        at = datetime.fromtimestamp(row.made_us / 1e6, UTC)
        line = f"{at:%Y-%m-%d %H:%M}  {row.state:<11} {row.kind:<7} {for_terminal(row.told.title)}"
        console().print(line + (f"  ({for_terminal(row.error)})" if row.error else ""), soft_wrap=True)
    if not rows:
        say("nothing was told yet")
    return code


def deliver(context: Context, within_s: float = 10.0) -> str:
    """Deliver what waits if a webhook is configured; why something was not, or ""."""
    from hundredfold.notices.session import deliver_once, webhook_url

    url = webhook_url(context.settings.notices)
    if not url:
        return ""
    done = asyncio.run(deliver_once(context.database, context.place.slug, context.blobs, url, within_s))
    return done.why


def _send(context: Context) -> int:
    from hundredfold.notices.session import deliver_once, no_webhook, webhook_url

    url = webhook_url(context.settings.notices)
    if not url:
        raise no_webhook(context.settings.notices)
    done = asyncio.run(deliver_once(context.database, context.place.slug, context.blobs, url, 600.0))
    say(f"{done.sent} sent, {done.failed} failed, {done.left} wait{f': {done.why}' if done.why else ''}")
    return EXIT_INCOMPLETE if done.failed or done.left else 0

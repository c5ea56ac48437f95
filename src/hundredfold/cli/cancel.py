"""`hundredfold cancel`: stop working on items, from any terminal."""

from __future__ import annotations

from hundredfold.cli.context import Where
from hundredfold.cli.output import print_json, say
from hundredfold.errors import ConfigError
from hundredfold.proposals.sanitise import for_terminal
from hundredfold.store import items
from hundredfold.store.items import ItemRow


def cancel(
    items_: list[str],
    /,
    *,
    by: str = "",
    json: bool = False,
    where: Where = Where(),  # noqa: B008
) -> int:
    """Stop working on items; the agents that look at them are ended within seconds.

    The next run takes them in again.

    Parameters
    ----------
    items_
        Item ids (see `hundredfold run` or `plan`), or unambiguous beginnings of them.
    by
        Who cancels (default: git's user.name).
    json
        Print one JSON document.
    """
    from hundredfold.fleet.engine import cancel as cancel_work

    context = where.open()
    open_items = items.of_project(context.database, context.place.slug, states=items.OPEN)
    chosen = [_chosen(open_items, text) for text in items_]
    cancel_work(context.database, [(row.item.id, row.queued_us) for row in chosen])
    for row in chosen:
        items.set_state(context.database, row.item.id, "cancelled", f"cancelled by {by or context.person}")
    if json:
        print_json({"cancelled": [row.item.id for row in chosen]})
    else:
        for row in chosen:
            say(f"cancelled {row.item.id} {for_terminal(row.item.title)}")
    return 0


def _chosen(rows: list[ItemRow], text: str) -> ItemRow:
    found = [row for row in rows if row.item.id.startswith(text)]
    if len(found) != 1:
        what = "no item" if not found else "more than one item"
        working = ", ".join(row.item.id for row in rows[:5]) or "none"
        raise ConfigError(
            f"{what} that is queued or worked on begins with {text!r}", f"There are: {working}."
        )
    return found[0]

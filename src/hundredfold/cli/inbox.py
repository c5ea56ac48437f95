"""`hundredfold inbox`: what waits for a decision, and one proposal in full."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from hundredfold.cli.context import Context, Where
from hundredfold.cli.output import console, print_json, say
from hundredfold.vocabulary import ProposalState, Severity

if TYPE_CHECKING:
    from hundredfold.proposals.inbox import Entry


def inbox(
    *ids: str,
    state: tuple[ProposalState, ...] = (),
    all_: Annotated[bool, Parameter(name="--all", negative=())] = False,
    job: str | None = None,
    type_: Annotated[str | None, Parameter(name="--type")] = None,
    severity: Severity | None = None,
    run: str | None = None,
    item: str | None = None,
    by: str = "",
    json: bool = False,
    where: Where = Where(),  # noqa: B008
) -> int:
    """List what waits for a decision, gravest first; with ids, show those in full.

    The same proposals lie as files in the project's folder (`inbox/ID.md`) to be read in an editor. Showing
    one starts the clock of how long you have it open, which the decision records.

    Parameters
    ----------
    ids
        Show these proposals in full (the beginning of an id is enough).
    state
        Only proposals in these states instead of those that wait.
    all_
        Proposals in every state.
    job
        Only this job's.
    type_
        Only proposals of this type.
    severity
        Only those with a finding at least this severe.
    run
        Only those a run made.
    item
        Only those about an item.
    by
        Who looks (default: git's user.name, else the system's user).
    json
        Print JSON.
    """
    context = where.open()
    if ids:
        return _show(context, ids, by or context.person, json=json)
    from hundredfold.cli.decide import require_type
    from hundredfold.proposals.inbox import WAITING, as_json, listed, pending_minutes
    from hundredfold.proposals.pages import refresh

    require_type(type_ or "")
    refresh(context.database, context.place.slug, context.place.state)
    entries = listed(
        context.database,
        context.place.slug,
        states=() if all_ else state or WAITING,
        job=job,
        type_=type_,
        run=run,
        item=item,
        severity=severity,
    )
    minutes = pending_minutes(context.database, context.place.slug)
    if json:
        print_json({"pending_minutes": minutes, "proposals": [as_json(one) for one in entries]})
        return 0
    _print_list(entries)
    say(f"{len(entries)} shown · about {minutes:.0f} min of review wait · {context.place.state / 'inbox'}")
    return 0


def _show(context: Context, ids: tuple[str, ...], by: str, *, json: bool) -> int:
    from hundredfold.cli.decide import proposal_ids
    from hundredfold.proposals.attention import open_for_review
    from hundredfold.proposals.decide import checked_name
    from hundredfold.proposals.inbox import as_json, detail
    from hundredfold.proposals.pages import rendered

    person = checked_name(by)
    shown = [detail(context.database, one) for one in proposal_ids(context.database, ids)]
    full = [one for one in shown if one is not None]
    for one in full:
        if one.entry.state == "open":
            open_for_review(context.database, one.entry.id, person)
    if json:
        print_json([as_json(one) for one in full])
        return 0
    for one in full:
        console().print(rendered(one), soft_wrap=True)
        if one.entry.state != "open":
            say(f"{one.entry.id} is {one.entry.state}; `hundredfold why {one.entry.id}` says how it came so")
    return 0


def _print_list(entries: list[Entry]) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, show_edge=False)
    columns: tuple[tuple[str, Literal["left", "right"]], ...] = (
        ("id", "left"),
        ("state", "left"),
        ("severity", "left"),
        ("conf", "right"),
        ("min", "right"),
    )
    for name, justify in columns:
        table.add_column(name, justify=justify, no_wrap=True)
    table.add_column("what", overflow="fold")
    for one in entries:
        opened = datetime.fromtimestamp(one.opened_us / 1e6, UTC).strftime("%m-%d %H:%M")
        about = "" if one.about in one.title else f" · {one.about}"
        what = f"{one.title}\n{one.job} {one.type}{' (private)' if one.private else ''} · {opened}{about}"
        if one.replaced_by:
            what += f" · replaced by {one.replaced_by}"
        confidence = "" if one.confidence is None else f"{one.confidence:.2f}"
        table.add_row(one.id, one.state, one.severity or "", confidence, f"{one.review_minutes:g}", what)
    if entries:
        console().print(table)

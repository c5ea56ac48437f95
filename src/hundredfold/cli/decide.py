"""`hundredfold approve`, `reject` and `undo`: decisions by named persons, and what is made of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from cyclopts import Parameter
from msgspec import Struct

from hundredfold.cli.context import Context, Where
from hundredfold.cli.output import print_json, say
from hundredfold.errors import EXIT_CONFLICT, EXIT_INCOMPLETE, ConfigError

if TYPE_CHECKING:
    from hundredfold.proposals.decide import Decided
    from hundredfold.proposals.publisher import Published
    from hundredfold.store.database import Database


def approve(
    *ids: str,
    run: str = "",
    job: str = "",
    type_: Annotated[str, Parameter(name="--type")] = "",
    confidence: float = 0.0,
    by: str = "",
    reason: str = "",
    dry_run: bool = False,
    json: bool = False,
    where: Where = Where(),  # noqa: B008
) -> int:
    """Approve proposals and apply them.

    Each is applied once, and only if what it was made for still holds. Exit codes: 0 applied, 9 somebody
    decided otherwise before, 8 some could not be applied (they say why; approve them again to retry).

    Parameters
    ----------
    ids
        The proposals (the beginning of an id is enough).
    run
        All that wait from this run, too.
    job
        All that wait from this job, too; with --run, --type or --confidence: those that are both.
    type_
        All that wait of this type, too; likewise.
    confidence
        All that wait and whose findings are all at least this certain (0 to 1), too; likewise.
    by
        Who approves (default: git's user.name, else the system's user).
    reason
        Why, for the record.
    dry_run
        Decide nothing; show the exact calls that approving would make now.
    json
        Print JSON.
    """
    from hundredfold.cli.forge import publisher
    from hundredfold.proposals.decide import decide

    context = where.open()
    person = person_of(context, by)
    wanted = _wanted(context, ids, Many(run, job, type_, confidence))
    with publisher(context, person) as made:
        if dry_run:
            from hundredfold.cli.publish import preview

            return preview(made, wanted, json=json)
        decided = decide(context.database, wanted, "approve", by=person, reason=reason)
        if not json:
            for verdict in decided:
                print_line(verdict.proposal, verdict.message)
        published = made.publish(followed(json=json))
    refresh_pages(context)
    tell(context)
    if json:
        print_json({"by": person, "decisions": _plain(decided), "published": _plain(published)})
    elif not wanted:
        say("nothing of that waits")
    return exit_code(decided, published)


def reject(
    *ids: str,
    reason: str = "",
    run: str = "",
    by: str = "",
    json: bool = False,
    where: Where = Where(),  # noqa: B008
) -> int:
    """Reject proposals, with a reason. Exit codes: 0 rejected, 9 somebody decided otherwise before.

    Parameters
    ----------
    ids
        The proposals (the beginning of an id is enough).
    reason
        Why; it is needed, kept, and shown by `why`.
    run
        All that wait from this run, too.
    by
        Who rejects (default: git's user.name, else the system's user).
    json
        Print JSON.
    """
    context = where.open()
    person = person_of(context, by)
    wanted = _wanted(context, ids, Many(run))
    from hundredfold.proposals.decide import decide

    decided = decide(context.database, wanted, "reject", by=person, reason=reason)
    refresh_pages(context)
    if json:
        print_json({"by": person, "decisions": _plain(decided)})
    else:
        for one in decided:
            print_line(one.proposal, one.message)
        if not wanted:
            say("nothing of that waits")
    return exit_code(decided, [])


def undo(
    *ids: str,
    batch: str = "",
    job: str = "",
    day: str = "",
    table: bool = False,
    by: str = "",
    json: bool = False,
    where: Where = Where(),  # noqa: B008
) -> int:
    """Take applied proposals back, one by one or a whole batch: a run's, a job's, a day's.

    What was applied only in part is taken back too. On GitHub some things stay (a review, a closed pull
    request): --table tells what, type by type. Again after an interruption finishes it. Exit codes: 0 all
    taken back, 8 some could not be (they say why; undo them again to retry).

    Parameters
    ----------
    ids
        The proposals (the beginning of an id is enough).
    batch
        A run: all that is applied of it.
    job
        All that is applied of this job; with --batch or --day: what is both.
    day
        All that was applied on this day (UTC, like 2026-01-31).
    table
        Print what can be taken back of each type, and what stays.
    by
        Who takes them back (default: git's user.name, else the system's user).
    json
        Print JSON.
    """
    if table:
        return _print_table(json=json)
    from hundredfold.cli.forge import publisher

    if day:
        _require_day(day)
    context = where.open()
    person = person_of(context, by)
    with publisher(context, person) as made:
        wanted = proposal_ids(context.database, ids)
        if batch or job or day:
            run = run_id(context.database, batch) if batch else ""
            wanted += made.batch(run, job=job, day=day)
        elif not wanted:
            raise ConfigError("nothing to undo was named", "Name proposals, or a whole run: --batch RUN.")
        published = made.undo(wanted, followed(json=json))
    tell(context)
    if json:
        print_json({"by": person, "undone": _plain(published)})
    elif not published:
        say("nothing of that is applied")
    return exit_code([], published)


def _require_day(day: str) -> None:
    from datetime import date

    try:
        date.fromisoformat(day if re.fullmatch(r"\d{4}-\d\d-\d\d", day) else "")
    except ValueError as error:
        raise ConfigError(f"{day[:40]!r} is no day", "Write it like 2026-01-31 (UTC).") from error


def followed(*, json: bool) -> Callable[[Published], None]:
    """Prints what becomes of each proposal as it is done: the forge's pace is a second a change."""
    return (lambda _: None) if json else _print_published


def _print_table(*, json: bool) -> int:
    from hundredfold.forges.undoing import TABLE

    if json:
        print_json(msgspec.to_builtins(TABLE))
        return 0
    from rich.table import Table

    from hundredfold.cli.output import console

    shown = Table(box=None, pad_edge=False, show_edge=False)
    shown.add_column("type", no_wrap=True)
    shown.add_column("undo", overflow="fold")
    shown.add_column("what stays", overflow="fold")
    for one in TABLE:
        shown.add_row(one.type, one.undone, one.residue or "nothing")
    console().print(shown)
    return 0


def proposal_ids(database: Database, ids: Iterable[str]) -> list[str]:
    """The full ids of proposals named by theirs or the beginnings of theirs.

    Raises:
        ConfigError: one is unknown, ambiguous, or no proposal's.
    """
    return [_full(database, one, "proposal") for one in ids]


def run_id(database: Database, named: str) -> str:
    """The full id of a run; raises ConfigError as `proposal_ids` does."""
    return _full(database, named, "run")


def _full(database: Database, named: str, kind: str) -> str:
    from hundredfold.proposals.why import resolved
    from hundredfold.store.lookup import kind_of

    found = resolved(database, named)
    if kind_of(found) != kind:
        raise ConfigError(
            f"{found} is no {kind} but {kind_of(found) or 'request'}",
            f"`hundredfold why {found}` shows its {kind}.",
        )
    return found


class Many(Struct, frozen=True):
    """Which open proposals are meant besides those named: all that are of each of these, if any is given."""

    run: str = ""
    job: str = ""
    type: str = ""
    confidence: float = 0.0


def _wanted(context: Context, ids: Sequence[str], many: Many) -> list[str]:
    wanted = proposal_ids(context.database, ids)
    if many != Many():
        from hundredfold.proposals.inbox import surely

        if not 0.0 <= many.confidence <= 1.0:
            raise ConfigError(f"--confidence is {many.confidence}", "It is a number from 0 to 1.")
        require_type(many.type)
        run = run_id(context.database, many.run) if many.run else None
        wanted += surely(
            context.database,
            context.place.slug,
            run=run,
            job=many.job or None,
            type_=many.type or None,
            confidence=many.confidence,
        )
    elif not wanted:
        raise ConfigError("no proposal was named", "`hundredfold inbox` lists what waits.")
    return wanted


def person_of(context: Context, by: str) -> str:
    """Who decides, and on stderr where the name comes from if nobody gave it."""
    from hundredfold.proposals.decide import checked_name

    person = checked_name(by or context.person)
    if not by:
        say(f"as {person} (from git's user.name or the system's user; --by names another)")
    return person


def tell(context: Context) -> None:
    """Deliver notices that were approved or taken back; what can't be now goes with the next run."""
    from hundredfold.cli.notices import deliver

    if why := deliver(context):
        say(f"a notice waits in the outbox: {why}")


def refresh_pages(context: Context) -> None:
    """Make the inbox's pages anew."""
    from hundredfold.proposals.pages import refresh

    refresh(context.database, context.place.slug, context.place.state)


def _plain(records: Sequence[Decided] | Sequence[Published]) -> Any:
    return msgspec.to_builtins(records)


def print_line(proposal: str, text: str) -> None:
    """One proposal's result on stdout."""
    from hundredfold.cli.output import console
    from hundredfold.proposals.sanitise import for_terminal

    console().print(f"{proposal}  {for_terminal(text)}", soft_wrap=True)


def _print_published(one: Published) -> None:
    print_line(one.proposal, f"{one.result}{f': {one.detail}' if one.detail else ''}")


def require_type(type_: str) -> None:
    """A type that there is none of would match nothing, and look like an empty inbox.

    Raises:
        ConfigError: there is no such type.
    """
    from hundredfold.payloads import TYPES

    if type_ and type_ not in TYPES:
        raise ConfigError(f"there is no type {type_[:40]!r}", f"Types are {', '.join(TYPES)}.")


def exit_code(decided: Sequence[Decided], published: Sequence[Published]) -> int:
    """The exit code that these results add up to."""
    if any(one.result == "conflict" for one in decided):
        return EXIT_CONFLICT
    return EXIT_INCOMPLETE if any(one.result in ("stale", "failed", "held") for one in published) else 0

"""`hundredfold approve`, `reject` and `undo`: decisions by named persons, and what is made of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from hundredfold.cli.context import Context, Where
from hundredfold.cli.output import print_json, say
from hundredfold.errors import EXIT_CONFLICT, EXIT_INCOMPLETE, ConfigError

if TYPE_CHECKING:
    from hundredfold.forges.protocol import Forge
    from hundredfold.proposals.decide import Decided
    from hundredfold.proposals.publisher import Published, Publisher
    from hundredfold.store.database import Database


def approve(
    *ids: str,
    run: str = "",
    by: str = "",
    reason: str = "",
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
    by
        Who approves (default: git's user.name, else the system's user).
    reason
        Why, for the record.
    json
        Print JSON.
    """
    context = where.open()
    person = _person(context, by)
    wanted = _wanted(context, ids, run)
    from hundredfold.proposals.decide import decide

    decided = decide(context.database, wanted, "approve", by=person, reason=reason)
    published = _publisher(context, person).publish()
    _refresh(context)
    _tell(context)
    if json:
        print_json({"by": person, "decisions": _plain(decided), "published": _plain(published)})
    else:
        for verdict in decided:
            print_line(verdict.proposal, verdict.message)
        for one in published:
            print_line(one.proposal, f"{one.result}: {one.detail}")
    return _exit_code(decided, published)


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
    person = _person(context, by)
    wanted = _wanted(context, ids, run)
    from hundredfold.proposals.decide import decide

    decided = decide(context.database, wanted, "reject", by=person, reason=reason)
    _refresh(context)
    if json:
        print_json({"by": person, "decisions": _plain(decided)})
    else:
        for one in decided:
            print_line(one.proposal, one.message)
    return _exit_code(decided, [])


def undo(
    *ids: str,
    batch: str = "",
    by: str = "",
    json: bool = False,
    where: Where = Where(),  # noqa: B008
) -> int:
    """Take applied proposals back, one by one or a whole run's.

    Again after an interruption finishes it. Exit codes: 0 all taken back, 8 some could not be (they say why;
    undo them again to retry).

    Parameters
    ----------
    ids
        The proposals (the beginning of an id is enough).
    batch
        A run: all that is applied of it.
    by
        Who takes them back (default: git's user.name, else the system's user).
    json
        Print JSON.
    """
    context = where.open()
    person = _person(context, by)
    publisher = _publisher(context, person)
    wanted = proposal_ids(context.database, ids)
    if batch:
        wanted += publisher.batch(run_id(context.database, batch))
    elif not wanted:
        raise ConfigError("nothing to undo was named", "Name proposals, or a whole run: --batch RUN.")
    published = publisher.undo(wanted)
    _tell(context)
    if json:
        print_json({"by": person, "undone": _plain(published)})
    else:
        for one in published:
            print_line(one.proposal, f"{one.result}{f': {one.detail}' if one.detail else ''}")
        if not published:
            say("nothing of that run is applied")
    return _exit_code([], published)


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


def _wanted(context: Context, ids: Sequence[str], run: str) -> list[str]:
    from hundredfold.store import proposals

    wanted = proposal_ids(context.database, ids)
    if run:
        made = proposals.of_project(
            context.database, context.place.slug, run=run_id(context.database, run), states=("open",)
        )
        wanted += [row.proposal.id for row in made]
    elif not wanted:
        raise ConfigError("no proposal was named", "`hundredfold inbox` lists what waits.")
    return wanted


def _person(context: Context, by: str) -> str:
    """Who decides, and on stderr where the name comes from if nobody gave it."""
    from hundredfold.proposals.decide import checked_name

    person = checked_name(by or context.person)
    if not by:
        say(f"as {person} (from git's user.name or the system's user; --by names another)")
    return person


def _publisher(context: Context, person: str) -> Publisher:
    from hundredfold.forges.local import LocalForge
    from hundredfold.notices.forge import WithNotices
    from hundredfold.notices.session import webhook_url
    from hundredfold.proposals.publisher import Publisher

    forge: Forge = LocalForge(context.place.state / "forge", context.repository, by=person)
    if webhook_url(context.settings.notices):
        forge = WithNotices(forge, context.database, context.place.slug, context.repository)
    return Publisher(context.database, context.place.slug, forge, by=person)


def _tell(context: Context) -> None:
    """Deliver notices that were approved or taken back; what can't be now goes with the next run."""
    from hundredfold.cli.notices import deliver

    if why := deliver(context):
        say(f"a notice waits in the outbox: {why}")


def _refresh(context: Context) -> None:
    from hundredfold.proposals.pages import refresh

    refresh(context.database, context.place.slug, context.place.state)


def _plain(records: Sequence[Decided] | Sequence[Published]) -> Any:
    return msgspec.to_builtins(records)


def print_line(proposal: str, text: str) -> None:
    """One proposal's result on stdout."""
    from hundredfold.cli.output import console
    from hundredfold.proposals.sanitise import for_terminal

    console().print(f"{proposal}  {for_terminal(text)}", soft_wrap=True)


def _exit_code(decided: Sequence[Decided], published: Sequence[Published]) -> int:
    if any(one.result == "conflict" for one in decided):
        return EXIT_CONFLICT
    return EXIT_INCOMPLETE if any(one.result in ("stale", "failed") for one in published) else 0

"""`hundredfold known`: search what is known, rule what belongs together, train on confirmed pairs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from hundredfold.cli.context import Context, Where
from hundredfold.cli.output import console, print_json, printable, say
from hundredfold.errors import ConfigError, UnavailableError

if TYPE_CHECKING:
    from hundredfold.jobs.known import Known
    from hundredfold.sources.issues import IssueRecord
    from hundredfold.store.rulings import Kind


def find(
    text: str,
    *,
    most: Annotated[int, Parameter(name=["--most", "-n"])] = 10,
    json: bool = False,
    where: Where = Where(),  # noqa: B008
) -> int:
    """Find what says the same as a text, best first.

    Parameters
    ----------
    text
        A title, or a title and a body: the first line is the title. An issue's number finds what is like it.
    most
        At most so many.
    json
        Print JSON.
    """
    from hundredfold.evidence.similarity.documents import Document
    from hundredfold.jobs.searched import document_of, key_of

    if not text.strip():
        raise ConfigError("there is nothing to search for", "Give a title, or an issue's number.")
    context = where.open()
    issues = _issues(context)
    known = _refreshed(context, issues)
    by_ref = {one.ref: one for one in issues}
    title, _, body = text.partition("\n")
    asked = by_ref.get(text.strip().lstrip("#"))
    query = document_of(asked) if asked else Document("", "issue", title, body)
    found = known.search(query, most)
    by_key = {key_of(one): one for one in issues}
    if json:
        rows = [{"title": by_key[one.key].title if one.key in by_key else "", "match": one} for one in found]
        print_json({"by": known.by, "found": rows})
        return 0
    out = console()
    for one in found:
        there = by_key.get(one.key)
        title = printable(there.title) if there else ""
        out.print(f"{one.score:6.3f}  {printable(one.key):<18} {title}", soft_wrap=True, markup=False)
    if not found:
        say("Nothing is like it.")
    if known.by == "words":
        say("By words alone: `hundredfold doctor` says how to get the sentence encoder, which finds more.")
    return 0


def never(
    one: str,
    other: str,
    *,
    reason: str = "",
    by: str = "",
    json: bool = False,
    where: Where = Where(),  # noqa: B008
) -> int:
    """Two issues never belong together.

    Parameters
    ----------
    one
        An issue's number or name.
    other
        Another one's.
    reason
        Why.
    by
        Who says so; default: git's user.name.
    json
        Print JSON.
    """
    return _ruled(where, "never", one, other, reason, by, json=json)


def always(
    one: str,
    other: str,
    *,
    reason: str = "",
    by: str = "",
    json: bool = False,
    where: Where = Where(),  # noqa: B008
) -> int:
    """Two issues always belong together; no agent is asked.

    Parameters
    ----------
    one
        An issue's number or name.
    other
        Another one's.
    reason
        Why.
    by
        Who says so; default: git's user.name.
    json
        Print JSON.
    """
    return _ruled(where, "always", one, other, reason, by, json=json)


def canonical(
    one: str,
    *,
    reason: str = "",
    by: str = "",
    json: bool = False,
    where: Where = Where(),  # noqa: B008
) -> int:
    """An issue stands for all that say the same.

    Parameters
    ----------
    one
        An issue's number or name.
    reason
        Why.
    by
        Who says so; default: git's user.name.
    json
        Print JSON.
    """
    return _ruled(where, "canonical", one, "", reason, by, json=json)


def forget(one: str, other: str = "", *, json: bool = False, where: Where = Where()) -> int:  # noqa: B008
    """Take a ruling back.

    Parameters
    ----------
    one
        An issue's number or name.
    other
        The other one's, for a ruling on two.
    json
        Print JSON.
    """
    from hundredfold.store import rulings

    context = where.open()
    keys = _key(one), _key(other) if other else ""
    if not rulings.forget(context.database, context.place.slug, *keys):
        raise ConfigError("there is no such ruling", "`hundredfold known rulings` lists them.")
    if json:
        print_json({"forgotten": [one for one in keys if one]})
    else:
        say("Taken back.")
    return 0


def listed(*, json: bool = False, where: Where = Where()) -> int:  # noqa: B008
    """List what people ruled, newest first.

    Parameters
    ----------
    json
        Print JSON.
    """
    from hundredfold.store import rulings

    context = where.open()
    made = rulings.of_project(context.database, context.place.slug)
    if json:
        print_json({"rulings": made})
        return 0
    for one in made:
        what = " and ".join(filter(None, (one.one, one.other)))
        why = f": {one.reason}" if one.reason else ""
        console().print(printable(f"{one.ruling:<10} {what}, by {one.by}{why}"), soft_wrap=True, markup=False)
    if not made:
        say("No rulings.")
    return 0


def train(*, shipped: bool = False, json: bool = False, where: Where = Where()) -> int:  # noqa: B008
    """Learn the order of what is alike from this project's confirmed pairs; used only if it is better.

    Confirmed: pairs ruled always together, pairs whose proposal was applied, `duplicate_of` in an export.

    Parameters
    ----------
    shipped
        Go back to the order that comes with the program instead.
    json
        Print JSON.
    """
    from hundredfold.jobs.searched import document_of, key_of

    context = where.open()
    if shipped:
        _known(context).forget_order()
        if json:
            print_json({"trained": None})
        else:
            say("The shipped order is used.")
        return 0
    issues = _issues(context)
    known = _refreshed(context, issues)
    documents = {key_of(one): document_of(one) for one in issues}
    try:
        made = known.train(documents, _confirmed(context, issues), told=f"pairs of {context.place.slug}")
    except ImportError as error:
        raise UnavailableError("LightGBM is not installed", "pip install 'hundredfold[train]'") from error
    except ValueError as error:
        raise ConfigError(str(error), "Rule or approve more pairs first.") from error
    if json:
        print_json({"trained": made})
        return 0
    used = "used from now on" if made.kept else "no better, so the old order stays"
    say(
        f"{made.searches} searches, the latest {made.held_out} held out: mean average precision "
        f"{made.before:.3f} before, {made.after:.3f} after: {used}."
    )
    return 0


def refresh(*, anew: bool = False, json: bool = False, where: Where = Where()) -> int:  # noqa: B008
    """Bring the index up to date with the issues.

    Parameters
    ----------
    anew
        Forget it first.
    json
        Print JSON.
    """
    context = where.open()
    if anew:
        _known(context).forget()
    issues = _issues(context)
    known = _refreshed(context, issues)
    if json:
        print_json({"by": known.by, "issues": len(issues)})
    else:
        say(f"The index is up to date, by {known.by}.")
    return 0


app = App(
    name="known",
    help="Is this already known? Search, rulings on what belongs together, training.",
    help_format="plaintext",
)
for command, name in (
    (find, "find"),
    (never, "never"),
    (always, "always"),
    (canonical, "canonical"),
    (forget, "forget"),
    (listed, "rulings"),
    (train, "train"),
    (refresh, "refresh"),
):
    app.command(command, name=name)


def _known(context: Context) -> Known:
    from hundredfold.jobs.known import Known

    return Known.of(context.database, context.blobs, context.place.slug, context.settings)


def _issues(context: Context) -> list[IssueRecord]:
    from hundredfold.sources.issues import read_issues

    job = context.settings.job.get("dedupe")
    return read_issues(context.place.root, job.source if job else "", context.database, context.place.slug)


def _refreshed(context: Context, issues: list[IssueRecord]) -> Known:
    from hundredfold.jobs.searched import document_of

    known = _known(context)
    done = known.refresh("issue", map(document_of, issues), progress=lambda n: say(f"indexed {n:,} …"))
    if done.added or done.changed or done.removed:
        say(f"Index: {done.added} new, {done.changed} changed, {done.removed} gone.")
    return known


def _confirmed(context: Context, issues: list[IssueRecord]) -> dict[str, set[str]]:
    """For an issue, what it was found to duplicate: by people, not by agents alone."""
    from hundredfold.jobs.searched import key_of
    from hundredfold.proposals.record import findings_of
    from hundredfold.store import proposals

    created = {key_of(one): (one.created_us, key_of(one)) for one in issues}
    pairs = {(key_of(one), f"issue:{other}") for one in issues for other in one.duplicates}
    _, ruled, _ = _known(context).rulings()
    pairs |= {(min(pair), max(pair)) for pair in ruled}
    rows = proposals.of_project(context.database, context.place.slug, states=("applied",))
    applied = {finding for row in rows for finding in row.proposal.findings if row.proposal.job == "dedupe"}
    for found in findings_of(context.database, context.place.slug, "dedupe"):
        if found.id in applied:
            pairs.add((f"issue:{found.extra['issue']}", f"issue:{found.extra['other']}"))
    made: dict[str, set[str]] = {}
    for one, other in pairs:
        if one in created and other in created:
            later, earlier = sorted((one, other), key=created.__getitem__, reverse=True)
            made.setdefault(later, set()).add(earlier)
    return made


def _key(name: str) -> str:
    return f"issue:{name.strip().lstrip('#')}"


def _ruled(where: Where, ruling: Kind, one: str, other: str, reason: str, by: str, *, json: bool) -> int:
    from hundredfold.store import rulings

    context = where.open()
    there = {issue.ref for issue in _issues(context)}
    for name in filter(None, (one, other)):
        if _key(name).removeprefix("issue:") not in there:
            raise ConfigError(f"there is no issue {name!r}", "Give its number, as the tracker shows it.")
    if other and _key(one) == _key(other):
        raise ConfigError(f"{one!r} twice is no pair", "Name two issues.")
    made = rulings.Ruling(_key(one), _key(other) if other else "", ruling, by or context.person, reason)
    rulings.keep(context.database, context.place.slug, made)
    if json:
        print_json({"kept": made})
    else:
        say("Kept; the next run goes by it.")
    return 0

"""`hundredfold outcomes`: what became of the work; read back the past, look again, overrule."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from hundredfold.cli.context import Context, Where
from hundredfold.cli.output import console, counted, print_json, printable, say, yielding
from hundredfold.errors import ConfigError
from hundredfold.outcome import ACCEPTED_STATES, KINDS, Observation, OutcomeState
from hundredfold.vocabulary import SIMULATED

if TYPE_CHECKING:
    from hundredfold.outcomes.observing import Looked
    from hundredfold.store.outcomes import OutcomeRow

SHOWN = 50  # outcomes of a list; the rest is counted

LEAST_WIDTH = {"by": 110, "rule": 100}  # columns of a terminal that shows these of an outcome, too


def listed(
    *,
    state: tuple[OutcomeState, ...] = (),
    kind: tuple[str, ...] = (),
    all_: Annotated[bool, Parameter(name="--all", negative=())] = False,
    json: bool = False,
    where: Where = Where(),  # noqa: B008
) -> int:
    """List what is followed and what became of it, newest first.

    Parameters
    ----------
    state
        Only those in this state: pending, accepted, rejected, survived, reverted or unknown.
    kind
        Only this kind: pull_request, commit, finding, comment, duplicate, regression, issue, label, notice.
    all_
        All of them, not only the newest 50.
    json
        Print JSON.
    """
    context = where.open()
    from hundredfold.outcomes.ours import follow
    from hundredfold.store import outcomes

    follow(context.database, context.place.slug)
    rows = outcomes.of_project(context.database, context.place.slug, states=state, kinds=kind)[::-1]
    if json:
        print_json({"outcomes": [_document(one) for one in rows]})
        return 0
    _print_rows(rows if all_ else rows[:SHOWN], len(rows))
    return 0


def observe(
    *,
    branch: str = "",
    limit: int | None = None,
    json: bool = False,
    where: Where = Where(),  # noqa: B008
) -> int:
    """Look at every outcome that is due: in git, and in the forge's mirror as it was last synced.

    `hundredfold mirror` brings the mirror up to date; no forge is asked here.

    Parameters
    ----------
    branch
        Where work lands (default: origin's default branch, else the one checked out).
    limit
        Look at no more than so many.
    json
        Print JSON.
    """
    context = where.open()
    _print_looked(_observe(context, branch, limit), json=json)
    return 0


def backfill(
    *,
    since: str = "365d",
    branch: str = "",
    people: Annotated[bool, Parameter(negative=())] = False,
    json: bool = False,
    where: Where = Where(),  # noqa: B008
) -> int:
    """Read the repository's past: agents' pull requests and commits, told by the traces they leave.

    Pull requests come from the mirror (`hundredfold mirror`), with those that were closed unmerged. Commits
    come from git, which shows nothing of what was rejected: they tell how long work stands, not how much of
    it is accepted.

    Parameters
    ----------
    since
        The first day (2026-01-31), a number of days (365d), or "ever".
    branch
        Where work lands (default: origin's default branch, else the one checked out).
    people
        People's work too, to compare with.
    json
        Print JSON.
    """
    context = where.open()
    from hundredfold.cli.period import period_of
    from hundredfold.outcomes.past import past_commits, past_pulls
    from hundredfold.sources.git import landing_branch
    from hundredfold.sources.githistory import History
    from hundredfold.store import outcomes
    from hundredfold.store.database import now_us

    since_us = period_of(since, "", "UTC").since_us or 0
    slug, tip = context.place.slug, landing_branch(context.repository, branch)
    pulls = list(past_pulls(context.database, slug, since_us=since_us, people=people))
    history = History(context.repository, tip, since_us)
    by_pull = {int(one.outcome.reference.partition(":")[2]) for one in pulls}
    commits = [
        one
        for one in past_commits(history, slug, since_us=since_us, people=people)
        if _pull_of(history, one.outcome.reference) not in by_pull
    ]
    new = outcomes.keep(context.database, [one.outcome for one in (*pulls, *commits)], look_us=now_us())
    agents: dict[str, int] = {}
    for one in (*pulls, *commits):
        agents[one.outcome.origin.agent] = agents.get(one.outcome.origin.agent, 0) + 1
    looked = _observe(context, branch, None)
    if json:
        found = {"pulls": len(pulls), "commits": len(commits), "new": new, "by": agents}
        print_json({"found": found, "looked": looked})
        return 0
    by_agent = sorted(agents.items(), key=lambda one: -one[1])
    say(f"{counted(len(pulls), 'pull request')} and {counted(len(commits), 'commit')}, {new} of them new")
    say("; ".join(f"{number} by {agent}" for agent, number in by_agent) or "No agent left a trace.")
    if not pulls:
        say("The mirror has no pull requests of agents: acceptance can't be told from git alone.")
    _print_looked(looked, json=False)
    return 0


def overrule(
    outcome: str,
    state: OutcomeState,
    /,
    *,
    reason: str,
    on: str = "",
    by: str = "",
    json: bool = False,
    where: Where = Where(),  # noqa: B008
) -> int:
    """Say what became of an outcome yourself; what observers saw is kept beside it.

    Parameters
    ----------
    outcome
        Its id, o-….
    state
        pending, accepted, rejected, survived, reverted or unknown.
    reason
        Why; it is shown with the outcome.
    on
        The day it was accepted, rejected or taken back (2026-11-20; default: as known, else now).
    by
        Who says so (default: git's user.name, else the system's user).
    json
        Print JSON.
    """
    context = where.open()
    from hundredfold.store import outcomes
    from hundredfold.store.database import now_us

    row = outcomes.find(context.database, outcome)
    if row is None or row.outcome.origin.project != context.place.slug:
        raise ConfigError(f"there is no outcome {outcome!r} here", "`hundredfold outcomes` lists them.")
    now = now_us()
    day = day_us(on) if on else None
    ended = state in ("rejected", "reverted")
    accepted = None
    if state in ACCEPTED_STATES:
        known = row.observation.accepted_us if row.observation else None
        accepted = known or (row.outcome.opened_us if ended or day is None else day)
    word = Observation(
        outcome=outcome,
        state=state,
        rule="a person says so",
        strength="high",
        observed_us=now,
        by=by or context.person,
        confirmed=True,
        accepted_us=accepted,
        ended_us=max(day or now, accepted or 0) if ended else None,
        person=True,
        reason=reason,
    )
    seen = outcomes.overrule(context.database, word)
    if json:
        print_json({"outcome": outcome, "observation": seen.seq, "state": state, "overrules": seen.overrules})
    else:
        say(f"{outcome} is {state}, says {word.by}; `hundredfold why {outcome}` shows the trace")
    return 0


def _observe(context: Context, branch: str, limit: int | None) -> Looked:
    from hundredfold.outcomes.observing import Observer
    from hundredfold.outcomes.ours import follow
    from hundredfold.sources.git import landing_branch
    from hundredfold.store.database import now_us

    follow(context.database, context.place.slug)
    tip = landing_branch(context.repository, branch)
    observer = Observer(context.database, context.place.slug, context.repository, tip, now_us())
    return observer.look(limit, lambda number: say(f"looked at {number}"))


def _pull_of(history: Any, reference: str) -> int:
    entry = history.by_sha.get(reference.partition(":")[2])
    return entry.words.pull if entry is not None else 0


def day_us(day: str) -> int:
    """When a day began, in UTC microseconds.

    Raises:
        ConfigError: it is no day.
    """
    try:
        return int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()) * 1_000_000
    except ValueError as error:
        raise ConfigError(f"{day!r} is no day", "Write it like 2026-11-20.") from error


def _document(row: OutcomeRow) -> dict[str, Any]:
    seen = row.observation
    return {
        "id": row.outcome.id,
        "state": row.state,
        "kind": row.outcome.origin.kind,
        "job": row.outcome.origin.job,
        "agent": row.outcome.origin.agent,
        "reference": row.outcome.reference,
        "proposal": row.outcome.proposal,
        "title": row.outcome.title,
        "opened_us": row.outcome.opened_us,
        "simulated": row.outcome.origin.simulated,
        "observation": seen,
        "look_us": row.look_us,
    }


def _print_rows(rows: list[OutcomeRow], total: int) -> None:
    from rich.table import Table
    from rich.text import Text

    out = console()
    if not rows:
        out.print("Nothing is followed yet. `hundredfold outcomes backfill` reads the repository's past.")
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("id", "state", "kind", "by", "what", "rule"):
        if out.width >= LEAST_WIDTH.get(name, 0):  # else what it is would be cut to nothing
            table.add_column(name, no_wrap=name not in ("what", "rule"))
    for row in rows:
        origin, seen = row.outcome.origin, row.observation
        cells: dict[str, Text | str] = {
            "id": row.outcome.id,
            "state": f"{row.state} (simulated)" if origin.simulated else row.state,
            "kind": KINDS.get(origin.kind, origin.kind),
            "by": printable(origin.agent),
            "what": yielding(printable(row.outcome.title.removeprefix(SIMULATED))),
            "rule": Text(printable(seen.rule if seen else "not observed yet")),
        }
        table.add_row(*(cells[str(column.header)] for column in table.columns))
    out.print(table)
    if total > len(rows):
        out.print(f"… and {total - len(rows)} more: --all shows them.")


def _print_looked(looked: Looked, *, json: bool) -> None:
    if json:
        print_json(looked)
        return
    states = ", ".join(f"{number} {state}" for state, number in looked.states.items()) or "nothing was due"
    say(f"Looked at {looked.looked}: {states}.")


app = App(name="outcomes", default_parameter=Parameter(negative=()), help_format="plaintext")
app.default(listed)
app.command(observe)
app.command(backfill)
app.command(overrule)
app.command("hundredfold.cli.team:team", name="team", help="What the team ships, and the agents' share.")
app.command("hundredfold.cli.audit:audit", name="audit", help="A sample of what policies accepted.")

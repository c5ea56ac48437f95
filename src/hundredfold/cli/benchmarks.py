"""`hundredfold benchmarks`: every series with its newest step, a picture of one; `run` measures anew."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cyclopts import App, Parameter

from hundredfold.cli.context import Context, Where
from hundredfold.cli.output import console, print_json, say
from hundredfold.errors import ConfigError, UnavailableError

if TYPE_CHECKING:
    from hundredfold.evidence.regressions import Alert, Examined
    from hundredfold.jobs.benchmarks.collecting import LeftOut
    from hundredfold.jobs.benchmarks.measuring import Compared
    from hundredfold.settings import JobSettings

SHOWN_FILES = 10


def benchmarks(
    *,
    series: str = "",
    alerts: bool = False,
    plot: Path | None = None,
    json: bool = False,
    where: Where = Where(),  # noqa: B008
) -> int:
    """List the benchmark series with their noise and their newest step.

    The configured results ([job.benchmarks.results]) are read first. "worse" and "better" go by what the tool
    or the unit says; "?" where neither does.

    Parameters
    ----------
    series
        Only series whose suite or name holds this.
    alerts
        Only series with a step.
    plot
        Draw the (first four) listed series with a step into this file (.png or .svg).
    json
        Print JSON.
    """
    from hundredfold.evidence.regressions import examine

    context = where.open()
    job = _job(context)
    wanted = series.casefold()
    known, left_out = _read(context, job)
    examined = [
        one
        for one in examine(known)
        if wanted in f"{one.series.suite}: {one.series.name}".casefold() and (one.alerts or not alerts)
    ]
    if plot is not None:
        _plot(examined, plot)
    if json:
        found = [_plain(one) for one in examined]
        print_json({"project": context.place.slug, "series": found, "left_out": left_out})
    else:
        _table(examined)
        _say_left_out(left_out)
    return 0


def run(
    *,
    repeats: int | None = None,
    revision: str = "HEAD",
    json: bool = False,
    where: Where = Where(),  # noqa: B008
) -> int:
    """Run the configured command on a clean checkout, keep what it measures and compare it with what was.

    Each run takes place in a sandbox without network. The median of the runs becomes one point of the series.
    Exit codes: 0, or 4 if the command or the sandbox failed.

    Parameters
    ----------
    repeats
        How often (default: job.benchmarks.results.repeats).
    revision
        The commit to measure.
    json
        Print JSON.
    """
    from hundredfold.jobs.benchmarks.measuring import measure_now

    context = where.open()
    job = _job(context)
    if not job.results.command:
        raise ConfigError(
            "no benchmark command is configured",
            'Write command = "…" under [job.benchmarks.results]: it runs your benchmarks once.',
        )
    times = job.results.repeats if repeats is None else repeats
    if times < 1:
        raise ConfigError(f"--repeats is {times}", "It must be 1 or more.")
    known, left_out = _read(context, job) if job.results.files else (_kept(context, ()), {})
    _say_left_out(left_out)
    sandbox, pool = _machine(context)
    sha = context.repository.resolve(revision)

    async def work() -> list[Compared]:
        try:
            return await measure_now(
                pool, sandbox, job.results, sha, times, known, lambda text: say(text), _keeper(context)
            )
        finally:
            await pool.close()

    compared = asyncio.run(work())
    if json:
        print_json({"revision": sha, "repeats": times, "compared": compared})
        return 0
    for one in compared:
        console().print(one.line(), soft_wrap=True)
    return 0


app = App(name="benchmarks", default_parameter=Parameter(negative=()), help_format="plaintext")
app.default(benchmarks)
app.command(run, name="run")


def _job(context: Context) -> JobSettings:
    found = context.settings.job.get("benchmarks")
    if found is None:
        raise ConfigError(
            "there is no [job.benchmarks] here",
            'Add one, with files = ["gh-pages:dev/bench/data.js"] under [job.benchmarks.results].',
        )
    return found


def _read(context: Context, job: JobSettings) -> tuple[Any, LeftOut]:
    """(every series, what the readers of the files could not use)."""
    from hundredfold.jobs.benchmarks.collecting import collect

    left_out: LeftOut = {}
    known = _kept(context, collect(context.place.root, context.repository, job.results, left_out, say))
    return known, left_out


def _kept(context: Context, measured: Any) -> Any:
    from hundredfold.store.benchmarks import kept

    return kept(context.database, context.place.slug, measured)


def _keeper(context: Context) -> Any:
    return lambda measured: _kept(context, measured)


def _machine(context: Context) -> Any:
    from hundredfold.workspaces.pool import GitWorkspacePool
    from hundredfold.workspaces.sandbox import MEND, find_sandbox

    settings = context.settings.workspaces
    sandbox = find_sandbox([Path(folder).expanduser() for folder in settings.read])
    if sandbox is None:
        raise UnavailableError("no sandbox works on this machine, and commands never run bare", MEND)
    folder = context.place.state / "workspaces"
    pool = GitWorkspacePool(context.repository.root, folder, size=1, disk_bytes=int(settings.disk_gb * 10**9))
    return sandbox, pool


def _plain(one: Examined) -> dict[str, Any]:
    series = one.series
    return {
        "id": series.id,
        "suite": series.suite,
        "name": series.name,
        "unit": series.unit,
        "direction": series.direction,
        "points": len(one.points),
        "left_out": one.left_out,
        "why_not": one.why_not or None,
        "noise": one.noise,
        "latest": one.points[-1].value if one.points else None,
        "alerts": [
            {
                "before": alert.last_before.commit,
                "after": alert.first.commit,
                "at_us": alert.first.at_us,
                "from": alert.level.before,
                "to": alert.level.after,
                "change": alert.change,
                "p": alert.level.p,
                "worse": alert.worse,
                "within_commit": alert.within,
            }
            for alert in one.alerts
        ],
    }


def _table(examined: list[Examined]) -> None:
    from rich.table import Table
    from rich.text import Text

    from hundredfold.evidence.measures import changed, shown
    from hundredfold.proposals.sanitise import for_terminal

    if not examined:
        say("no series: nothing was measured yet, or nothing matches")
        return
    table = Table(box=None, padding=(0, 1))
    table.add_column("series", overflow="fold", max_width=44)  # gives way where it is narrow, figures never
    for name in ("points", "latest", "noise", "shows", "steps", "newest step", "after"):
        left = name in ("newest step", "after")
        table.add_column(name, justify="left" if left else "right", no_wrap=name != "newest step")
    for one in examined:
        series = one.series
        label = f"{series.suite}: {series.name}" if series.suite else series.name
        cells: list[Text | str] = [Text(for_terminal(label)), str(len(one.points))]
        cells.append(shown(one.points[-1].value, series.unit) if one.points else "–")
        if one.noise is None:
            table.add_row(*cells, "–", "–", "–", Text(one.why_not, style="dim"), "")
            continue
        cells += [f"{one.noise.sigma:.1%}", f"{one.noise.detectable:.1%}", str(len(one.alerts))]
        if not one.alerts:
            table.add_row(*cells, "", "")
            continue
        newest = one.alerts[-1]
        word, style = {True: ("worse", "red"), False: ("better", "green"), None: ("?", "yellow")}[
            newest.worse
        ]
        cells += [Text(f"{changed(newest.level.ratio)} {word}", style=style), _after(newest)]
        table.add_row(*cells)
    console().print(table)
    say("noise: robust sigma; shows: the least step that twenty points on each side show")
    if any(one.alerts and one.alerts[-1].within for one in examined):
        say("within: both sides of the step are of that commit, so it is the machine or noise, not the code")
    if gone := sum(one.left_out for one in examined):
        say(f"left out: {gone:,} values that are zero, negative or no numbers (--json says of which series)")


def _after(alert: Alert) -> str:
    """The commit that the step follows; "within" where it follows none."""
    name = alert.last_before.commit[:10] or "–"
    return f"within {name}" if alert.within else name


def _say_left_out(left_out: LeftOut) -> None:
    """What the files hold that is no measurement: it is in no series."""
    from hundredfold.proposals.sanitise import for_terminal
    from hundredfold.sources.benchmarks.records import in_words

    for file, reasons in list(left_out.items())[:SHOWN_FILES]:
        say(f"not read of {for_terminal(file)}: {in_words(reasons)}")
    if len(left_out) > SHOWN_FILES:
        say(f"… and of {len(left_out) - SHOWN_FILES:,} more files (--json names them)")


def _plot(examined: list[Examined], file: Path) -> None:
    from hundredfold.evidence.measures import changed
    from hundredfold.evidence.regressions import levels_around
    from hundredfold.jobs.benchmarks.subject import PICTURES
    from hundredfold.plots.benchmarks import Panel, stepped
    from hundredfold.plots.style import checked_kind, save

    checked_kind(file)
    panels = []
    for one in [one for one in examined if one.alerts][:PICTURES]:
        level, series = one.alerts[-1].level, one.series
        label = f"{series.suite}: {series.name}" if series.suite else series.name
        values = tuple(point.value for point in one.points)
        commits = (one.alerts[-1].last_before.commit, one.alerts[-1].first.commit)
        spans = levels_around(one, level.index)
        panels.append(
            Panel(
                label,
                series.unit,
                values,
                level.index,
                level.before,
                level.after,
                spans,
                commits,
                changed(level.ratio),
            )
        )
    if not panels:
        raise ConfigError("no listed series has a step: there is nothing to draw", "Name others by --series.")
    save(stepped("Newest steps", panels), file)
    say(f"wrote {file}")

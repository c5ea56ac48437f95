"""`hundredfold spend import`: what other programs and providers recorded, into the ledger.

It loads no more than it needs: an import of what is new since yesterday is shorter than loading the libraries
that other commands use.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from hundredfold.cli.context import Where
from hundredfold.cli.output import counted, print_json, say
from hundredfold.errors import EXIT_INCOMPLETE, ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hundredfold.usage.importers.protocol import LogFormat
    from hundredfold.usage.importers.run import Report

MB = 1_000_000
MOST_SHOWN = 20


def import_command(
    *,
    codex: Annotated[tuple[Path, ...], Parameter(negative=())] = (),
    claude: Annotated[tuple[Path, ...], Parameter(negative=())] = (),
    otlp: Annotated[tuple[Path, ...], Parameter(negative=())] = (),
    openai: Annotated[bool, Parameter(negative=())] = False,
    days: int = 31,
    key_env: str = "OPENAI_ADMIN_KEY",
    base_url: str = "https://api.openai.com/v1",
    project: str = "",
    person: str | None = None,
    payer: str = "",
    cost_centre: str = "",
    json: bool = False,
    where: Where = Where(),  # noqa: B008
) -> int:
    """Read what is new in logs (and providers' reports) into the ledger. Nothing is counted twice.

    Without a path: the logs of Codex and Claude Code where this user has them. What was read stays when the
    logs are deleted; doing it again reads only what is new.

    Parameters
    ----------
    codex
        A home of Codex ($CODEX_HOME), a folder of rollouts or a rollout (repeat it).
    claude
        A home of Claude Code ($CLAUDE_CONFIG_DIR), a folder of logs or a log (repeat it).
    otlp
        A file or folder of OpenTelemetry traces or logs as OTLP JSON, or of JSON lines with `gen_ai.*`
        attributes (docs/importing.md).
    openai
        What OpenAI's organisation usage and costs APIs say, kept apart for `spend reconcile`.
    days
        How many UTC days of that, up to today.
    key_env
        The environment variable with the organisation's admin key.
    base_url
        Where that API is.
    project
        Book all of it to this project (else by the folder each request was made in).
    person
        Book it to this person (else git's user.name, else the system's user).
    payer
        Book it to this payer.
    cost_centre
        Book it to this cost centre.
    json
        Print JSON.
    """
    from hundredfold.config import data_home, database_url, load_settings
    from hundredfold.usage.importers.booking import Books
    from hundredfold.usage.importers.run import import_logs

    settings = load_settings(where.repo, where.config)
    url = database_url(settings, data_home())
    document: dict[str, Any] = {}
    code = 0
    logs = _logs(codex, claude, otlp, openai)
    if logs:
        from hundredfold.cli.progressbar import ProgressBar

        books = Books(
            project=project,
            person=_person() if person is None else person,
            payer=payer,
            cost_centre=cost_centre,
        )
        with ProgressBar("reading logs") as bar:
            report = import_logs(url, logs, books, progress=bar)
        document["logs"] = _document(report)
        code = EXIT_INCOMPLETE if any(not one.line for one in report.troubles) else 0
        if not json:
            _tell(report)
            asked = {"project": project, "person": person, "payer": payer, "cost-centre": cost_centre}
            _tell_kept([f"--{name}" for name, value in asked.items() if value], report.unchanged)
    if openai:
        from hundredfold.usage.importers.openai_usage import fetch

        fetched = fetch(url, key_env=key_env, base_url=base_url, days=days)
        document["openai"] = {"usage_rows": fetched.usage, "cost_rows": fetched.costs, "pages": fetched.pages}
        if not json:
            say(
                f"OpenAI: {fetched.usage:,} rows of usage and {fetched.costs:,} of costs, "
                "kept for `spend reconcile`"
            )
    if json:
        print_json(document)
    return code


def _tell_kept(asked: Sequence[str], unchanged: int) -> None:
    """Say that logs which were read before are not booked anew, if options ask for a booking."""
    if asked and unchanged:
        say(
            f"{' and '.join(asked)}: only what is read now is booked so; "
            f"{counted(unchanged, 'log')} unchanged, as booked before"
        )


def _logs(
    codex: Sequence[Path], claude: Sequence[Path], otlp: Sequence[Path], openai: bool
) -> list[tuple[LogFormat, Path]]:
    """Which logs to read: those named, else this user's.

    Raises:
        ConfigError: one is not there, or none is named and there are none.
    """
    from hundredfold.usage.importers.claude import Claude
    from hundredfold.usage.importers.codex import Codex
    from hundredfold.usage.importers.otlp import Otlp

    given: list[tuple[LogFormat, Sequence[Path]]] = [(Codex(), codex), (Claude(), claude), (Otlp(), otlp)]
    named = [(format_, path.expanduser()) for format_, paths in given for path in paths]
    for format_, path in named:
        if not path.exists():
            raise ConfigError(f"--{format_.name}: there is no {path}", "Name a home, a folder or a log.")
    if named or openai:
        return named
    own = [
        (format_, home)
        for format_, _ in given
        for home in format_.homes()
        if any(folder.is_dir() for folder in format_.folders(home))
    ]
    if not own:
        looked = ", ".join(str(home) for format_, _ in given for home in format_.homes())
        raise ConfigError(
            f"there are no logs of Codex or Claude Code in {looked}", "Name them: --codex PATH."
        )
    return own


def _person() -> str:
    """Who runs this, as elsewhere: git's user.name, else the system's user."""
    import getpass
    import subprocess

    try:
        named = subprocess.run(
            ["git", "config", "user.name"], capture_output=True, check=False, timeout=10
        ).stdout.decode("utf-8", "replace")
    except (OSError, subprocess.SubprocessError):
        named = ""
    return named.strip() or getpass.getuser()


def _document(report: Report) -> dict[str, Any]:
    """The report for machines."""
    import msgspec

    found: dict[str, Any] = msgspec.to_builtins(report)
    return {**found, "skipped": dict(report.skipped)}


def _tell(report: Report) -> None:
    """The report for people."""
    from hundredfold.proposals.sanitise import for_terminal

    kept = report.kept
    parts = [f"{kept.new:,} new requests", f"{kept.read - kept.new - kept.grown:,} known"]
    if kept.grown:
        parts.append(f"{kept.grown:,} seen larger than before")
    if kept.outranked:
        parts.append(f"{kept.outranked:,} of the new ones metered at the wire, which counts")
    sys.stdout.write(
        f"{counted(report.files, 'log')} ({report.unchanged:,} unchanged), {report.bytes / MB:,.1f} MB read: "
        f"{', '.join(parts)}\n"
    )
    for why, count in sorted(report.skipped.items()):
        say(f"left out: {count:,} {why}")
    if report.waiting:
        say(f"{report.waiting:,} logs end within a line; it is read once it is whole")
    for trouble in report.troubles[:MOST_SHOWN]:
        place = f"{trouble.path}:{trouble.line}" if trouble.line else trouble.path
        say(f"{for_terminal(place)}: {for_terminal(trouble.what)}")
    more = len(report.troubles) - MOST_SHOWN
    if more > 0 or report.untold:
        say(f"… and {max(more, 0) + report.untold:,} more lines that could not be read (--json names them)")

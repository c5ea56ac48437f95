"""`hundredfold doctor`: every check, what it found, and how to mend what failed."""

from __future__ import annotations

import os
import re
import shlex
import shutil
from pathlib import Path

from hundredfold.cli.context import Context, Where
from hundredfold.cli.output import console, print_json
from hundredfold.config import REPOSITORY
from hundredfold.errors import HundredfoldError
from hundredfold.vocabulary import Diagnosis


def doctor(*, json: bool = False, where: Where = Where()) -> int:  # noqa: B008
    """Check what is found on this machine and how to get the rest.

    Exits with 4 if something that is needed is missing.

    Parameters
    ----------
    json
        Print one JSON document.
    """
    diagnoses = examine(where.open())
    if json:
        print_json({"diagnoses": diagnoses})
    else:
        print_diagnoses(diagnoses)
    return 0 if all(one.ok or not one.needed for one in diagnoses) else 4


def examine(context: Context) -> list[Diagnosis]:
    """All checks, in the order a run needs them."""
    from hundredfold.agents.claude.diagnosis import diagnose as diagnose_claude
    from hundredfold.agents.codex.diagnosis import diagnose as diagnose_codex
    from hundredfold.forges.github.diagnosis import diagnose as diagnose_forge
    from hundredfold.sources.weights import diagnose as diagnose_embeddings
    from hundredfold.workspaces.diagnosis import diagnose as diagnose_machine

    settings = context.settings
    machine = diagnose_machine(
        context.place.state / "workspaces",
        disk_bytes=int(settings.workspaces.disk_gb * 10**9),
        attempts=settings.fleet.agents,
        read=[Path(folder).expanduser() for folder in settings.workspaces.read],
    )
    return [
        *machine,
        _database(context),
        diagnose_embeddings(settings.known.model),
        *diagnose_codex(context.place.state),
        *diagnose_claude(),
        *_acp(context),
        *_login(context),
        *_providers(context),
        *_repository(context),
        diagnose_forge(settings.forge),
        *_policy(context),
        *_commands(context),
        *_discord(context),
    ]


def _repository(context: Context) -> list[Diagnosis]:
    """Whether [forge] repository can be one. Where it is published to, loading the settings checks it."""
    from hundredfold.proposals.sanitise import for_terminal

    forge = context.settings.forge
    if forge.kind != "local" or not forge.repository:
        return []
    if REPOSITORY.fullmatch(forge.repository):
        found = f"{forge.repository}: read only, by `hundredfold mirror`"
        return [Diagnosis("repository", True, found, needed=False)]
    found = f"[forge] repository {for_terminal(forge.repository)!r} is no repository"
    return [Diagnosis("repository", False, found, 'Write it like "owner/name".', needed=False)]


def _commands(context: Context) -> list[Diagnosis]:
    """Whether the programs are there that jobs run in the repository, if any are configured."""
    found = []
    for name, job in context.settings.job.items():
        for key, command in (
            ("reports] test-command", job.reports.test_command),
            ("results] command", job.results.command),
        ):
            if command and job.enabled:
                found.append(_command(f"job {name}", f"[job.{name}.{key}", command, context))
    return found


def _command(name: str, where: str, command: str, context: Context) -> Diagnosis:
    from hundredfold.proposals.sanitise import for_terminal

    try:
        words = shlex.split(command)
    except ValueError as error:
        return Diagnosis(name, False, f"{where}: {error}", "Mend its quotes.", needed=False)
    program = next((one for one in words if not re.match(r"[A-Za-z_]\w*=", one)), "")
    at = shutil.which(str(context.place.root / program) if "/" in program else program) if program else None
    if at is None:
        mend = f"Install it, or correct {where}."
        return Diagnosis(name, False, f"{for_terminal(program or command)} is not found", mend, needed=False)
    return Diagnosis(name, True, f"{for_terminal(command)}, by {for_terminal(at)}", needed=False)


def _discord(context: Context) -> list[Diagnosis]:
    """Whether the webhook's variable holds one, if it is configured. Nothing is sent, and it is not shown."""
    from hundredfold.notices.session import webhook_url

    variable = context.settings.notices.discord.webhook_env
    if not variable:
        return []
    try:
        if webhook_url(context.settings.notices):
            return [Diagnosis("discord", True, f"webhook in ${variable}", needed=False)]
    except HundredfoldError as error:
        return [Diagnosis("discord", False, str(error), error.mend, needed=False)]
    mend = f"export {variable}=…; without it nothing is told there. `hundredfold notices --test` tries it."
    return [Diagnosis("discord", False, f"${variable} is not set", mend, needed=False)]


def _policy(context: Context) -> list[Diagnosis]:
    """What may be applied without a person, if anything may."""
    from hundredfold.config import policy_rules

    rules = policy_rules(context.settings, context.place.root)
    if not rules:
        return []
    told = "; ".join(
        f"{one.name}: {', '.join(one.types)} of {one.job} at {one.confidence:g}, {one.day} a day"
        for one in rules
    )
    return [Diagnosis("policy", True, f"applied without a person: {told}")]


def _acp(context: Context) -> list[Diagnosis]:
    """Whether the ACP agent is there, if one is configured."""
    from hundredfold.agents.acp.style import MEND, find_acp

    command = context.settings.acp.command
    if not command:
        return []
    program = find_acp(command[0])
    if program is None:
        return [Diagnosis("acp", False, f"{command[0]} or what it needs is not found", MEND, needed=False)]
    return [Diagnosis("acp", True, " ".join(program.words), needed=False)]


def _login(context: Context) -> list[Diagnosis]:
    """In subscription mode: what that means, and whether there is a login to lend."""
    from hundredfold.agents.claude.style import subscription_login as claude_login
    from hundredfold.agents.codex_exec.style import subscription_login as codex_login

    if not context.settings.notice:
        return []
    found = [Diagnosis("mode", True, context.settings.notice)]
    for name, login in (("claude", claude_login), ("codex-exec", codex_login)):
        try:
            found.append(Diagnosis(f"login {name}", True, f"{login().file}", needed=False))
        except HundredfoldError as error:
            found.append(Diagnosis(f"login {name}", False, str(error), error.mend, needed=False))
    return found


def _database(context: Context) -> Diagnosis:
    try:
        opened = context.database
    except HundredfoldError as error:
        return Diagnosis("database", False, str(error), error.mend)
    return Diagnosis("database", True, opened.engine.url.render_as_string(hide_password=True))


def _providers(context: Context) -> list[Diagnosis]:
    from hundredfold.cli.unmarked import unmarked

    found, simulated = [], unmarked(context.settings)
    for name, provider in context.settings.provider.items():
        if name in simulated:
            told = f"{provider.base_url} is the simulated provider, and counts as real money"
            found.append(Diagnosis(f"provider {name}", False, told, simulated[name], needed=False))
        elif not provider.key_env:
            found.append(Diagnosis(f"provider {name}", True, f"{provider.base_url}, no key needed"))
        elif os.environ.get(provider.key_env):
            found.append(
                Diagnosis(f"provider {name}", True, f"{provider.base_url}, key in ${provider.key_env}")
            )
        else:
            found.append(
                Diagnosis(
                    f"provider {name}",
                    False,
                    f"${provider.key_env} is not set",
                    f"export {provider.key_env}=…; without it a run does only the deterministic part.",
                    needed=False,
                )
            )
    return found


def print_diagnoses(diagnoses: list[Diagnosis]) -> None:
    """One line a check, and the mend below what failed."""
    out = console()
    width = max(len(one.name) for one in diagnoses)
    for one in diagnoses:
        mark, style = (
            ("ok", "green") if one.ok else ("missing", "red") if one.needed else ("absent", "yellow")
        )
        out.print(f"{mark:>8}", style=style, end="")
        out.print(f"  {one.name:<{width}}  {one.found}", soft_wrap=True)
        if not one.ok and one.mend:
            out.print(f"{'':>10}{'':<{width}}  → {one.mend}", soft_wrap=True)

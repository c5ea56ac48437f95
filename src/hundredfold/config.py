"""`hundredfold.toml` → settings. Unknown keys are refused with the nearest known one.

Every key is documented where it is defined (`settings.py`); `init` writes a file from the same defaults.
"""

from __future__ import annotations

import difflib
import math
import os
import re
import tomllib
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import msgspec
from msgspec import Struct
from platformdirs import user_data_path

from hundredfold.errors import ConfigError
from hundredfold.sections import BadValue
from hundredfold.settings import PolicyFile, PolicyRule, Settings, require_names_once
from hundredfold.vocabulary import PICODOLLARS_PER_DOLLAR, digest

FILE_NAME = "hundredfold.toml"
REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")  # owner/name
MOST_DAYS = 36_500  # a hundred years, further back than anything there is


class Place(Struct, frozen=True):
    """Where a project's things are: its repository, its slug and its folder in the data directory."""

    root: Path
    slug: str
    home: Path  # the data directory, shared by all projects

    @property
    def state(self) -> Path:
        """This project's own folder: gateway, agents' homes, workspaces, reports, the run lock."""
        return self.home / "projects" / self.slug

    @property
    def heads(self) -> Path:
        """The git folder that heads of pull requests are fetched into (`sources.heads`), once one was."""
        return self.state / "heads.git"


def data_home() -> Path:
    """The data directory: $HUNDREDFOLD_HOME, else the user's data directory."""
    override = os.environ.get("HUNDREDFOLD_HOME")
    return Path(override).expanduser().resolve() if override else user_data_path("hundredfold")


def place_of(root: Path, settings: Settings) -> Place:
    """The place of the project whose repository is at `root`; the slug is stable for a path."""
    resolved = root.resolve()
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", settings.project.name or resolved.name).strip("-.") or "project"
    return Place(root=resolved, slug=f"{name[:40]}-{digest(str(resolved))[:8]}", home=data_home())


def price_files(settings: Settings, root: Path) -> list[Path]:
    """The files whose price rows go over the shipped ones: first those that `hundredfold prices update` keeps
    in the data directory, then those that the project names."""
    kept = sorted((data_home() / "prices").glob("*.toml"))
    return [*kept, *(root / file for file in settings.prices)]


def database_url(settings: Settings, home: Path) -> str:
    """The database URL in force: $HUNDREDFOLD_DATABASE, the file's `database`, else SQLite in `home`."""
    return (
        os.environ.get("HUNDREDFOLD_DATABASE") or settings.database or f"sqlite:///{home / 'hundredfold.db'}"
    )


def load_settings(root: Path, file: Path | None = None) -> Settings:
    """Read `file` (default: `hundredfold.toml` in `root`, all defaults if there is none).

    Raises:
        ConfigError: not TOML, an unknown key, a wrong type or value; names the file, the key and the mend.
    """
    path = file or root / FILE_NAME
    if not path.exists():
        if file is not None:
            raise ConfigError(f"there is no file {path}", "Run `hundredfold init` to write one.")
        return Settings()
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not TOML: {error}", "Mend the line it names.") from error
    except OSError as error:
        raise ConfigError(f"{path} can't be read: {error.strerror}", "Check its permissions.") from error
    settings = _convert(raw, path)
    _check(settings, path)
    _check_forge(settings, path)
    _check_policy(settings, root, path)
    return settings


def policy_rules(settings: Settings, root: Path) -> tuple[PolicyRule, ...]:
    """What may be applied without a person: the rules of the settings and of the file that they name.

    Raises:
        ConfigError: the file can't be read, or a rule in it can't be meant.
    """
    publish = settings.publish
    if not publish.policy_file:
        return publish.policy
    path = root / publish.policy_file
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
        rules = (*publish.policy, *msgspec.convert(raw, PolicyFile).policy)
        require_names_once(rules)
    except OSError as error:
        raise ConfigError(
            f"the policy file {path} can't be read: {error.strerror}", "Mend [publish] policy-file."
        ) from error
    except BadValue as error:
        raise ConfigError(f"{path}: {error}", error.mend) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.ValidationError) as error:
        mend = "A rule has name, job, types and confidence."
        raise ConfigError(f"{path}: {error}", _mend(error, mend)) from error
    return rules


def _require_finite(raw: Any, where: str, path: Path) -> None:
    """TOML has nan and inf; no setting can be meant so."""
    if isinstance(raw, float) and not math.isfinite(raw):
        raise ConfigError(f"{path}: {where} is {raw}", "Write a number.")
    parts = raw.items() if isinstance(raw, dict) else enumerate(raw, 1) if isinstance(raw, list) else ()
    for key, value in parts:
        _require_finite(value, f"{where}.{key}" if where else str(key), path)


def _convert(raw: dict[str, Any], path: Path) -> Settings:
    _require_finite(raw, "", path)
    try:
        return msgspec.convert(raw, Settings)
    except msgspec.ValidationError as error:
        message = str(error)
        unknown = re.search(r"unknown field `([^`]+)`(?: - at `\$\.?([^`]*)`)?", message)
        if unknown is None:
            where = re.search(r"at `\$\.?([^`]*)`", message)
            key = f"{_named(where.group(1), raw)}: " if where else ""
            mend = _mend(error, _values_text(where.group(1) if where else ""))
            raise ConfigError(f"{path}: {key}{message.split(' - at ')[0]}", mend) from error
        key, table = unknown.group(1), unknown.group(2) or ""
        near = difflib.get_close_matches(key, _known_keys(table), n=1, cutoff=0.4)
        mend = f"Did you mean {near[0]!r}?" if near else f"Known keys: {', '.join(_known_keys(table))}."
        where_text = f"[{_named(table, raw)}] " if table else ""
        raise ConfigError(f"{path}: {where_text}unknown key {key!r}", mend) from error


def _named(where: str, raw: dict[str, Any]) -> str:
    """msgspec's path with the name of the table that it is about: "job[...].tier" is `job.review.tier`."""
    section, unnamed, rest = where.partition("[...]")
    tables = raw.get(section)
    for name, table in tables.items() if unnamed and isinstance(tables, dict) else ():
        try:
            msgspec.convert({section: {name: table}}, Settings)
        except msgspec.ValidationError:
            return f"{section}.{name}{rest}"
    return where


def _mend(error: Exception, otherwise: str) -> str:
    """What a value's own class says can be meant, else `otherwise`."""
    return error.__cause__.mend if isinstance(error.__cause__, BadValue) else otherwise


def _known_keys(table: str) -> list[str]:
    """The keys that the table at msgspec's path ("job[...].budgets", "allocation[0].when") may hold."""
    return [field.encode_name for field in msgspec.structs.fields(_at(table)[0])]


def _values_text(path: str) -> str:
    """What may be written at msgspec's path, where that is one of a few values."""
    _, annotation = _at(path)
    for one in (annotation, *get_args(annotation)):
        if get_origin(one) is Literal:
            return f"Write one of: {', '.join(map(str, get_args(one)))}."
    return "Mend that value."


def _at(path: str) -> tuple[type[Struct], Any]:
    """The last table on msgspec's path, and the type of what stands at its end."""
    table: type[Struct] = Settings
    annotation: Any = Settings
    for part in filter(None, path.split(".")):
        name = part.partition("[")[0]
        annotation = {one.encode_name: one.type for one in msgspec.structs.fields(table)}.get(name)
        for candidate in (annotation, *get_args(annotation)):
            if isinstance(candidate, type) and issubclass(candidate, Struct):
                table = candidate
    return table, annotation


def _check(settings: Settings, path: Path) -> None:
    for where, route in [("[route]", settings.route.provider)] + [
        (f"[job.{name}]", job.provider) for name, job in settings.job.items() if job.provider
    ]:
        if route not in settings.provider:
            near = difflib.get_close_matches(route, settings.provider, n=1)
            mend = (
                f"Did you mean {near[0]!r}?" if near else f"Add a [provider.{route}] table with its base-url."
            )
            raise ConfigError(f"{path}: {where} names the provider {route!r}, which is not defined", mend)
    for where, budget in [("[budgets]", settings.budgets)] + [
        (f"[job.{name}.budgets]", job.budgets) for name, job in settings.job.items()
    ]:
        for key in ("attempt", "day", "month"):
            try:
                dollars(getattr(budget, key) or "0")
            except ValueError as error:
                raise ConfigError(f"{path}: {where} {key}: {error}", 'Write it like "$12.50".') from error
    for name, value, least in (
        ("fleet.agents", settings.fleet.agents, 1),
        ("workspaces.pool", settings.workspaces.pool, 1),
        ("gateway.reserve-output", settings.gateway.reserve_output, 1),
        *((f"job.{name}.commits", job.commits, 1) for name, job in settings.job.items()),
        *((f"job.{name}.votes", job.votes, 1) for name, job in settings.job.items()),
        *((f"job.{name}.passes", job.passes, job.votes) for name, job in settings.job.items()),
        *((f"job.{name}.pulls.most", job.pulls.most, 1) for name, job in settings.job.items()),
        *((f"job.{name}.cap", job.cap, 1) for name, job in settings.job.items()),
    ):
        if value < least:
            raise ConfigError(f"{path}: {name} is {value}", f"It must be {least} or more.")


def _check_forge(settings: Settings, path: Path) -> None:
    forge = settings.forge
    if forge.kind == "github" and not REPOSITORY.fullmatch(forge.repository):
        raise ConfigError(
            f"{path}: [forge] repository {forge.repository!r} is no repository", 'Write it like "owner/name".'
        )
    if forge.kind == "github" and not re.fullmatch(r"[A-Za-z_]\w*", forge.token_env):
        raise ConfigError(  # never shown: it may be the token itself
            f"{path}: [forge] token-env is no name of an environment variable",
            'Write the name of the variable that holds the token, like "GITHUB_TOKEN".',
        )
    for name, value in (
        ("pace-seconds", forge.pace_seconds),
        ("patience-seconds", forge.patience_seconds),
        ("mirror-days", forge.mirror_days),
        ("webhook-port", forge.webhook_port),
    ):
        if value < 0:
            raise ConfigError(f"{path}: [forge] {name} is {value}", "It must be 0 or more.")
    if forge.mirror_days > MOST_DAYS:
        raise ConfigError(
            f"{path}: [forge] mirror-days is {forge.mirror_days}",
            f"It must be {MOST_DAYS} or less; 0 = all there are.",
        )
    if forge.webhook_port > 65535:
        raise ConfigError(
            f"{path}: [forge] webhook-port is {forge.webhook_port}", "It must be 65535 or less."
        )


def _check_policy(settings: Settings, root: Path, path: Path) -> None:
    for rule in policy_rules(settings, root):
        if rule.job not in settings.job:
            near = difflib.get_close_matches(rule.job, settings.job, n=1)
            mend = f"Did you mean {near[0]!r}?" if near else f"Add a [job.{rule.job}] table, or leave it out."
            what = f"the policy rule {rule.name!r} names the job {rule.job[:60]!r}, which is not configured"
            raise ConfigError(f"{path}: {what}", mend)


def dollars(text: str) -> int:
    """Picodollars of a text like "$12.50" or "0.000001".

    Raises:
        ValueError: not an amount, negative, or finer than a picodollar.
    """
    try:
        amount = Decimal(text.strip().removeprefix("$").replace(",", "").replace("_", ""))
    except InvalidOperation as error:
        raise ValueError(f"{text!r} is not an amount of dollars") from error
    scaled = amount * PICODOLLARS_PER_DOLLAR if amount.is_finite() else Decimal(-1)
    if scaled < 0 or scaled != scaled.to_integral_value():
        raise ValueError(f"{text!r} is not an amount of dollars")
    return int(scaled)

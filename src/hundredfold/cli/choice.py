"""What the command line wishes over the configuration file: which jobs, which commits, how many agents."""

from __future__ import annotations

import msgspec

from hundredfold.config import FILE_NAME
from hundredfold.errors import ConfigError
from hundredfold.settings import Agent, Settings


def overridden(
    settings: Settings, commits: int | None, range_: str, agents: int | None, agent: Agent | None = None
) -> Settings:
    """The settings with the command line's wishes over the file's."""
    for name, value in (("--commits", commits), ("--agents", agents)):
        if value is not None and value < 1:
            raise ConfigError(f"{name} is {value}", "It must be 1 or more.")
    replace = msgspec.structs.replace
    jobs = {
        name: replace(one, commits=commits or one.commits, range="" if commits else (range_ or one.range))
        for name, one in settings.job.items()
    }
    route = settings.route
    if agent is not None:
        route = replace(route, agent=agent)
        jobs = {name: replace(one, agent="") for name, one in jobs.items()}
    fleet = replace(settings.fleet, agents=agents or settings.fleet.agents)
    return replace(settings, job=jobs, fleet=fleet, route=route)


def chosen_jobs(settings: Settings, wanted: tuple[str, ...]) -> list[str]:
    """The jobs to run.

    Raises:
        ConfigError: one of them is not configured, or none is enabled.
    """
    for name in wanted:
        if name not in settings.job:
            raise ConfigError(
                f"the job {name!r} is not switched on here",
                f"Configured jobs: {', '.join(settings.job)}. A [job.NAME] table in {FILE_NAME} adds one.",
            )
    names = list(wanted) or [name for name, one in settings.job.items() if one.enabled]
    if not names:
        raise ConfigError("no job is enabled", "Set enabled = true under a [job.NAME] in hundredfold.toml.")
    return names

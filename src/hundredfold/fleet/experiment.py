"""A paired experiment: the same items along two routes, in one run, in random order, blind to the reviewer.

Each arm is the job under another name (JOB@CODE) with route settings of its own, so the fleet needs to know
nothing of it: items, attempts, limits and bookings are kept apart by that name. The codes say nothing of the
route, and proposals bear the job's own name, so whoever decides on them can't tell which route made which.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from hundredfold.errors import ConfigError
from hundredfold.jobs.protocol import Earlier, Job, Project, Report
from hundredfold.settings import JobSettings, Settings
from hundredfold.store.experiments import Arm, Experiment
from hundredfold.vocabulary import AgentTask, Done, Finding, Item, Round, Step, digest, identity

#: what an arm may set
ROUTE = ("agent", "provider", "model", "effort", "tier")
#: items of both arms are drawn into one order of so many places
PLACES = 1_000_000


class ArmJob:
    """A job as one arm sees it: its items under the arm's name, nothing remembered of earlier looks."""

    def __init__(self, job: Job, experiment: str, arm: Arm) -> None:
        self._job = job
        self._experiment = experiment
        self._arm = arm
        self.name = f"{job.name}@{arm.code}"

    def discover(self, project: Project) -> Iterator[Item]:
        """The job's items, made anew for this arm, in random places of the order."""
        for item in self._job.discover(msgspec.structs.replace(project, earlier=_nothing)):
            salted = digest(self._experiment, self._arm.code, item.digest)
            yield msgspec.structs.replace(
                item,
                id=identity("item", item.project, self.name, item.key, salted),
                job=self.name,
                digest=salted,
                priority=1 + int(salted[:8], 16) % PLACES,
            )

    def advance(self, project: Project, item: Item, rounds: tuple[Round, ...], *, model: bool) -> Step:
        """As the job does; what is proposed bears the job's name, not the arm's."""
        step = self._job.advance(project, item, rounds, model=model)
        if not isinstance(step, Done):
            return step
        plain = tuple(msgspec.structs.replace(one, job=self._job.name) for one in step.proposals)
        return msgspec.structs.replace(step, proposals=plain)

    def planned(self, project: Project, item: Item) -> tuple[AgentTask, ...]:
        """As the job would."""
        return self._job.planned(project, item)

    def report(
        self, project: Project, findings: list[Finding], coverage: list[dict[str, Any]]
    ) -> list[Report]:
        """None: the job's own reports are of its own items."""
        return []


def staged(settings: Settings, job: str, arms: Sequence[Arm]) -> Settings:
    """The settings with a job entry for each arm, its route over the job's.

    Raises:
        ConfigError: a route names what there is not.
    """
    return msgspec.structs.replace(
        settings,
        job={**settings.job, **{f"{job}@{arm.code}": _over(settings, job, arm) for arm in arms}},
    )


def arms_of(experiment: str, routes: Sequence[dict[str, str]]) -> tuple[Arm, ...]:
    """Arms with codes drawn for the experiment, in an order that tells nothing.

    Raises:
        ConfigError: the routes are alike.
    """
    if len({tuple(sorted(one.items())) for one in routes}) < len(routes):
        raise ConfigError(
            "both routes are the same", "Name two that differ, like --a tier=fast --b tier=standard."
        )
    return tuple(
        Arm(digest(experiment, "arm", str(place))[:6], dict(one)) for place, one in enumerate(routes)
    )


def route_of_words(words: str) -> dict[str, str]:
    """A route from words like "tier=fast, effort=high".

    Raises:
        ConfigError: it can't be read, or names what is no part of a route.
    """
    route = {}
    for one in filter(None, (part.strip() for part in words.split(","))):
        name, equals, value = (each.strip() for each in one.partition("="))
        if name not in ROUTE or not equals or not value:
            raise ConfigError(
                f"the route {words!r} can't be read at {one!r}",
                f"Write it like tier=fast or model=gpt-5.4,effort=high. Known: {', '.join(ROUTE)}.",
            )
        route[name] = value
    return route


def jobs_of(job: Job, experiment: Experiment) -> list[Job]:
    """The job once for each arm."""
    return [ArmJob(job, experiment.id, arm) for arm in experiment.arms]


def _over(settings: Settings, job: str, arm: Arm) -> JobSettings:
    base = msgspec.to_builtins(settings.job[job])
    try:
        made = msgspec.convert({**base, **arm.route}, JobSettings)
    except msgspec.ValidationError as error:
        raise ConfigError(
            f"the route {arm.name!r} is none: {error}", "See [route] in the configuration."
        ) from error
    if made.provider and made.provider not in settings.provider:
        raise ConfigError(
            f"the route {arm.name!r} names the provider {made.provider!r}, which is not defined",
            f"Defined: {', '.join(settings.provider)}.",
        )
    return made


def _nothing() -> Earlier:
    return Earlier()

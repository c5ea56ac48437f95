"""What a job is: it finds items, then says step by step what to do with each.

A job holds no state and does no dispatching. `advance` must be a function of its arguments (the repository at
the item's revision included): it is called again after a crash with the same item and rounds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from msgspec import Struct

from hundredfold.errors import ConfigError
from hundredfold.vocabulary import AgentTask, Finding, Item, Round, Step, digest

if TYPE_CHECKING:
    from hundredfold.evidence.series import Series
    from hundredfold.jobs.known import Known
    from hundredfold.settings import JobSettings
    from hundredfold.sources.git import Repository
    from hundredfold.store.benchmarks import Measured
    from hundredfold.store.blobs import Blobs
    from hundredfold.store.database import Database


REVIEW_MINUTES = 2.0  # of a job that says nothing of it


class Earlier(Struct, frozen=True):
    """What is on record of one job of a project, newest first. Rows of `coverage` have the keys item, key,
    revision, path, unit, state and reason."""

    findings: tuple[Finding, ...] = ()
    coverage: tuple[dict[str, Any], ...] = ()


def _no_series(_: Iterable[Measured]) -> list[Series]:
    return []


class Mirrored(Struct, frozen=True):
    """Where a project's mirror of its forge is kept (`store.mirror`), the logs and archives it names, and
    which repository it is of (owner/name; "" if none is configured)."""

    database: Database
    blobs: Blobs
    repository: str = ""


class Project(Struct, frozen=True):
    """A project under care, as a job sees it.

    `earlier` reads the record, `mirror` the forge's issues, pull requests and CI runs (see `reads_forge`),
    `known` finds what says the same. Only `discover` may ask them, and put what it needs into the item: they
    change while a run works, and `advance` must not.
    """

    slug: str
    root: Path
    repository: Repository
    job: JobSettings
    earlier: Callable[[], Earlier] = Earlier
    #: keeps measurements, and gives back all series of the project; only `discover` may ask it
    series: Callable[[Iterable[Measured]], list[Series]] = _no_series
    #: keeps a large content (a picture) and gives its key; the same content has the same key
    keep: Callable[[bytes], str] = digest
    mirror: Mirrored | None = None
    known: Known | None = None


class Report(Struct, frozen=True):
    """A file a job makes of all its findings, e.g. SARIF: a name and its bytes."""

    name: str
    content: bytes


class Job(Protocol):
    """One kind of work."""

    name: str

    def discover(self, project: Project) -> Iterator[Item]:
        """The items that are there now, cheapest first to find, newest first. No model is called."""
        ...

    def advance(self, project: Project, item: Item, rounds: tuple[Round, ...], *, model: bool) -> Step:
        """What to do next with the item, given the finished rounds. `model=False`: no agent can be asked;
        do the deterministic part and answer `Done` or `Skip` with coverage that says what nobody looked at;
        `complete=False` if a model would have been asked.
        """
        ...

    def planned(self, project: Project, item: Item) -> tuple[AgentTask, ...]:
        """What agents would be asked in the first round, by the same code as `advance`; spends nothing."""
        ...

    def report(
        self, project: Project, findings: list[Finding], coverage: list[dict[str, Any]]
    ) -> list[Report]:
        """Files for people and other tools, of all findings and coverage of the project."""
        ...


@runtime_checkable
class Estimates(Protocol):
    """What a job may offer besides, for plans."""

    def review_minutes(self, project: Project) -> float:
        """Minutes that a person is expected to need for the proposal of one item, before anything is known
        of it."""
        ...


@runtime_checkable
class Explains(Protocol):
    """What a job may offer besides, for the case that it finds no item at all."""

    def nothing_found(self, project: Project) -> str:
        """Why there is none, and how to have one, in a sentence or two; "" if there is nothing to say."""
        ...


def review_minutes(job: Job, project: Project) -> float:
    """The job's own estimate (see `Estimates`), or what a proposal is expected to need anyway."""
    return job.review_minutes(project) if isinstance(job, Estimates) else REVIEW_MINUTES


def reads_forge(job: Job, settings: JobSettings) -> bool:
    """Whether the job reads the mirror of the forge, which is then brought up to date before `discover`: it
    says so by an attribute `reads_forge = True`, or reads pull requests."""
    return getattr(job, "reads_forge", False) is True or reads_pulls(job, settings)


def reads_pulls(job: Job, settings: JobSettings) -> bool:
    """Whether the job looks at pull requests, whose heads are then fetched before `discover`: it says so by
    an attribute `reads_pulls = True`, and neither a range is asked for instead nor are they switched off."""
    return getattr(job, "reads_pulls", False) is True and settings.pulls.enabled and not settings.range


def load_job(name: str) -> Job:
    """The job called `name`, ours or a third party's.

    Raises:
        ConfigError: no installed package offers a job of that name.
    """
    offered = {point.name: point for point in entry_points(group="hundredfold.jobs")}
    if name not in offered:
        raise ConfigError(
            f"there is no job {name!r}", f"Installed jobs: {', '.join(sorted(offered)) or 'none'}."
        )
    job: Job = offered[name].load()()
    return job

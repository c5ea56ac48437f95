"""All that a worker needs, put together once: the project's place and settings, and every seam."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

from hundredfold.agents.protocol import Backend
from hundredfold.config import Place
from hundredfold.fleet.admission import Admission
from hundredfold.fleet.board import Board
from hundredfold.jobs.known import Known
from hundredfold.jobs.protocol import Earlier, Job, Mirrored, Project
from hundredfold.proposals import record
from hundredfold.settings import Settings
from hundredfold.store import benchmarks
from hundredfold.store.blobs import Blobs
from hundredfold.store.database import Database
from hundredfold.workspaces.protocol import Sandbox, WorkspacePool

if TYPE_CHECKING:
    from hundredfold.sources.git import Repository


class GatewayPort(Protocol):
    """What the fleet needs of the running gateway."""

    def address_for(self, token: str) -> str:
        """The base URL that the holder of this token may call."""
        ...


class Desk(Struct, frozen=True):
    """Everything for one project's fleet. `model` is False where no model can be asked."""

    place: Place
    settings: Settings
    database: Database
    blobs: Blobs
    repository: Repository
    jobs: dict[str, Job]
    pool: WorkspacePool
    sandbox: Sandbox
    backends: dict[str, Backend]
    gateway: GatewayPort
    admission: Admission
    board: Board
    known: Known
    model: bool

    def job(self, name: str) -> Job:
        """The job called `name`."""
        return self.jobs[name]

    def project(self, job: str) -> Project:
        """The project as that job sees it."""
        return Project(
            slug=self.place.slug,
            root=self.place.root,
            repository=self.repository,
            job=self.settings.job[job],
            earlier=partial(earlier, self.database, self.place.slug, job),
            series=partial(benchmarks.kept, self.database, self.place.slug),
            keep=self.blobs.put,
            mirror=Mirrored(self.database, self.blobs, self.settings.forge.repository),
            known=self.known,
        )


def earlier(database: Database, project: str, job: str) -> Earlier:
    """What is on record of the job."""
    return Earlier(
        tuple(record.findings_of(database, project, job)), tuple(record.coverage_of(database, project, job))
    )

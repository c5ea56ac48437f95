"""What nearly every command needs: which repository, its settings, its place, the database."""

from __future__ import annotations

import getpass
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from hundredfold.cli.output import say
from hundredfold.config import Place, data_home, database_url, load_settings, place_of
from hundredfold.settings import Settings

if TYPE_CHECKING:
    from hundredfold.sources.git import Repository
    from hundredfold.store.blobs import Blobs
    from hundredfold.store.database import Database


@Parameter(name="*")
@dataclass(frozen=True)
class Where:
    """Options that say which project is meant."""

    repo: Annotated[Path, Parameter(name=["--repo", "-C"])] = Path()
    "The repository (any folder of it)."
    config: Path | None = None
    "A configuration file other than the repository's hundredfold.toml."

    def open(self) -> Context:
        """Open the repository and its settings.

        Raises:
            RepositoryError, ConfigError: see `sources.git.open_repository` and `config.load_settings`.
        """
        from hundredfold.sources.git import open_repository

        repository = open_repository(self.repo)
        settings = load_settings(repository.root, self.config)
        if settings.notice:
            say(settings.notice)
        place = place_of(repository.root, settings)
        repository.borrow(place.heads)
        return Context(repository, settings, place)

    def open_bill(self, *, all_projects: bool) -> Context | Everywhere:
        """As `open`; a bill of all projects needs no repository.

        Raises:
            RepositoryError, ConfigError: as `open`.
        """
        from hundredfold.errors import RepositoryError

        try:
            return self.open()
        except RepositoryError as error:
            if not all_projects:
                mend = f"{error.mend} The bill of all projects needs none: --all-projects.".lstrip()
                raise RepositoryError(str(error), mend) from error
            if not self.repo.is_dir():
                raise
            root = self.repo.resolve()
            return Everywhere(load_settings(root, self.config), Place(root, "", data_home()))


@dataclass(frozen=True)
class Everywhere:
    """The ledger of all projects, seen from a folder that is none."""

    settings: Settings
    place: Place

    @cached_property
    def database(self) -> Database:
        """The database, created or migrated on first use."""
        from hundredfold.store.database import open_database

        return open_database(database_url(self.settings, self.place.home))


@dataclass(frozen=True)
class Context:
    """An opened project."""

    repository: Repository
    settings: Settings
    place: Place

    @cached_property
    def database(self) -> Database:
        """The database, created or migrated on first use."""
        from hundredfold.store.database import open_database
        from hundredfold.store.items import keep_project

        opened = open_database(database_url(self.settings, self.place.home))
        keep_project(opened, self.place.slug, self.place.root)
        return opened

    @cached_property
    def blobs(self) -> Blobs:
        """The folder of large texts."""
        from hundredfold.store.blobs import Blobs

        return Blobs(self.place.home / "blobs")

    @property
    def person(self) -> str:
        """Who runs this command: git's user.name here, else the system's user."""
        return self.repository.user_name() or getpass.getuser()

"""Fixtures that several tests share: a home of one's own, both databases, real git repositories."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from hundredfold.store.database import Database, open_database, sqlite_url
from tests.support.repositories import RepositoryMaker


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data directory of this test's own; no key and no configuration of the user leaks in."""
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "HUNDREDFOLD_DATABASE", "CODEX_HOME"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "home"
    monkeypatch.setenv("HUNDREDFOLD_HOME", str(folder))
    return folder


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """A real PostgreSQL server's URL, started once.

    Not below pytest's own folder: as root the server runs as another user, and a second pytest at the same
    time takes that folder's permissions away again, which ends the server.
    """
    from pgserver.postgres_server import get_server

    with tempfile.TemporaryDirectory(prefix="postgres-") as folder:
        server = get_server(folder)
        yield server.get_uri()
        server.cleanup()


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """A fresh, empty PostgreSQL database."""
    name = f"t{uuid.uuid4().hex}"
    admin = sa.create_engine(
        postgres_server.replace("postgresql://", "postgresql+psycopg://"), isolation_level="AUTOCOMMIT"
    )
    with admin.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name}"))
    yield postgres_server.replace("/postgres?", f"/{name}?")
    with admin.connect() as connection:
        connection.execute(sa.text(f"DROP DATABASE {name} WITH (FORCE)"))
    admin.dispose()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """An empty, migrated database: each test that asks for it runs on SQLite and on PostgreSQL."""
    if request.param == "sqlite":
        opened = open_database(sqlite_url(tmp_path / "test.db"))
    else:
        opened = open_database(request.getfixturevalue("postgres_url"))
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty, migrated SQLite database: a copy is made sooner than another."""
    path = tmp_path_factory.mktemp("migrated") / "empty.db"
    open_database(sqlite_url(path)).close()
    return path


@pytest.fixture
def sqlite_database(migrated_file: Path, tmp_path: Path) -> Iterator[Database]:
    """An empty, migrated SQLite database, for tests that need not run on both."""
    opened = open_database(sqlite_url(Path(shutil.copy(migrated_file, tmp_path / "test.db"))))
    yield opened
    opened.close()


@pytest.fixture
def make_repository(tmp_path: Path) -> Callable[..., RepositoryMaker]:
    """Makes real git repositories below the test's own folder."""

    def make(name: str = "repo") -> RepositoryMaker:
        return RepositoryMaker(tmp_path / name)

    return make


@pytest.fixture(scope="session", autouse=True)
def _git_identity() -> None:
    subprocess.run(["git", "--version"], check=True, capture_output=True)

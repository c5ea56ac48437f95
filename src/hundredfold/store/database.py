"""One database by URL: opening it, its pragmas, its migrations, and errors in the user's words.

SQLite runs in WAL mode with `synchronous=NORMAL`: a committed row survives any kill of a process.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import ArgumentError, DatabaseError, DBAPIError, OperationalError

from hundredfold.errors import ConfigError, StorageError
from hundredfold.store.statements import MIGRATIONS as MIGRATIONS
from hundredfold.store.statements import newest_revision as newest_revision


def now_us() -> int:
    """The wall clock in UTC microseconds since the epoch."""
    return time.time_ns() // 1000


def sqlite_url(path: Path) -> str:
    """The URL of a SQLite database at `path`."""
    return f"sqlite:///{path}"


def normalised_url(url: str) -> str:
    """The URL with the driver this program ships: `postgres://` and `postgresql://` become psycopg 3."""
    for scheme in ("postgres://", "postgresql://"):
        if url.startswith(scheme):
            return "postgresql+psycopg://" + url.removeprefix(scheme)
    return url


def open_database(url: str, *, migrate: bool = True) -> Database:
    """Open (and by default create or migrate) the database at `url`.

    Raises:
        ConfigError: the URL can't be read or names a database this program does not speak.
        StorageError: the database can't be opened, written or migrated.
    """
    try:
        parsed = sa.make_url(normalised_url(url))
    except ArgumentError as error:
        raise ConfigError(
            f"the database URL {url!r} can't be read",
            "Write it like sqlite:////path/file.db or postgresql://user@host/name.",
        ) from error
    if parsed.get_backend_name() not in ("sqlite", "postgresql"):
        raise ConfigError(
            f"the database URL names {parsed.get_backend_name()!r}",
            "Use a sqlite:/// or a postgresql:// URL.",
        )
    database = Database(_engine(parsed))
    if migrate:
        database.migrate()
    return database


def _engine(url: sa.URL) -> sa.Engine:
    if url.get_backend_name() != "sqlite":
        return sa.create_engine(url, pool_size=5, max_overflow=5, pool_pre_ping=True)
    if url.database and url.database != ":memory:":
        parent = Path(url.database).parent
        try:
            parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise StorageError(
                f"the folder of the database, {parent}, can't be made: {error.strerror}",
                "Set HUNDREDFOLD_HOME to a folder you can write.",
            ) from error
    engine = sa.create_engine(url, pool_size=4, max_overflow=4, connect_args={"timeout": 30})

    @event.listens_for(engine, "connect")
    def _pragmas(connection: sqlite3.Connection, _record: Any) -> None:
        connection.isolation_level = None  # SQLAlchemy's begin event below opens the transaction
        for pragma in (
            "journal_mode=WAL",
            "synchronous=NORMAL",
            "foreign_keys=ON",
            "busy_timeout=30000",
            "cache_size=-65536",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql(
            "BEGIN" if connection.get_execution_options().get("readonly") else "BEGIN IMMEDIATE"
        )

    return engine


class Database:
    """A thin handle on the engine: `read()` and `write()` are the only two ways in."""

    def __init__(self, engine: sa.Engine) -> None:
        self.engine = engine

    @property
    def is_sqlite(self) -> bool:
        """Whether this is SQLite (else PostgreSQL)."""
        return self.engine.dialect.name == "sqlite"

    @property
    def url(self) -> str:
        """The URL with its password, to hand to a process of ours."""
        return self.engine.url.render_as_string(hide_password=False)

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A read-only transaction: one consistent view of the data."""
        with _clear_errors(self), self.engine.connect() as connection:
            yield connection.execution_options(readonly=True)

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """A transaction that commits when the block ends and rolls back if it raises."""
        with _clear_errors(self), self.engine.begin() as connection:
            yield connection

    def migrate(self) -> None:
        """Bring the schema to this program's version; two processes at once are safe.

        Raises:
            StorageError: a newer version of this program made the database, or it refused.
        """
        newest, there = newest_revision(), self._revision()
        if there == newest:
            return
        if there > newest:
            raise StorageError(
                f"the database has the schema {there}, this program knows {newest}",
                "Use the newer version of hundredfold that made it.",
            )
        from alembic import command  # half a second of imports that most commands need not pay
        from alembic.config import Config

        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        with self.write() as connection:
            if not self.is_sqlite:  # SQLite's BEGIN IMMEDIATE is the lock
                connection.execute(sa.text("SELECT pg_advisory_xact_lock(7355608)"))
            config.attributes["connection"] = connection
            command.upgrade(config, "head")

    def _revision(self) -> str:
        """The migration the database is at; "" if it is new."""
        with self.read() as connection:
            if not sa.inspect(connection).has_table("alembic_version"):
                return ""
            return str(connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar() or "")

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()


@contextmanager
def _clear_errors(database: Database) -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        damaged = type(error) is DatabaseError  # what SQLite says of a file that it can't make sense of
        if not damaged and not isinstance(error, OperationalError):
            raise
        where = database.engine.url.render_as_string(hide_password=True)
        raise StorageError(
            f"the database {where} refused: {error.orig}",
            "Put a copy of it back that is whole, or name another database: HUNDREDFOLD_DATABASE."
            if damaged
            else "Check that it is reachable, writable and not full; nothing that was stored is lost.",
        ) from error


def insert_ignore(database: Database, table: sa.Table) -> Any:
    """An INSERT that leaves an existing row with the same unique key as it is."""
    if database.is_sqlite:
        from sqlalchemy.dialects.sqlite import insert as sqlite_insert

        return sqlite_insert(table).on_conflict_do_nothing()
    from sqlalchemy.dialects.postgresql import insert as postgresql_insert

    return postgresql_insert(table).on_conflict_do_nothing()

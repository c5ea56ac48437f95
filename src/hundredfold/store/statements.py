"""The database through plain statements: for commands whose own work is shorter than loading SQLAlchemy.

A SQLite database that is there and has the newest schema is opened with the driver alone; any other is opened
(and migrated) the ordinary way and spoken to through the same few methods. Statements are written once for
both, with `?` for values.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import unquote

from hundredfold.errors import StorageError

if TYPE_CHECKING:
    import sqlalchemy as sa

    from hundredfold.store.database import Database

_MOST_VALUES = 999
MIGRATIONS = Path(__file__).with_name("migrations")
#: how every connection to SQLite is set up
PRAGMAS = ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON", "busy_timeout=30000")
#: for many rows at once, which refer to nothing but what their own transaction found or made: 32 MB of pages,
#: fewer checkpoints
_BULK = ("foreign_keys=OFF", "cache_size=-32768", "wal_autocheckpoint=8192")


class Statements(Protocol):
    """What can be done within a transaction."""

    #: the type of a column of bytes
    binary: str

    def all(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """The rows of a query."""

    def run(self, statement: str, values: Sequence[Any] = ()) -> int:
        """Execute, and how many rows it touched."""

    def many(self, statement: str, rows: Iterable[Sequence[Any]]) -> None:
        """Execute once for each of the rows."""


def insert(table: str, names: Sequence[str], rows: int = 1) -> str:
    """The statement that inserts so many rows at once, with a value for each of the names."""
    one = f"({', '.join('?' for _ in names)})"
    return f"INSERT INTO {table} ({', '.join(names)}) VALUES {', '.join([one] * rows)}"  # noqa: S608


def insert_all(
    statements: Statements, table: str, names: Sequence[str], rows: Sequence[Sequence[Any]]
) -> None:
    """Insert rows, as many of them at once as a statement of SQLite before 3.32 may have values."""
    at_once = _MOST_VALUES // len(names)
    whole = len(rows) - len(rows) % at_once
    parts = (rows[start : start + at_once] for start in range(0, whole, at_once))
    statements.many(insert(table, names, at_once), (tuple(chain.from_iterable(part)) for part in parts))
    statements.many(insert(table, names), rows[whole:])


class Store(Protocol):
    """An open database."""

    def transaction(self) -> AbstractContextManager[Statements]:
        """Commits when the block ends and rolls back if it raises.

        Raises:
            StorageError: the database refused.
        """

    def close(self) -> None:
        """Close every connection."""


def newest_revision() -> str:
    """The newest migration's revision, by which its file's name begins: four digits, in order."""
    return max(path.name[:4] for path in (MIGRATIONS / "versions").glob("[0-9]*.py"))


def open_store(url: str) -> Store:
    """Open the database at `url`, created or migrated if need be.

    Raises:
        ConfigError, StorageError: as `store.database.open_database`.
    """
    quick = _open_quick(url)
    if quick is not None:
        return quick
    from hundredfold.store.database import open_database

    database = open_database(url)
    if database.is_sqlite:
        database.close()
        quick = _open_quick(url)
        if quick is not None:
            return quick
        database = open_database(url)
    return _Ordinary(database)


def _open_quick(url: str) -> _Quick | None:
    """A SQLite database with the newest schema; None for any other."""
    path = unquote(url.removeprefix("sqlite:///"))
    if path == url or "?" in path or not Path(path).is_file():
        return None
    try:
        connection = sqlite3.connect(path, timeout=30, isolation_level=None)
        for pragma in (*PRAGMAS, *_BULK):
            connection.execute(f"PRAGMA {pragma}")
        found = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.Error:  # which opening it the ordinary way says in the user's words
        return None
    if not found or found[0] != newest_revision():
        connection.close()
        return None
    return _Quick(connection, path)


class _Quick:
    """SQLite through its driver."""

    binary = "BLOB"

    def __init__(self, connection: sqlite3.Connection, path: str) -> None:
        self._connection, self._path = connection, path

    @contextmanager
    def transaction(self) -> Iterator[Statements]:
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            yield self
            self._connection.execute("COMMIT")
        except sqlite3.OperationalError as error:
            self._undo()
            raise StorageError(
                f"the database {self._path} refused: {error}",
                "Check that it is reachable, writable and not full; nothing that was stored is lost.",
            ) from error
        except BaseException:
            self._undo()
            raise

    def _undo(self) -> None:
        with suppress(sqlite3.Error):
            self._connection.execute("ROLLBACK")

    def all(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        return self._connection.execute(statement, values).fetchall()

    def run(self, statement: str, values: Sequence[Any] = ()) -> int:
        return self._connection.execute(statement, values).rowcount

    def many(self, statement: str, rows: Iterable[Sequence[Any]]) -> None:
        self._connection.executemany(statement, rows)

    def close(self) -> None:
        self._connection.close()


class _Ordinary:
    """Any database, through SQLAlchemy."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @contextmanager
    def transaction(self) -> Iterator[Statements]:
        with self._database.write() as connection:
            yield _Wrapped(connection, self._database.is_sqlite)

    def close(self) -> None:
        self._database.close()


class _Wrapped:
    def __init__(self, connection: sa.Connection, is_sqlite: bool) -> None:
        self._connection, self._is_sqlite = connection, is_sqlite
        self.binary = "BLOB" if is_sqlite else "BYTEA"

    def _spelt(self, statement: str) -> str:
        return statement if self._is_sqlite else statement.replace("?", "%s")

    def all(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        found = self._connection.exec_driver_sql(self._spelt(statement), tuple(values))
        return [tuple(row) for row in found]

    def run(self, statement: str, values: Sequence[Any] = ()) -> int:
        return self._connection.exec_driver_sql(self._spelt(statement), tuple(values)).rowcount

    def many(self, statement: str, rows: Iterable[Sequence[Any]]) -> None:
        if values := [tuple(row) for row in rows]:
            self._connection.exec_driver_sql(self._spelt(statement), values)

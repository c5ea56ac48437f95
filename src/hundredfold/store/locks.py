"""A lock by name that all processes on one database respect, and that dies with its holder.

SQLite is one machine's, so a lock file beside it will do; PostgreSQL has advisory locks of a session.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from hundredfold.errors import ProjectBusy
from hundredfold.store.database import Database
from hundredfold.vocabulary import digest

POLL_S = 0.05


@contextmanager
def held(database: Database, name: str, *, what: str, timeout_s: float = 60.0) -> Iterator[None]:
    """Hold the lock `name` for the block; `what` says to people who holds it when it can't be had.

    Raises:
        ProjectBusy: somebody else held it for `timeout_s` seconds.
    """
    with (
        _on_file(database, name, what, timeout_s)
        if database.is_sqlite
        else _on_session(database, name, what, timeout_s)
    ):
        yield


def _busy(what: str, timeout_s: float) -> ProjectBusy:
    return ProjectBusy(
        f"{what} is still at work after {timeout_s:.0f} seconds", "Wait until it is done, then try again."
    )


@contextmanager
def _on_file(database: Database, name: str, what: str, timeout_s: float) -> Iterator[None]:
    from filelock import FileLock, Timeout

    beside = Path(database.engine.url.database or "hundredfold")
    lock = FileLock(beside.with_name(f"{beside.name}.{digest(name)[:12]}.lock"), mode=0o600)
    try:
        lock.acquire(timeout=timeout_s, poll_interval=POLL_S)
    except Timeout as error:
        raise _busy(what, timeout_s) from error
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _on_session(database: Database, name: str, what: str, timeout_s: float) -> Iterator[None]:
    key = {"key": int(digest(name)[:15], 16)}
    until = time.monotonic() + timeout_s
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        while not connection.execute(sa.text("SELECT pg_try_advisory_lock(:key)"), key).scalar():
            if time.monotonic() > until:
                raise _busy(what, timeout_s)
            time.sleep(POLL_S)
        try:
            yield
        finally:
            connection.execute(sa.text("SELECT pg_advisory_unlock(:key)"), key)

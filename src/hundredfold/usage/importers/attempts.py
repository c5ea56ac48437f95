"""Metering an attempt from its own rollouts, where the wire can't be had (a subscription login).

The agent runs with a `CODEX_HOME` of its own. When it has ended (and as often as one likes while it runs, to
see what it has spent so far), its rollouts are imported and every row is booked to the attempt:

    booked = Booked(project=slug, job="review", agent="codex", person=person, payer=payer)
    import_codex_home(database.url, home, number, booked)

`number` is `attempts.number`, as in a row from the wire. The rows are of source "rollout", and limits count
them like any others. Import the home before anybody else does (`spend import --codex HOME`), since who a
request is booked to is decided once; a home below the project's own state is never among a user's logs. Doing
it again, also after a kill, adds only what is new.
"""

from __future__ import annotations

from pathlib import Path

from msgspec.structs import replace

from hundredfold.usage.importers.booking import Books
from hundredfold.usage.importers.codex import Codex
from hundredfold.usage.importers.keeping import Booked
from hundredfold.usage.importers.protocol import Place
from hundredfold.usage.importers.run import Report, import_logs


def import_codex_home(database_url: str, home: Path, attempt: int, booked: Booked) -> Report:
    """Import what is new in one home of Codex and book it to an attempt; `booked.path` is each row's own.

    Raises:
        StorageError: the database refused; nothing that was not kept is lost, call it again.
    """
    codex = Codex()
    logs = [(codex, folder) for folder in codex.folders(home) if folder.is_dir()]
    return import_logs(database_url, logs, _One(booked), attempt=attempt)


class _One(Books):
    """Books everything to one."""

    def __init__(self, booked: Booked) -> None:
        super().__init__()
        self._one = booked

    def booked(self, place: Place) -> Booked:
        """See `Books.booked`."""
        return replace(self._one, path=self._one.path or place.cwd)

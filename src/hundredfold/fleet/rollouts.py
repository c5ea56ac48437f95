"""Metering in subscription mode: there is no wire, so an attempt's tokens are read from its agent's own log.

That is done once its turn is over. The ledger's rows say that they come from there.
"""

from __future__ import annotations

import logging
from pathlib import Path

import sqlalchemy as sa

from hundredfold.agents.protocol import WorkOrder
from hundredfold.settings import ProjectSettings
from hundredfold.store.database import Database
from hundredfold.store.tables.work import attempts, items
from hundredfold.usage.importers.booking import Books
from hundredfold.usage.importers.claude import Claude
from hundredfold.usage.importers.codex import Codex
from hundredfold.usage.importers.run import import_logs

log = logging.getLogger(__name__)


class Rollouts:
    """Books what an attempt's home says it used to its attempt, item, job, project, person and payer."""

    def __init__(self, database: Database, project: ProjectSettings, person: str) -> None:
        self._database = database
        self._project = project
        self._person = person

    def keep(self, order: WorkOrder, home: Path) -> None:
        """Read the logs in the home of an attempt that is over.

        Raises:
            StorageError: the database refused.
        """
        query = (
            sa.select(attempts.c.number, items.c.project, items.c.job)
            .join(items, items.c.id == attempts.c.item)
            .where(attempts.c.id == order.attempt)
        )
        with self._database.read() as connection:
            found = connection.execute(query).one_or_none()
        if found is None:
            return
        number, project, job = found
        books = Books(
            project=project,
            job=job,
            person=self._person,
            payer=self._project.payer,
            cost_centre=self._project.cost_centre,
        )
        logs = [(format_, home) for format_ in (Claude(), Codex()) if _there(format_.folders(home))]
        if not logs:
            log.warning("attempt %s left no log: its tokens are not known", order.attempt)
            return
        report = import_logs(self._database.url, logs, books, attempt=number)
        for trouble in report.troubles:
            log.warning("attempt %s: %s:%d: %s", order.attempt, trouble.path, trouble.line, trouble.what)


def _there(folders: list[Path]) -> bool:
    return any(folder.exists() for folder in folders)

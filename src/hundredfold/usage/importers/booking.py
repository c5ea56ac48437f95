"""Whom imported requests are booked to: by the folder they were made in, and by what the user says."""

from __future__ import annotations

import re

from hundredfold.store.statements import Store
from hundredfold.usage.importers.keeping import Booked
from hundredfold.usage.importers.protocol import Place


class Books:
    """Says who a place's rows are booked to.

    A folder below the root of a known project is that project's. Any other is booked under its own name, as
    no project of ours; a request without a folder is booked to "". What is given holds for all.
    """

    def __init__(
        self, *, project: str = "", job: str = "", person: str = "", payer: str = "", cost_centre: str = ""
    ) -> None:
        self._project, self._job, self._person = project, job, person
        self._payer, self._cost_centre = payer, cost_centre
        self._roots: list[tuple[str, str]] = []
        self._by_folder: dict[str, str] = {}

    def with_projects(self, store: Store) -> Books:
        """Know the projects of the database."""
        with store.transaction() as statements:
            found = [
                (str(root), str(slug)) for slug, root in statements.all("SELECT slug, root FROM projects")
            ]
        self._roots = sorted(found, key=lambda one: len(one[0]), reverse=True)
        return self

    def booked(self, place: Place) -> Booked:
        """The booking of a place's rows."""
        return Booked(
            project=self._project or place.project or self._by_cwd(place.cwd),
            job=self._job,
            agent=place.agent,
            person=self._person or place.person,
            payer=self._payer,
            cost_centre=self._cost_centre,
            path=place.cwd,
            api_key=place.api_key,
            label=place.label,
        )

    def _by_cwd(self, folder: str) -> str:
        if not folder:
            return ""
        if folder not in self._by_folder:
            inside = folder.rstrip("/") + "/"
            owner = (slug for root, slug in self._roots if inside.startswith(root.rstrip("/") + "/"))
            name = re.split(r"[/\\]", folder.rstrip("/\\"))[-1] or folder
            self._by_folder[folder] = next(owner, name)
        return self._by_folder[folder]

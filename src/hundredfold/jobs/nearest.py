"""The known issue that is most like what a job found: told in its report, and never a reason to close or hide
anything.
"""

from __future__ import annotations

from hundredfold.evidence.similarity.documents import Document
from hundredfold.jobs.protocol import Project
from hundredfold.jobs.searched import document_of
from hundredfold.sources import issues
from hundredfold.store import mirror

LEAST_COSINE = 0.35  # of meaning, or
LEAST_WORDS = 0.5  # share of the best by words, where something both name is shared
MAX_BODY = 4_000


class Nearest:
    """Looks findings up among the mirrored issues of a project; asks for the index once."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._ready: bool | None = None

    def line(self, key: str, kind: str, title: str, body: str) -> str:
        """A line about the issue nearest to a text, or that none is near; "" if no issues are known.

        `key` is unique among the texts of its `kind`, e.g. "failure:0123abcd".
        """
        known, mirrored = self._project.known, self._project.mirror
        if known is None or mirrored is None:
            return ""
        if self._ready is None:
            documents = list(map(document_of, issues.mirrored(mirrored.database, self._project.slug)))
            if documents:
                known.refresh("issue", documents)
            self._ready = bool(documents)
        if not self._ready:
            return ""
        asked = Document(key=key, kind=kind, title=title, body=body[:MAX_BODY])
        found = known.search(asked, 1, kinds=("issue",))
        near = [
            one
            for one in found
            if one.cosine >= LEAST_COSINE or (one.lexical >= LEAST_WORDS and one.shared_traces)
        ]
        if not near:
            return "No known issue is like it."
        number = int(near[0].key.partition(":")[2])
        issue = mirror.issue(mirrored.database, self._project.slug, number)
        told = f" ({issue.state}): {issue.title}" if issue else ""
        return f"The nearest known issue is #{number}{told}"

"""An issue as the index of what is known holds it: one key and one document, whichever job asks."""

from __future__ import annotations

from hundredfold.evidence.similarity.documents import Document
from hundredfold.sources.issues import IssueRecord


def key_of(issue: IssueRecord) -> str:
    """The issue's key in the index and in rulings."""
    return f"issue:{issue.ref}"


def document_of(issue: IssueRecord) -> Document:
    """The issue as it is searched."""
    return Document(
        key=key_of(issue),
        kind="issue",
        title=issue.title,
        body=issue.body,
        created_us=issue.created_us,
        group=issue.ref.rpartition("-")[0],
        tags=issue.labels,
    )

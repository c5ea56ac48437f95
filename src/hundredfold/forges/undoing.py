"""What can be taken back of each type of proposal on GitHub, and what stays. `undo --table` prints it."""

from __future__ import annotations

from msgspec import Struct


class Undoing(Struct, frozen=True):
    """One type: what undoing does, and its residue ("" if the forge is as it was, but for times and
    events)."""

    type: str
    undone: str
    residue: str


TABLE: tuple[Undoing, ...] = (
    Undoing("comment", "deleted; one that replaced an earlier text gets that text back", ""),
    Undoing(
        "review",
        "its comments are deleted, an approval or a request for changes is dismissed",
        "the review itself, marked as withdrawn",
    ),
    Undoing("labels", "those put on are taken off, those taken off are put back", ""),
    Undoing("issue", "closed as not planned", "the issue, closed and marked as withdrawn"),
    Undoing("close", "opened again, its comment is deleted", "its state reason may read `reopened`"),
    Undoing(
        "pull_request",
        "closed, its branch is deleted unless others pushed to it",
        "the pull request, closed and marked as withdrawn; what was merged stays merged",
    ),
    Undoing("check_run", "set to neutral, its text replaced", "the check run, neutral, with its annotations"),
    Undoing("sarif", "the analysis is deleted", ""),
    Undoing(
        "notice", "what was not sent yet is not sent, a message is deleted", "whoever read it has read it"
    ),
    Undoing("advisory", "the draft is closed", "the closed draft, seen by maintainers only"),
)

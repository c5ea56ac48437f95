"""What can go wrong with a workspace besides the errors everybody knows."""

from __future__ import annotations

from hundredfold.errors import HundredfoldError


class WorkspaceDirty(HundredfoldError):
    """A workspace lent for reading was written to. What was read there can't be trusted; the tree is gone.

    Attributes:
        attempts: the attempts that shared the workspace when it was found out.
        changes: up to ten lines that name what differs, printable.
    """

    def __init__(self, attempts: tuple[str, ...], changes: tuple[str, ...]) -> None:
        shown = "; ".join(changes) or "times or permissions only"
        super().__init__(
            f"the read-only workspace of {', '.join(attempts)} was written to: {shown}",
            "Nothing that was found there is used and the checkout was thrown away; run it again.",
        )
        self.attempts = attempts
        self.changes = changes

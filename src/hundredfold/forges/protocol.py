"""The seam to a forge. A forge checks the preconditions against the live state, applies, and can undo."""

from __future__ import annotations

from typing import Protocol

from hundredfold.vocabulary import Proposal, Receipt


class Stale(Exception):
    """A precondition no longer holds; the message names which and what is there now."""


class Forge(Protocol):
    """Applies proposals. Applying twice with the same key is the same as once."""

    name: str

    def types(self) -> frozenset[str]:
        """The proposal types this forge can apply."""
        ...

    def apply(self, proposal: Proposal, key: str) -> Receipt:
        """Re-read the live state, check the preconditions, apply.

        Raises:
            Stale: a precondition no longer holds; nothing was changed.
            StorageError, UnavailableError: it could not be applied; applying again with `key` is safe.
        """
        ...

    def undo(self, receipt: Receipt, key: str) -> str:
        """Take the action back and say in one line what residue stays ("" if none). Idempotent."""
        ...

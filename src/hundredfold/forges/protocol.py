"""The seam to a forge. A forge checks the preconditions against the live state, applies, and can undo."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from msgspec import Struct

from hundredfold.errors import UnavailableError
from hundredfold.vocabulary import Proposal, Receipt

if TYPE_CHECKING:
    from hundredfold.forges.subject import Touch


class Stale(Exception):
    """A precondition no longer holds; the message names which and what is there now."""


class NotNow(UnavailableError):
    """The forge takes nothing now, whatever is asked of it: a limit, no network, a credential that is
    refused. What is approved stays approved."""


def _forgotten(_: Mapping[str, Any]) -> None:
    """Where nobody keeps progress."""


class History(Struct, frozen=True):
    """What the publisher knows that bears on applying a proposal.

    `begun`: the progress that an earlier try of this very action kept; `keep` keeps it, durably, before the
    forge goes on. `ours`: what our other actions did to issues and pull requests.
    """

    begun: Mapping[str, Any] | None = None
    keep: Callable[[Mapping[str, Any]], None] = _forgotten
    ours: Sequence[Touch] = ()


NONE = History()


class Forge(Protocol):
    """Applies proposals. Applying twice with the same key is the same as once."""

    name: str

    def types(self) -> frozenset[str]:
        """The proposal types this forge can apply."""
        ...

    def preview(self, proposal: Proposal, key: str, ours: Sequence[Touch] = ()) -> list[str]:
        """What `apply` would do now, exactly, one text a step; reads, and changes nothing.

        Raises:
            Stale, UnavailableError: as `apply`.
        """
        ...

    def apply(self, proposal: Proposal, key: str, history: History = NONE) -> Receipt:
        """Re-read the live state, check the preconditions, apply.

        Raises:
            Stale: a precondition no longer holds; nothing was changed.
            NotNow: nor could any other proposal be applied; with the progress that was kept it goes on later.
            StorageError, UnavailableError: it could not be applied, or not to its end; applying again with
                `key` and the progress that was kept is safe.
        """
        ...

    def undo(self, receipt: Receipt, key: str) -> str:
        """Take the action back and say in one line what residue stays ("" if none). Idempotent."""
        ...

    def abandon(self, begun: Mapping[str, Any], key: str) -> str:
        """Take back what an action did that never came to its end; as `undo`."""
        ...

    def refresh(self, receipt: Receipt, key: str) -> Receipt | None:
        """Mark what was said of a head that has moved since as stale; the receipt that now holds, None if
        nothing was to do."""
        ...

"""What an outcome is about on the forge or in git: `pull:12`, `issue:7`, `commit:<sha>`.

Of a proposal of ours it follows from its payload, or from where the forge put what was applied.
"""

from __future__ import annotations

import re
from typing import Literal

from msgspec import Struct

from hundredfold.payloads import Close, Comment, Labels, Review
from hundredfold.vocabulary import Proposal

Kind = Literal["pull", "issue", "commit"]

_ADDRESS = re.compile(r"/(?P<kind>pull|issues)/(?P<number>\d{1,9})(?:[/#?]|$)")
_SHORT = re.compile(r"^[\w.-]+/[\w.-]+#(?P<number>\d{1,9})$")


class Reference(Struct, frozen=True):
    """One thing. `number` is that of an issue or pull request, `sha` a commit's."""

    kind: Kind
    number: int = 0
    sha: str = ""

    def __str__(self) -> str:
        return f"{self.kind}:{self.sha or self.number}"


def parse(text: str) -> Reference | None:
    """A reference as `str` writes it; None for anything else."""
    kind, _, rest = text.partition(":")
    if kind in ("pull", "issue") and rest.isdecimal() and int(rest) > 0:
        return Reference(kind, int(rest))  # type: ignore[arg-type]
    if kind == "commit" and re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", rest):
        return Reference("commit", sha=rest)
    return None


def of_proposal(proposal: Proposal, location: str) -> Reference | None:
    """What an applied proposal is about; `location` is its receipt's. None: nothing that has a number."""
    payload = proposal.payload
    if isinstance(payload, Comment | Review) and payload.number:
        return Reference("pull", payload.number)
    if isinstance(payload, Close | Labels):
        return Reference("issue", payload.number)
    if found := _ADDRESS.search(location):
        return Reference("pull" if found["kind"] == "pull" else "issue", int(found["number"]))
    if found := _SHORT.match(location):
        return Reference("pull" if proposal.type == "pull_request" else "issue", int(found["number"]))
    return None

"""A sample of what policies accepted without a person, looked at by hand: how often do they accept wrongly?

Which proposals are in the sample is drawn from their ids, so it is the same for everybody and nobody can
choose it after the fact. A person's word on an outcome (`hundredfold outcomes overrule`) is its audit.
"""

from __future__ import annotations

from msgspec import Struct

from hundredfold.economics.figures import Rate
from hundredfold.outcome import POLICY, Observation
from hundredfold.store import outcomes, proposals
from hundredfold.store.database import Database
from hundredfold.store.outcomes import OutcomeRow
from hundredfold.vocabulary import digest

SHARE = 0.05  # of what policies accepted; 2 to 5 % is usual


class Sampled(Struct, frozen=True):
    """An outcome of the sample, the policy that accepted it, and the person's word if there is one."""

    row: OutcomeRow
    policy: str
    word: Observation | None

    @property
    def wrong(self) -> bool:
        """Whether the person would not have accepted it."""
        return self.word is not None and self.word.state in ("rejected", "reverted")


class Audit(Struct, frozen=True):
    """The sample, oldest first, and of how many accepted by policies it was drawn."""

    sample: tuple[Sampled, ...]
    of: int

    @property
    def wrongly_accepted(self) -> Rate:
        """Wrong ones of those audited; what nobody audited yet is pending."""
        audited = [one for one in self.sample if one.word is not None]
        wrong = sum(one.wrong for one in audited)
        return Rate(wrong, len(audited), len(self.sample) - len(audited), "audited")


def audit(database: Database, project: str, share: float = SHARE) -> Audit:
    """The sample of a project's work that policies accepted.

    Raises:
        ValueError: `share` is not between 0 and 1.
    """
    if not 0 < share <= 1:
        raise ValueError(f"a share of {share} is no share")
    found: list[Sampled] = []
    whole = 0
    for row in outcomes.of_project(database, project):
        policy = _policy(database, row)
        if policy is None:
            continue
        whole += 1
        if drawn(row.outcome.id, share):
            words = [one.observation for one in outcomes.history(database, row.outcome.id)]
            said = [one for one in words if one.person]
            found.append(Sampled(row, policy, said[-1] if said else None))
    return Audit(tuple(found), whole)


def drawn(outcome: str, share: float) -> bool:
    """Whether an outcome is in the sample: by its id alone."""
    return int(digest("audit", outcome)[:8], 16) < share * 16**8


def _policy(database: Database, row: OutcomeRow) -> str | None:
    """The policy that approved an outcome's proposal; None if a person did, or nobody."""
    if row.outcome.proposal is None:
        return None
    approvals = [
        one.by for one in proposals.decisions_of(database, row.outcome.proposal) if one.verdict == "approve"
    ]
    return approvals[-1] if approvals and approvals[-1].startswith(POLICY) else None

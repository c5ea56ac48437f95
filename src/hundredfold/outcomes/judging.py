"""From facts to one observation: what git and the forge show of a change, by which rule, how far to be
trusted.

A change is accepted when it lands, reverted when it is taken back within the horizon, and survived when it
stood for the whole horizon: no commit took it back, and at least a fifth of its lines are still there. What
was rewritten so far that less is left did not survive. Merged work that nobody but its author looked at is
confirmed by nobody.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from hundredfold.outcomes.gitfate import Change, Landing, Revert, kept, landing, revert, silent_revert
from hundredfold.outcomes.saying import HORIZON_US, Judged, Says
from hundredfold.sources.githistory import History

LEAST_KEPT = 0.2  # of its lines; of less, the change was rewritten
OBSERVER = "git"


class Forge(Struct, frozen=True):
    """What the forge says of a pull request. Times in UTC microseconds.

    `closed_us`: when it was closed, merged or not; `merged_by`, `reviewers`: logins other than the author's.
    """

    merged: bool = False
    closed_us: int | None = None
    merged_us: int | None = None
    merged_by: str = ""
    reviewers: tuple[str, ...] = ()
    url: str = ""

    @property
    def evidence(self) -> dict[str, Any]:
        """What of it is kept with an observation."""
        return {"url": self.url, "merged by": self.merged_by, "reviewed by": list(self.reviewers)}


def judge(
    outcome: str,
    history: History,
    change: Change,
    now_us: int,
    *,
    opened_us: int,
    forge: Forge | None = None,
) -> Judged:
    """What became of a change as far as can be seen at `now_us`; `forge` None: nothing but git knows of
    it.
    """
    says, forge = Says(outcome, OBSERVER, now_us), forge or Forge(merged=True)
    waits = forge.closed_us is None and not forge.merged
    landed = None if waits else landing(history, change)
    if landed is None:
        return _not_landed(says, forge, opened_us)
    accepted_us = forge.merged_us or landed.at_us
    horizon_us = accepted_us + HORIZON_US
    evidence = {"landed": landed.how, "commits": list(landed.commits[-5:]), **forge.evidence}
    back = revert(history, landed)
    if back is None and now_us >= horizon_us:  # comparing patches is dear: once, at the end
        back = silent_revert(history, landed, horizon_us)
    if back is not None and back.at_us <= min(horizon_us, now_us):
        return _reverted(says, accepted_us, back, evidence)
    if now_us >= horizon_us:
        later = {"taken back later by": back.sha} if back is not None else {}
        return _at_horizon(
            Says(outcome, OBSERVER, horizon_us), history, landed, accepted_us, forge, {**evidence, **later}
        )
    rule = f"{landed.how}, and nothing took it back so far"
    return says.accepted(rule, accepted_us, landed.strength, evidence, confirmed=bool(forge.reviewers))


def _not_landed(says: Says, forge: Forge, opened_us: int) -> Judged:
    if forge.merged_us is not None:  # into another branch, or the history was rewritten
        return says.unknown("merged by the forge's word, but not found in the branch", again_days=14)
    if forge.closed_us is not None:
        return says.rejected("closed without being merged", forge.closed_us, evidence={"url": forge.url})
    return says.pending("not landed yet", opened_us)


def _reverted(says: Says, accepted_us: int, back: Revert, evidence: dict[str, Any]) -> Judged:
    rule = "the opposite change was made" if back.silent else "a commit says that it takes it back"
    strength = "medium" if back.silent else "high"
    evidence = {**evidence, "taken back by": back.sha}
    return says.reverted(rule, accepted_us, back.at_us, strength, evidence)  # type: ignore[arg-type]


def _at_horizon(
    says: Says,
    history: History,
    landed: Landing,
    accepted_us: int,
    forge: Forge,
    evidence: dict[str, Any],
) -> Judged:
    """Its lines are counted as the branch was at the horizon, whenever somebody looks."""
    counted = kept(history, landed, says.seen_us)
    if counted is not None and counted.lines > 0 and counted.kept < LEAST_KEPT * counted.lines:
        lines = {"lines": counted.lines, "lines_kept": counted.kept}
        return says.reverted(
            "rewritten within the horizon", accepted_us, says.seen_us, "medium", evidence, **lines
        )
    rule = "nothing took it back within the horizon, and its lines stand"
    if counted is None:
        rule = "nothing took it back within the horizon; its lines could not be followed"
    strength = landed.strength if counted is not None else "medium"
    return says.accepted(
        rule,
        accepted_us,
        strength,
        evidence,
        confirmed=bool(forge.reviewers),
        lines=counted.lines if counted else None,
        lines_kept=counted.kept if counted else None,
    )

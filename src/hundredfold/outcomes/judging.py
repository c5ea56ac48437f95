"""From facts to one observation: what git and the forge show of a change, by which rule, how far to be
trusted.

A change is accepted when it lands, reverted when it is taken back within the horizon, and survived when it
stood for the whole horizon: no commit took it back, and at least a fifth of its lines are still there. What
was rewritten within the horizon so far that less is left did not survive. Merged work that nobody but its
author looked at is confirmed by nobody.
"""

from __future__ import annotations

from msgspec import Struct

from hundredfold.outcome import Observation, Strength
from hundredfold.outcomes.gitfate import Change, Landing, Revert, kept, landing, revert, silent_revert
from hundredfold.sources.githistory import History, Kept

DAY_US = 86_400 * 1_000_000
HORIZON_DAYS = 30
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


class Judged(Struct, frozen=True):
    """An observation, and when to look again (UTC microseconds; None: its fate is final)."""

    observation: Observation
    look_us: int | None


def judge(
    outcome: str,
    history: History,
    change: Change,
    now_us: int,
    *,
    opened_us: int,
    forge: Forge | None = None,
    horizon_days: int = HORIZON_DAYS,
) -> Judged:
    """What became of a change as far as can be seen at `now_us`."""
    forge_says = forge or Forge()
    still_open = forge is not None and forge.closed_us is None and not forge.merged
    landed = None if still_open else landing(history, change)
    if landed is None and forge_says.merged and forge_says.merged_us is not None:
        return _not_here(outcome, forge_says, now_us)
    if landed is None:
        return _not_landed(outcome, forge_says, now_us, opened_us)
    accepted_us = forge_says.merged_us or landed.at_us
    horizon_us = accepted_us + horizon_days * DAY_US
    back = revert(history, landed)
    if back is None and now_us >= horizon_us:  # comparing patches is dear: once, at the end
        back = silent_revert(history, landed, horizon_us)
    facts = _facts(landed, forge_says)
    if back is not None and back.at_us <= min(horizon_us, now_us):
        return _reverted(outcome, accepted_us, back, forge_says, facts, now_us)
    if now_us < horizon_us:
        return _stands_so_far(outcome, accepted_us, landed, forge_says, facts, now_us, horizon_us)
    if back is not None:
        facts["taken back later"] = back.sha
    return _at_horizon(outcome, history, landed, accepted_us, horizon_us, forge_says, facts)


def next_look(opened_us: int, now_us: int) -> int:
    """When to look again at what is not decided: the older, the more seldom; at least daily for a week."""
    age = max(0, now_us - opened_us)
    return now_us + (DAY_US if age < 7 * DAY_US else 3 * DAY_US if age < 60 * DAY_US else 14 * DAY_US)


def _facts(landed: Landing, forge: Forge) -> dict[str, object]:
    facts: dict[str, object] = {"landed": landed.how, "commits": list(landed.commits[-5:])}
    if forge.url:
        facts["url"] = forge.url
    if forge.merged_by:
        facts["merged by"] = forge.merged_by
    if forge.reviewers:
        facts["reviewed by"] = list(forge.reviewers)
    return facts


def _confirmed(forge: Forge) -> bool:
    """Somebody other than its author reviewed it."""
    return bool(forge.reviewers)


def _not_landed(outcome: str, forge: Forge, now_us: int, opened_us: int) -> Judged:
    if forge.closed_us is not None:
        seen = Observation(
            outcome=outcome,
            state="rejected",
            rule="closed without being merged",
            strength="high",
            observed_us=now_us,
            by=OBSERVER,
            ended_us=forge.closed_us,
            confirmed=True,
            evidence={"url": forge.url} if forge.url else {},
        )
        return Judged(seen, None)
    seen = Observation(
        outcome=outcome,
        state="pending",
        rule="not landed yet",
        strength="high",
        observed_us=now_us,
        by=OBSERVER,
    )
    return Judged(seen, next_look(opened_us, now_us))


def _not_here(outcome: str, forge: Forge, now_us: int) -> Judged:
    """The forge says merged, and the branch does not have it: into another branch, or it was rewritten."""
    seen = Observation(
        outcome=outcome,
        state="unknown",
        rule="merged by the forge's word, but not found in the branch",
        strength="medium",
        observed_us=now_us,
        by=OBSERVER,
        evidence={"url": forge.url} if forge.url else {},
    )
    return Judged(seen, now_us + 14 * DAY_US)


def _reverted(
    outcome: str, accepted_us: int, back: Revert, forge: Forge, facts: dict[str, object], now_us: int
) -> Judged:
    strength: Strength = "medium" if back.silent else "high"
    seen = Observation(
        outcome=outcome,
        state="reverted",
        rule="the opposite change was made" if back.silent else "a commit says that it takes it back",
        strength=strength,
        observed_us=now_us,
        by=OBSERVER,
        confirmed=True,
        accepted_us=accepted_us,
        ended_us=max(back.at_us, accepted_us),
        evidence={**facts, "taken back by": back.sha},
    )
    return Judged(seen, None)


def _stands_so_far(
    outcome: str,
    accepted_us: int,
    landed: Landing,
    forge: Forge,
    facts: dict[str, object],
    now_us: int,
    horizon_us: int,
) -> Judged:
    seen = Observation(
        outcome=outcome,
        state="accepted",
        rule=f"{landed.how}, and nothing took it back so far",
        strength=landed.strength,
        observed_us=now_us,
        by=OBSERVER,
        confirmed=_confirmed(forge),
        accepted_us=accepted_us,
        evidence=facts,
    )
    return Judged(seen, min(horizon_us, next_look(accepted_us, now_us)))


def _at_horizon(
    outcome: str,
    history: History,
    landed: Landing,
    accepted_us: int,
    horizon_us: int,
    forge: Forge,
    facts: dict[str, object],
) -> Judged:
    counted = kept(history, landed, horizon_us)
    rewritten = counted is not None and counted.lines > 0 and counted.kept < LEAST_KEPT * counted.lines
    seen = Observation(
        outcome=outcome,
        state="reverted" if rewritten else "survived",
        rule=_rule_at_horizon(counted, rewritten=rewritten),
        strength="medium" if rewritten or counted is None else landed.strength,
        observed_us=horizon_us,
        by=OBSERVER,
        confirmed=rewritten or _confirmed(forge),
        accepted_us=accepted_us,
        ended_us=horizon_us if rewritten else None,
        lines=counted.lines if counted else None,
        lines_kept=counted.kept if counted else None,
        evidence=facts,
    )
    return Judged(seen, None)


def _rule_at_horizon(counted: Kept | None, *, rewritten: bool) -> str:
    if counted is None:
        return "nothing took it back within the horizon; its lines could not be followed"
    if rewritten:
        return "rewritten within the horizon"
    return "nothing took it back within the horizon, and its lines stand"

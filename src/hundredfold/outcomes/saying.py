"""Observations in few words: what one observer says of one outcome at one time, by which rule."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from hundredfold.outcome import Observation, OutcomeState, Strength

DAY_US = 86_400 * 1_000_000
HORIZON_US = 30 * DAY_US  # how long what was accepted must stand


class Judged(Struct, frozen=True):
    """An observation, and when to look again (UTC microseconds; None: its fate is final)."""

    observation: Observation
    look_us: int | None


class Says(Struct, frozen=True):
    """One observer (`by`), of one outcome, as of `seen_us` (UTC microseconds)."""

    outcome: str
    by: str
    seen_us: int

    def pending(self, rule: str, opened_us: int, strength: Strength = "high") -> Judged:
        """Nothing says yes or no yet."""
        return self._said("pending", rule, strength, next_look(opened_us, self.seen_us))

    def unknown(self, rule: str, again_days: int = 30) -> Judged:
        """It can't be followed now."""
        return self._said("unknown", rule, "low", self.seen_us + again_days * DAY_US)

    def rejected(
        self, rule: str, at_us: int, strength: Strength = "high", evidence: Mapping[str, Any] | None = None
    ) -> Judged:
        """No, and that is final; somebody else's word, if the evidence is strong."""
        return self._said(
            "rejected", rule, strength, None, evidence, ended_us=at_us, confirmed=strength == "high"
        )

    def reverted(
        self,
        rule: str,
        accepted_us: int,
        at_us: int,
        strength: Strength = "high",
        evidence: Mapping[str, Any] | None = None,
        **counted: int | None,
    ) -> Judged:
        """It was accepted, and taken back."""
        times = {"accepted_us": accepted_us, "ended_us": max(at_us, accepted_us)}
        return self._said("reverted", rule, strength, None, evidence, confirmed=True, **times, **counted)

    def accepted(
        self,
        rule: str,
        at_us: int,
        strength: Strength = "medium",
        evidence: Mapping[str, Any] | None = None,
        *,
        confirmed: bool = False,
        lines: int | None = None,
        lines_kept: int | None = None,
    ) -> Judged:
        """Yes; and it survived, if the horizon is over."""
        over = self.seen_us >= at_us + HORIZON_US
        look = None if over else min(at_us + HORIZON_US, next_look(at_us, self.seen_us))
        state: OutcomeState = "survived" if over else "accepted"
        known = {"accepted_us": at_us, "confirmed": confirmed, "lines": lines, "lines_kept": lines_kept}
        return self._said(state, rule, strength, look, evidence, **known)

    def _said(
        self,
        state: OutcomeState,
        rule: str,
        strength: Strength,
        look_us: int | None,
        evidence: Mapping[str, Any] | None = None,
        **known: Any,
    ) -> Judged:
        seen = Observation(
            outcome=self.outcome,
            state=state,
            rule=rule,
            strength=strength,
            observed_us=self.seen_us,
            by=self.by,
            evidence={name: value for name, value in (evidence or {}).items() if value},
            **known,
        )
        return Judged(seen, look_us)


def next_look(opened_us: int, now_us: int) -> int:
    """When to look again at what is not decided: the older, the more seldom; daily for a week."""
    age = max(0, now_us - opened_us)
    return now_us + (DAY_US if age < 7 * DAY_US else 3 * DAY_US if age < 60 * DAY_US else 14 * DAY_US)

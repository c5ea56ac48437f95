"""What the pages assume: what only its owner can know of a project, and which of it nobody has set."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from hundredfold.config import dollars
from hundredfold.economics.scenarios import ScenarioRow, load_scenarios
from hundredfold.economics.values import Value, load_values, unknown
from hundredfold.errors import ConfigError
from hundredfold.outcome import OutcomeKind
from hundredfold.settings import Settings

HOURS_A_MONTH = 720  # 30 days
REVIEWER_HOUR, REVERT_LOSS = "150", "100"


class Assumptions(Struct, frozen=True, kw_only=True):
    """Money in picodollars. `assumed` names what stands at its default since nobody set it."""

    reviewer_hour: int
    revert_loss: int
    people: int
    review_hours: float
    working_days: int
    horizon_days: int
    agents: int
    tokens_per_minute: int | None
    requests_per_minute: int | None
    values: Mapping[OutcomeKind, Value]
    scenarios: tuple[ScenarioRow, ...]
    assumed: tuple[str, ...] = ()

    @property
    def review_minutes_per_month(self) -> float:
        """What the people have for reviews in a month."""
        return self.people * self.review_hours * 60 * self.working_days

    def value(self, kind: OutcomeKind) -> Value:
        """What an outcome of the kind is worth."""
        return self.values.get(kind) or unknown(kind)


def assumptions(settings: Settings, root: Path) -> Assumptions:
    """What the settings say, and what stands in for what they do not.

    Raises:
        ConfigError: an amount, a file or a number in [worth] is wrong.
    """
    own = settings.worth
    numbers = {
        "people": (own.people, 1),
        "review-hours": (own.review_hours, 0),
        "working-days": (own.working_days, 1),
        "horizon-days": (own.horizon_days, 1),
        "tokens-per-minute": (own.tokens_per_minute, 0),
        "requests-per-minute": (own.requests_per_minute, 0),
    }
    for name, (number, least) in numbers.items():
        if number < least:
            raise ConfigError(f"[worth] {name} is {number}", f"It must be {least} or more.")
    hour = _amount("reviewer-hour", own.reviewer_hour or REVIEWER_HOUR)
    return Assumptions(
        reviewer_hour=hour,
        revert_loss=_amount("revert-loss", own.revert_loss or REVERT_LOSS),
        people=own.people,
        review_hours=own.review_hours,
        working_days=own.working_days,
        horizon_days=own.horizon_days,
        agents=settings.fleet.agents,
        tokens_per_minute=own.tokens_per_minute or None,
        requests_per_minute=own.requests_per_minute or None,
        values=load_values([root / one for one in own.values], reviewer_hour=hour),
        scenarios=load_scenarios([root / one for one in own.scenarios]),
        assumed=tuple(
            name
            for name, text in (("reviewer-hour", own.reviewer_hour), ("revert-loss", own.revert_loss))
            if not text
        ),
    )


def _amount(name: str, text: str) -> int:
    try:
        return dollars(text)
    except ValueError as error:
        raise ConfigError(f"[worth] {name}: {error}", 'Write it like "$150".') from error

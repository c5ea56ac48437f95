"""Did it pay? One job and kind: net value where a value is set, else what an outcome must be worth.

The unit is one outcome opened, whatever became of it: it cost what the job spent over all it opened, attempts
that brought nothing about included, and one review. Nothing is computed before something was decided, and no
return is claimed where no value is set.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Literal

from msgspec import Struct

from hundredfold.economics.figures import Multiple
from hundredfold.economics.intervals import Interval
from hundredfold.economics.netvalue import Attempt, break_even_multiple, net, required_value
from hundredfold.economics.uncertainty import (
    Bar,
    Share,
    Spread,
    Uncertain,
    between,
    monte_carlo,
    net_value,
    probability,
    rate,
    sobol,
    tornado,
)
from hundredfold.economics.values import Value
from hundredfold.vocabulary import PICODOLLARS_PER_DOLLAR
from hundredfold.worth.assumptions import Assumptions
from hundredfold.worth.lines import Line
from hundredfold.worth.tallies import ReviewSum

BASE = "list price by the tier served"
#: a review that nobody measured may take this much less or more than was expected
GUESS = (0.5, 3.0)


class Survival(Struct, frozen=True):
    """The share of accepted work that stands for `days`, by Kaplan and Meier: `of` were followed, `ended`
    taken back.

    `estimate` is None while nobody was followed at all; `days` is short of the horizon while nobody was
    followed so long.
    """

    estimate: float | None
    interval: Interval
    days: float
    horizon: int
    of: int
    ended: int
    effective: float  # so many, all followed to the end, would tell as much


class ReviewTime(Struct, frozen=True):
    """Minutes of a person for one decision: measured over `measured` of `decisions`, or only expected."""

    minutes: float
    decisions: int
    measured: int
    total_minutes: float


class Verdict(Struct, frozen=True):
    """What is known of whether one job's outcomes of a kind pay. Money in picodollars.

    `what` is what spread, bars and shares are of: net value where a value is set, else the required value.
    """

    line: Line
    value: Value
    survival: Survival
    review: ReviewTime
    why_not: str = ""  # why there are no figures
    attempt: Attempt | None = None
    net: int | None = None
    required: int | None = None
    multiple: Multiple | None = None
    what: Literal["net value", "required value"] = "required value"
    spread: Spread | None = None
    centre: float = 0.0  # the same with every input at its mean, where the bars meet
    bars: tuple[Bar, ...] = ()
    shares: tuple[Share, ...] = ()


def survival_of(line: Line, horizon: int) -> Survival:
    """How much of a line's accepted work stands, at the horizon or as far as anybody was followed."""
    curve = line.curve
    days: float = horizon
    estimate = curve.at(horizon)
    if estimate is None and curve.of:
        days = curve.longest
        estimate = curve.at(days)
    error = curve.standard_error(days)
    effective = float(curve.standing(days) + curve.gone(days))
    if estimate is not None and error:
        effective = estimate * (1 - estimate) / error**2
    return Survival(estimate, curve.interval(days), days, horizon, curve.of, curve.ended, effective)


def review_time(line: Line, reviews: ReviewSum | None) -> ReviewTime:
    """What a decision took a person: measured if it was, else as the proposals expected."""
    if reviews is None or not reviews.decisions:
        return ReviewTime(0.0, 0, 0, 0.0)
    total = reviews.seconds / 60 + reviews.expected_minutes
    if reviews.measured:
        each = reviews.seconds / 60 / reviews.measured
    else:
        each = reviews.expected_minutes / reviews.decisions
    return ReviewTime(each, reviews.decisions, reviews.measured, total)


def verdict(
    line: Line,
    value: Value,
    reviews: ReviewSum | None,
    assumed: Assumptions,
    prices: Sequence[Fraction],
) -> Verdict:
    """Judge a line. `prices` are the multiples of what was billed that scenarios give."""
    survival, review = survival_of(line, assumed.horizon_days), review_time(line, reviews)
    known = Verdict(line, value, survival, review)
    decided = line.accepted + line.rejected
    if not line.opened:
        return _without(known, "nothing was brought about")
    if not decided:
        return _without(known, f"nothing is decided yet: {line.pending:,} of {line.opened:,} pending")
    each = line.per_opened.each
    assert each is not None
    attempt = Attempt(
        acceptance=line.accepted / decided,
        survival=1.0 if survival.estimate is None else survival.estimate,
        cost=each[1],
        value=value.likely,
        review_minutes=review.minutes,
        reviewer_hour=assumed.reviewer_hour,
        revert_loss=assumed.revert_loss,
    )
    inputs = _inputs(line, value, survival, review, assumed, each, prices)
    model = net_value if value.range else _required
    multiple = break_even_multiple(attempt)
    return Verdict(
        line=line,
        value=value,
        survival=survival,
        review=review,
        attempt=attempt,
        net=net(attempt),
        required=required_value(attempt),
        multiple=None if multiple is None else Multiple(float(multiple), BASE),
        what="net value" if value.range else "required value",
        spread=monte_carlo(inputs, model),
        centre=model({name: one.mean for name, one in inputs.items()}),
        bars=tornado(inputs, model),
        shares=sobol(inputs, model),
    )


def _without(known: Verdict, why: str) -> Verdict:
    return Verdict(known.line, known.value, known.survival, known.review, why)


def _inputs(
    line: Line,
    value: Value,
    survival: Survival,
    review: ReviewTime,
    assumed: Assumptions,
    each: tuple[int, int],
    prices: Sequence[Fraction],
) -> dict[str, Uncertain]:
    """What is uncertain of a line, in dollars and minutes."""
    stands = 0.5 if survival.estimate is None else survival.estimate
    multiples = sorted([1.0, *map(float, prices)])
    fixed = Uncertain("fixed", _dollars(assumed.revert_loss))
    measured = Uncertain("fixed", review.minutes)
    guessed = between(GUESS[0] * review.minutes, review.minutes, GUESS[1] * review.minutes)
    inputs = {
        "acceptance": rate(line.accepted, line.accepted + line.rejected),
        "survival": probability(stands, survival.effective),
        "cost": between(_dollars(each[0]), _dollars(each[1]), _dollars(each[1])),
        "multiple": between(multiples[0], 1.0, multiples[-1]),
        "review_minutes": measured if review.measured else guessed,
        "reviewer_hour": Uncertain("fixed", _dollars(assumed.reviewer_hour)),
        "revert_loss": fixed,
    }
    if value.range is not None:
        inputs["value"] = between(*map(_dollars, value.range))
    return inputs


def _required(x: Mapping[str, float]) -> float:
    """V*, in dollars. Draws without a survivor count as if one in a thousand survived: it stays finite."""
    p, s = x["acceptance"], x["survival"]
    spent = x["multiple"] * x["cost"] + x["review_minutes"] * x["reviewer_hour"] / 60
    return (spent + p * (1 - s) * x["revert_loss"]) / max(p * s, 0.001)


def _dollars(picodollars: int) -> float:
    return picodollars / PICODOLLARS_PER_DOLLAR

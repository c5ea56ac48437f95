"""One attempt's worth: net value, the value it needs, the price it survives, and the cost of success.

The formulas are those of the project's design, per kind of outcome:

    net  = p·s·V − m·c − r·w/60 − p·(1−s)·L
    V*   = (m·c + r·w/60 + p·(1−s)·L) / (p·s)
    m*   = (p·s·V − r·w/60 − p·(1−s)·L) / c

Money is in picodollars; the arithmetic is exact (a float's exact value counts) and rounded once, at the end.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

from msgspec import Struct

from hundredfold.economics.amounts import whole


class Attempt(Struct, frozen=True, kw_only=True):
    """What one attempt is expected to cost and bring.

    `acceptance` p and `survival` s are probabilities (s of what was accepted), `cost` c, `value` V of one
    outcome that survives, `revert_loss` L and `reviewer_hour` w are picodollars; V may be unknown.
    """

    acceptance: float
    survival: float
    cost: int
    value: int | None
    review_minutes: float
    reviewer_hour: int
    revert_loss: int

    def __post_init__(self) -> None:
        for name in ("acceptance", "survival"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is a probability, not {getattr(self, name)}")


def review_cost(one: Attempt) -> int:
    """What reviewing one attempt costs: r·w/60, in picodollars."""
    return whole(_review(one))


def net(one: Attempt, multiple: Fraction = Fraction(1)) -> int | None:
    """Net value of an attempt at m times its price; None if the value of an outcome is not known."""
    if one.value is None:
        return None
    p, s = Fraction(one.acceptance), Fraction(one.survival)
    return whole(p * s * one.value - multiple * one.cost - _review(one) - _loss(one))


def required_value(one: Attempt, multiple: Fraction = Fraction(1)) -> int | None:
    """V*: what a surviving outcome must be worth to break even; None if none ever survives."""
    survives = Fraction(one.acceptance) * Fraction(one.survival)
    if not survives:
        return None
    return whole((multiple * one.cost + _review(one) + _loss(one)) / survives)


def break_even_multiple(one: Attempt) -> Fraction | None:
    """m*: the price multiple at which an attempt just pays, relative to the base that `cost` is in.

    None if the value is not known or an attempt costs nothing. Below 1 it does not pay today; at 0 or below
    it would not pay for free.
    """
    if one.value is None or not one.cost:
        return None
    p, s = Fraction(one.acceptance), Fraction(one.survival)
    return (p * s * one.value - _review(one) - _loss(one)) / one.cost


def _review(one: Attempt) -> Fraction:
    return Fraction(one.review_minutes) * one.reviewer_hour / 60


def _loss(one: Attempt) -> Fraction:
    p, s = Fraction(one.acceptance), Fraction(one.survival)
    return p * (1 - s) * one.revert_loss


# ------------------------------------------------------------------ cost of pass


class Solver(Struct, frozen=True):
    """Somebody who tries problems of one kind: an agent on a route, or the human.

    `cost` is the expected picodollars of one try, review included; `successes` of `tries` tries succeeded.
    """

    name: str
    cost: int
    successes: int
    tries: int


class CostOfPass(Struct, frozen=True):
    """Expected picodollars until a success, E[cost] / P(success); None is infinite: no success was seen."""

    solver: Solver
    picodollars: int | None


def cost_of_pass(one: Solver) -> CostOfPass:
    """Cost-of-pass (Erol et al., arXiv 2504.13359): infinite at zero successes."""
    if not one.successes:
        return CostOfPass(one, None)
    return CostOfPass(one, whole(Fraction(one.cost * one.tries, one.successes)))


def frontier(solvers: Iterable[Solver]) -> tuple[CostOfPass, ...]:
    """Everybody's cost of pass, cheapest first and the infinite last: the first one is the frontier. The
    human belongs among the solvers, or an agent is compared with nothing."""
    found = [cost_of_pass(one) for one in solvers]
    return tuple(
        sorted(found, key=lambda one: (one.picodollars is None, one.picodollars or 0, one.solver.name))
    )

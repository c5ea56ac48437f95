"""The one page that a payer reads, as a record: what was spent, what became of it, whether it paid.

Real and simulated work are two sides that never meet.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from msgspec import Struct

from hundredfold.economics.capacity import (
    Marginal,
    Scalability,
    Supply,
    enough_agents,
    marginal,
    review_hour_worth,
)
from hundredfold.economics.figures import Amount
from hundredfold.economics.netvalue import CostOfPass, Solver, frontier
from hundredfold.economics.scenarios import ScenarioRow
from hundredfold.outcome import PAST
from hundredfold.prices.book import PriceBook
from hundredfold.store import outcomesums
from hundredfold.store.database import Database
from hundredfold.store.outcomesums import DAY_US, OutcomeSum
from hundredfold.usage.allocation import Allocation
from hundredfold.worth.assumptions import HOURS_A_MONTH, Assumptions
from hundredfold.worth.lines import By, Line, lines, total
from hundredfold.worth.spending import Payment, Reading, Spent, spending
from hundredfold.worth.tallies import AttemptSum, ReviewSum, added, attempts_of, refresh, reviews_of
from hundredfold.worth.verdict import ReviewTime, Verdict, review_time, verdict

#: the readings of "price" that the tornado spans: from computing alone to everything the provider spends
HUMAN = "human"
SPANNED = ("marginal compute", "full cost recovery")


class Priced(Struct, frozen=True):
    """A scenario over the recorded requests. `times` is relative to what was billed; None without a bill."""

    scenario: ScenarioRow
    amount: Amount
    times: Fraction | None


class Capacity(Struct, frozen=True):
    """What the fleet could do. `last` is the agent that is the last one now; `enough` how many agents
    provider and review are there for; `review_hour` what one more of those would bring, in picodollars."""

    supply: Supply
    last: Marginal
    enough: int
    net_per_attempt: int | None
    review_hour: int | None
    curve: tuple[Marginal, ...]


class Contest(Struct, frozen=True):
    """Who does one kind of work cheapest until it is accepted and stands: agents by route, and the human."""

    kind: str
    entries: tuple[CostOfPass, ...]
    human: str  # what is known of the human, in words


class Side(Struct, frozen=True, kw_only=True):
    """Everything about real work, or about simulated work."""

    simulated: bool
    total: Line
    review: ReviewTime
    by: tuple[By, ...]
    lines: tuple[Line, ...]
    verdicts: tuple[Verdict, ...]
    payments: tuple[Payment, ...]
    readings: tuple[Priced, ...]
    capacity: Capacity | None
    contests: tuple[Contest, ...]

    @property
    def empty(self) -> bool:
        """Whether nothing was spent and nothing brought about."""
        return not (self.total.requests or self.total.opened or self.total.attempts)


class Report(Struct, frozen=True, kw_only=True):
    """The page. `simulated` is None if nothing was simulated."""

    project: str | None
    since_us: int | None
    made_us: int
    assumed: Assumptions
    real: Side
    simulated: Side | None
    past: tuple[
        Line, ...
    ]  # by job and agent: what no job of ours brought about, and nobody knows the cost of
    outside: Line  # money spent outside the fleet (imported logs), which is in no unit cost

    @property
    def sides(self) -> tuple[Side, ...]:
        """Real first, then simulated if there is any."""
        return (self.real,) if self.simulated is None else (self.real, self.simulated)

    @property
    def filled(self) -> tuple[Side, ...]:
        """The sides that hold something; the real one if none does."""
        return tuple(one for one in self.sides if not one.empty) or (self.real,)


def report(
    database: Database,
    book: PriceBook,
    assumed: Assumptions,
    *,
    project: str | None,
    since_us: int | None,
    made_us: int,
    by: Sequence[By] = ("job", "kind"),
    allocation: Allocation = Allocation(),  # noqa: B008
) -> Report:
    """Make the page of a project (None: of all) from what was opened and spent since a UTC midnight."""
    refresh(database)
    since_day = (since_us or 0) // DAY_US
    money = spending(
        database, book, assumed.scenarios, project=project, since_us=since_us, allocation=allocation
    )
    tried = attempts_of(database, project, since_day=since_day)
    followed = list(outcomesums.of_project(database, project, since_day=since_day))
    outcomes = [one for one in followed if not one.origin.job.startswith(PAST)]
    real, simulated = (
        _side(
            flag,
            [one for one in money.spent if one.simulated == flag],
            [one for one in tried if one.origin.simulated == flag],
            [one for one in outcomes if one.origin.simulated == flag],
            [one for one in money.payments if one.simulated == flag],
            [one for one in money.readings if one.simulated == flag],
            reviews_of(database, project, simulated=flag, since_day=since_day),
            assumed,
            by,
        )
        for flag in (False, True)
    )
    past = [one for one in followed if one.origin.job.startswith(PAST)]
    return Report(
        past=tuple(lines(("job", "agent"), (), (), past)),
        outside=total([one for one in money.outside if not one.simulated], (), ()),
        project=project,
        since_us=since_us,
        made_us=made_us,
        assumed=assumed,
        real=real,
        simulated=None if simulated.empty else simulated,
    )


def _side(
    simulated: bool,
    spent: Sequence[Spent],
    tried: Sequence[AttemptSum],
    outcomes: Sequence[OutcomeSum],
    payments: Sequence[Payment],
    readings: Sequence[Reading],
    reviews: dict[str, ReviewSum],
    assumed: Assumptions,
    by: Sequence[By],
) -> Side:
    whole = total(spent, tried, outcomes)
    priced = tuple(_priced(one, whole.amount) for one in readings)
    spanned = [one.times for one in priced if one.scenario.name in SPANNED and one.times is not None]
    verdicts = tuple(
        verdict(line, assumed.value(line.labels[1]), reviews.get(line.labels[0]), assumed, spanned)
        for line in lines(("job", "kind"), spent, tried, outcomes)
    )
    return Side(
        simulated=simulated,
        total=whole,
        review=review_time(whole, added(reviews.values())),
        by=tuple(by),
        lines=tuple(lines(by, spent, tried, outcomes)),
        verdicts=verdicts,
        payments=tuple(payments),
        readings=priced,
        capacity=_capacity(whole, verdicts, review_time(whole, added(reviews.values())), assumed),
        contests=_contests(
            lines(("kind", "agent", "model", "tier"), spent, tried, outcomes), verdicts, assumed
        ),
    )


def _priced(one: Reading, billed: Amount) -> Priced:
    return Priced(one.scenario, one.amount, Fraction(one.amount.most, billed.most) if billed.most else None)


# ------------------------------------------------------------------ capacity


def _capacity(
    whole: Line, verdicts: Sequence[Verdict], review: ReviewTime, assumed: Assumptions
) -> Capacity | None:
    """None while no attempt ended: nothing is measured."""
    if not whole.attempts or whole.seconds <= 0:
        return None
    supply = Supply(
        scalability=Scalability(alone=3600 * whole.attempts / whole.seconds),
        tokens_per_attempt=whole.tokens / whole.attempts,
        requests_per_attempt=whole.requests / whole.attempts,
        tokens_per_minute=assumed.tokens_per_minute,
        requests_per_minute=assumed.requests_per_minute,
        review_minutes_per_hour=assumed.review_minutes_per_month / HOURS_A_MONTH,
        review_minutes_per_attempt=review.minutes * whole.opened / whole.attempts,
    )
    worth = _net_per_attempt(whole, verdicts)
    enough = enough_agents(supply)
    step = max(assumed.agents // 20, 1)
    sizes = {assumed.agents, *range(1, 2 * assumed.agents + 1, step)}
    sizes |= {one for one in (enough, enough + 1) if 0 < one <= 2 * assumed.agents}
    return Capacity(
        supply=supply,
        last=marginal(supply, assumed.agents, worth),
        enough=enough,
        net_per_attempt=worth,
        review_hour=None
        if worth is None
        else review_hour_worth(supply, assumed.agents, worth, assumed.reviewer_hour),
        curve=tuple(marginal(supply, agents, worth) for agents in sorted(sizes)),
    )


def _net_per_attempt(whole: Line, verdicts: Sequence[Verdict]) -> int | None:
    """None unless every job that brought something about has a net value."""
    worth = Fraction(0)
    for one in verdicts:
        if one.line.opened and one.net is None:
            return None
        worth += (one.net or 0) * one.line.opened
    return round(worth / whole.attempts) if any(one.net is not None for one in verdicts) else None


# ------------------------------------------------------------------ cost of pass


def _contests(
    found: Sequence[Line], verdicts: Sequence[Verdict], assumed: Assumptions
) -> tuple[Contest, ...]:
    """For each kind its routes and the human, by the cost until an outcome is accepted and stands so far."""
    reviewing: dict[str, float] = {}
    for one in verdicts:
        reviewing[one.line.labels[1]] = max(one.review.minutes, reviewing.get(one.line.labels[1], 0.0))
    contests = []
    for kind in dict.fromkeys(line.labels[0] for line in found if line.opened):
        solvers = [
            Solver(
                " · ".join(label for label in line.labels[1:] if label != "–") or "unknown",
                cost=round(
                    Fraction(line.amount.most, line.opened)
                    + Fraction(reviewing.get(kind, 0.0)) * assumed.reviewer_hour / 60
                ),
                successes=line.accepted - line.reverted,
                tries=line.opened,
            )
            for line in found
            if line.labels[0] == kind and line.opened and line.requests
        ]
        value = assumed.value(kind)
        human = "no figure: set minutes replaced for this kind in a file named by [worth] values"
        if value.basis == "minutes replaced" and value.likely is not None:
            solvers.append(Solver(HUMAN, cost=value.likely, successes=1, tries=1))
            human = f"{value.source}; taken to succeed each time"
        if solvers:
            contests.append(Contest(kind, frontier(solvers), human))
    return tuple(contests)

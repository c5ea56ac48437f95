"""Unit economics: by job, kind, agent, model, tier or payer, what outcomes cost and what became of them.

Money is known by job, agent, model, tier and payer, and outcomes by their kind besides; a job's money is
shared among the kinds that it brought about, by their number.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Literal, get_args

from msgspec import Struct

from hundredfold.economics.figures import Amount, Rate, UnitCost
from hundredfold.economics.survival import Curve, Followed, kaplan_meier
from hundredfold.outcome import ACCEPTED_STATES, kind_of
from hundredfold.store.outcomesums import OutcomeSum
from hundredfold.worth.spending import Spent
from hundredfold.worth.tallies import AttemptSum

By = Literal["job", "kind", "agent", "model", "tier", "payer", "repository"]
GROUPINGS: tuple[By, ...] = get_args(By)
#: what money is known by
_PAID: tuple[By, ...] = ("job", "agent", "model", "tier", "payer")
NOBODY = "–"


class Line(Struct, frozen=True):
    """What was spent under some labels, on how many attempts, and what became of what they brought about.

    `accepted` counts everything that was ever accepted, `survived` what stood the whole horizon, `standing`
    of those what somebody other than its maker confirmed, `unknown` what can't be followed.
    """

    labels: tuple[str, ...]
    amount: Amount
    attempts: int
    seconds: float
    requests: int
    tokens: int
    opened: int
    pending: int
    accepted: int
    rejected: int
    survived: int
    standing: int
    reverted: int
    unknown: int
    lines: int
    lines_kept: int
    curve: Curve

    @property
    def per_attempt(self) -> UnitCost:
        """What an attempt cost."""
        return UnitCost(self.amount, self.attempts, ("attempt", "attempts"))

    @property
    def per_opened(self) -> UnitCost:
        """What it cost to bring one outcome about, whatever became of it."""
        return UnitCost(self.amount, self.opened, ("outcome opened", "outcomes opened"))

    @property
    def per_accepted(self) -> UnitCost:
        """What an accepted outcome cost; what is pending may still make it cheaper."""
        return UnitCost(self.amount, self.accepted, ("accepted outcome", "accepted outcomes"), self.pending)

    @property
    def per_standing(self) -> UnitCost:
        """What an outcome cost that stood the horizon and that somebody else confirmed."""
        waiting = self.pending + self.accepted - self.survived - self.reverted
        what = ("surviving, confirmed outcome", "surviving, confirmed outcomes")
        return UnitCost(self.amount, self.standing, what, waiting)

    @property
    def acceptance(self) -> Rate:
        """Accepted of what was decided."""
        return Rate(self.accepted, self.accepted + self.rejected, self.pending, "decided")


class _Tally:
    """A line while it is added up."""

    def __init__(self) -> None:
        self.amount = Amount()
        self.counts: Counter[str] = Counter()
        self.seconds = 0.0
        self.followed: Counter[tuple[int, bool]] = Counter()


def lines(
    by: Sequence[By],
    spent: Iterable[Spent],
    attempts: Iterable[AttemptSum],
    outcomes: Sequence[OutcomeSum],
) -> list[Line]:
    """The lines by these labels, the dearest first. All of one side: real, or simulated."""
    tallies: dict[tuple[str, ...], _Tally] = defaultdict(_Tally)
    for one in outcomes:
        _add_outcomes(tallies[tuple(getattr(one.origin, label) or NOBODY for label in by)], one)
    shares = _Shares(outcomes, by)
    for paid in spent:
        facts = {label: getattr(paid, label) for label in _PAID}
        for labels, amounts in shares.split(
            facts,
            (paid.amount.least, paid.amount.most, paid.amount.unpriced, paid.requests, paid.tokens),
        ):
            tally = tallies[labels]
            tally.amount += Amount(*amounts[:3])
            tally.counts["requests"] += amounts[3]
            tally.counts["tokens"] += amounts[4]
    for tried in attempts:
        facts = {label: getattr(tried.origin, label) for label in _PAID}
        for labels, amounts in shares.split(facts, (tried.attempts, round(tried.seconds * 1000))):
            tallies[labels].counts["attempts"] += amounts[0]
            tallies[labels].seconds += amounts[1] / 1000
    made = [_line(labels, tally) for labels, tally in tallies.items()]
    return sorted(made, key=lambda line: (-line.amount.most, -line.opened, line.labels))


def total(spent: Iterable[Spent], attempts: Iterable[AttemptSum], outcomes: Sequence[OutcomeSum]) -> Line:
    """Everything in one line."""
    found = lines((), spent, attempts, outcomes)
    return found[0] if found else _line((), _Tally())


class _Shares:
    """How money that has no kind (or repository) is shared among those that its job brought about."""

    def __init__(self, outcomes: Sequence[OutcomeSum], by: Sequence[By]) -> None:
        self._by = by
        self._unpaid = [label for label in by if label not in _PAID]
        self._exact: dict[tuple[str, ...], Counter[tuple[str, ...]]] = defaultdict(Counter)
        self._of_job: dict[str, Counter[tuple[str, ...]]] = defaultdict(Counter)
        for one in outcomes if self._unpaid else ():
            rest = tuple(getattr(one.origin, label) or NOBODY for label in self._unpaid)
            self._exact[tuple(getattr(one.origin, label) for label in _PAID)][rest] += one.outcomes
            self._of_job[one.origin.job][rest] += one.outcomes

    def split(
        self, facts: dict[By, str], amounts: Sequence[int]
    ) -> Iterable[tuple[tuple[str, ...], list[int]]]:
        """The amounts by labels; they add up to what was given."""
        if not self._unpaid:
            return [(self._labels(facts, ()), list(amounts))]
        exact = self._exact.get(tuple(facts[label] for label in _PAID))
        weights = exact or self._of_job.get(facts["job"])
        if not weights:
            own = {"kind": kind_of(facts["job"]), "repository": NOBODY}
            weights = Counter({tuple(own[label] for label in self._unpaid): 1})
        names = sorted(weights)
        parts = [_shared(amount, [weights[name] for name in names]) for amount in amounts]
        return [
            (self._labels(facts, name), [part[place] for part in parts]) for place, name in enumerate(names)
        ]

    def _labels(self, facts: dict[By, str], rest: tuple[str, ...]) -> tuple[str, ...]:
        unpaid = dict(zip(self._unpaid, rest, strict=True))
        return tuple((unpaid[one] if one in unpaid else facts[one]) or NOBODY for one in self._by)


def _shared(amount: int, weights: Sequence[int]) -> list[int]:
    """Whole parts in proportion that add up to the amount: the largest remainders get what is left."""
    total_weight = sum(weights)
    parts = [amount * weight // total_weight for weight in weights]
    order = sorted(range(len(weights)), key=lambda one: -(amount * weights[one] % total_weight))
    for one in order[: amount - sum(parts)]:
        parts[one] += 1
    return parts


def _add_outcomes(tally: _Tally, one: OutcomeSum) -> None:
    counts, number = tally.counts, one.outcomes
    counts["opened"] += number
    counts["lines"] += one.lines
    counts["lines_kept"] += one.lines_kept
    if one.state in ACCEPTED_STATES:
        counts["accepted"] += number
        tally.followed[one.followed_days or 0, one.state == "reverted"] += number
    if one.state != "accepted":
        counts[one.state] += number
    if one.state == "survived" and one.confirmed:
        counts["standing"] += number


def _line(labels: tuple[str, ...], tally: _Tally) -> Line:
    names = (
        *("attempts", "requests", "tokens", "opened", "pending", "accepted", "rejected", "survived"),
        *("standing", "reverted", "unknown", "lines", "lines_kept"),
    )
    return Line(
        labels=labels,
        amount=tally.amount,
        seconds=tally.seconds,
        curve=kaplan_meier(Followed(days, ended, n) for (days, ended), n in tally.followed.items()),
        **{name: tally.counts[name] for name in names},
    )

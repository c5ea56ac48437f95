"""What a paired experiment came to: each arm's figures, and the second arm over the first, item by item.

Only items that both arms finished are compared; the others are counted. Acceptance is what the reviewer said,
who could not tell the arms apart; until then it is pending, and no cost per accepted outcome is claimed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct

from hundredfold.economics.figures import Amount, Rate, UnitCost, percent
from hundredfold.economics.paired import Compared, compared
from hundredfold.prices.book import PriceBook
from hundredfold.store.database import Database
from hundredfold.store.experiments import Arm, Experiment, Worked, worked
from hundredfold.usage.spend import cost_of
from hundredfold.usage.wording import tokens_text

FINISHED = frozenset({"done", "skipped"})
#: the measures that are compared, in this order
MEASURES = ("tokens", "output tokens", "cost", "agent seconds", "elapsed seconds", "findings", "proposals")


class Used(Struct, frozen=True):
    """What one item used in one arm."""

    tokens: int = 0
    output: int = 0
    amount: Amount = Amount()
    simulated: bool = False


class ArmFigures(Struct, frozen=True):
    """One arm over the compared items; `unfinished` ones were left out."""

    arm: Arm
    items: int
    unfinished: int
    attempts: int
    tokens: int
    output: int
    seconds: float
    amount: Amount
    findings: int
    proposals: int
    acceptance: Rate

    @property
    def per_item(self) -> UnitCost:
        """What an item cost."""
        return UnitCost(self.amount, self.items, ("item", "items"))

    @property
    def per_accepted(self) -> UnitCost:
        """What an accepted proposal cost."""
        what = ("accepted outcome", "accepted outcomes")
        return UnitCost(self.amount, self.acceptance.hits, what, self.acceptance.pending)


class Comparison(Struct, frozen=True):
    """The whole comparison; where it is `simulated`, it only shows that an experiment works."""

    experiment: Experiment
    simulated: bool
    pairs: int
    arms: tuple[ArmFigures, ...]
    measures: tuple[Compared, ...]


def comparison(database: Database, book: PriceBook, experiment: Experiment) -> Comparison:
    """Compare an experiment's arms by what is on record now (follow its proposals first)."""
    by_arm = [
        {(one.key, one.revision): one for one in worked(database, experiment, arm)} for arm in experiment.arms
    ]
    common = sorted(
        key
        for key in set.intersection(*(set(one) for one in by_arm))
        if all(one[key].state in FINISHED for one in by_arm)
    )
    used = [_used(database, book, [arm[key] for key in common]) for arm in by_arm]
    figures = tuple(
        _figures(arm, [items[key] for key in common], of, len(items) - len(common))
        for arm, items, of in zip(experiment.arms, by_arm, used, strict=True)
    )
    return Comparison(
        experiment=experiment,
        simulated=any(one.simulated for of in used for one in of),
        pairs=len(common),
        arms=figures,
        measures=tuple(
            compared(
                name,
                [
                    (_measure(name, by_arm[0][key], a), _measure(name, by_arm[1][key], b))
                    for key, a, b in zip(common, used[0], used[1], strict=True)
                ],
            )
            for name in MEASURES
        ),
    )


def _used(database: Database, book: PriceBook, items: Sequence[Worked]) -> list[Used]:
    """What each item used, in that order."""
    lines = {
        line.labels[0]: line
        for line in cost_of(database, book, [attempt for one in items for attempt in one.attempts])
    }
    found = []
    for one in items:
        total = Used()
        for line in (lines[each] for each in one.attempts if each in lines):
            money = line.money
            total = Used(
                total.tokens + line.usage.input + line.usage.output,
                total.output + line.usage.output,
                total.amount + Amount(money.least, money.most, money.unpriced),
                total.simulated or line.simulated,
            )
        found.append(total)
    return found


def _figures(arm: Arm, items: Sequence[Worked], used: Sequence[Used], unfinished: int) -> ArmFigures:
    accepted, rejected = sum(one.accepted for one in items), sum(one.rejected for one in items)
    proposed = sum(one.proposals for one in items)
    amount = Amount()
    for one in used:
        amount += one.amount
    return ArmFigures(
        arm=arm,
        items=len(items),
        unfinished=unfinished,
        attempts=sum(len(one.attempts) for one in items),
        tokens=sum(one.tokens for one in used),
        output=sum(one.output for one in used),
        seconds=sum(one.seconds for one in items),
        amount=amount,
        findings=sum(one.findings for one in items),
        proposals=proposed,
        acceptance=Rate(accepted, accepted + rejected, max(proposed - accepted - rejected, 0), "decided"),
    )


def _measure(name: str, item: Worked, used: Used) -> float:
    match name:
        case "tokens":
            return used.tokens
        case "output tokens":
            return used.output
        case "cost":
            return used.amount.most / 1e12
        case "agent seconds":
            return item.seconds
        case "elapsed seconds":
            return item.elapsed_s
        case "findings":
            return item.findings
    return item.proposals


def words(found: Comparison) -> Iterator[str]:
    """The comparison, a line at a time."""
    one = found.experiment
    if found.simulated:
        yield "SIMULATED: no model answered and no money was spent; it only shows how one reports."
    yield f"Experiment {one.id}: {one.job}, {found.pairs} pairs (the same items along both routes, one run)"
    for figures in found.arms:
        yield ""
        left = f"; {figures.unfinished} not finished in both arms, left out" if figures.unfinished else ""
        yield f"{figures.arm.name} ({figures.items} items, {figures.attempts} attempts{left})"
        yield f"  {figures.per_item.text}"
        used = f"{tokens_text(figures.tokens)} tokens ({tokens_text(figures.output)} output)"
        yield f"  {used}, {figures.seconds:,.0f} agent seconds, {figures.findings} findings"
        yield f"  accepted {figures.acceptance.text}"
        yield f"  {figures.per_accepted.text}"
    yield ""
    yield f"“{found.arms[1].arm.name}” over “{found.arms[0].arm.name}”, by item"
    for measure in found.measures:
        yield f"  {measure.name:<16} {ratio_text(measure)}"
    if found.arms[0].acceptance.pending or found.arms[1].acceptance.pending:
        yield ""
        yield "Acceptance is pending until proposals are decided on: `hundredfold inbox`, then report again."


def ratio_text(one: Compared) -> str:
    """A ratio with what it is of, its interval, and whether that tells the arms apart."""
    if one.ratio is None:
        return f"none in the first arm, {one.second:,.0f} in the second, over {one.pairs} pairs"
    text = f"×{one.ratio:.2f} over {one.pairs} pairs"
    if one.interval is None:
        return f"{text}; too few for an interval"
    low, high = one.interval.low, one.interval.high
    verdict = "differs" if one.differs else "no difference shown"
    return f"{text} ({percent(one.interval.level)} interval ×{low:.2f} to ×{high:.2f}: {verdict})"

"""A report as what its picture shows: plain figures and texts, each with what it is of."""

from __future__ import annotations

from datetime import UTC, datetime

from hundredfold.economics.figures import UnitCost, money
from hundredfold.outcome import KINDS
from hundredfold.plots.worth import Card, Swing, WorthFigure
from hundredfold.worth.report import Report, Side
from hundredfold.worth.verdict import Verdict
from hundredfold.worth.wording import INPUTS, MARK, printable, range_text, side_survival, survival_text


def shown(report: Report, side: Side) -> WorthFigure:
    """What the picture of one side shows."""
    whole, judged = side.total, main_verdict(side)
    survival = side_survival(side, report)
    since = "ever" if report.since_us is None else f"since {_day(report.since_us)}"
    capacity = side.capacity
    return WorthFigure(
        title=f"Did it pay? {printable(report.project or 'all projects')}",
        below=f"{since}, as of {_day(report.made_us)} · {whole.amount.text} spent, at list price by the tier "
        "served",
        mark=MARK if side.simulated else "",
        cards=tuple(card(one) for one in (whole.per_attempt, whole.per_accepted, whole.per_standing)),
        fates=fates(side),
        stands=_curve(side),
        held=None
        if survival.estimate is None
        else (survival.days, survival.interval.low, survival.interval.high),
        stands_text="" if survival.estimate is None else survival_text(survival).partition(",")[0] + ")",
        swings=() if judged is None else _swings(judged),
        swings_title="" if judged is None else _swings_title(judged),
        swings_base=0.0 if judged is None else judged.centre,
        throughput=()
        if capacity is None
        else tuple((one.throughput.agents, one.throughput.attempts_per_hour) for one in capacity.curve),
        caps=()
        if capacity is None
        else tuple((name, rate) for name, rate in capacity.last.throughput.each.items() if name != "agents"),
        agents=report.assumed.agents,
        readings=tuple(
            (printable(one.scenario.name), float(one.times), one.scenario.basis)
            for one in side.readings
            if one.times
        ),
    )


def card(one: UnitCost) -> Card:
    """A unit cost as a card; without a denominator it says so instead of a figure."""
    first, many = one.what
    waiting = f"; {one.pending:,} pending" if one.pending else ""
    figure = "–" if one.each is None else money(one.each[1])
    what = f"per {first}" if one.each is not None else f"no {first} yet"
    return Card(figure, what, f"{money(one.amount.most)} over {one.of:,} {many}{waiting}")


def fates(side: Side) -> tuple[tuple[str, int], ...]:
    """How many outcomes are in each state, the best first."""
    whole = side.total
    accepted = whole.accepted - whole.survived - whole.reverted
    return (
        ("survived", whole.survived),
        ("accepted", accepted),
        ("reverted", whole.reverted),
        ("rejected", whole.rejected),
        ("pending", whole.pending),
        ("unknown", whole.unknown),
    )


def main_verdict(side: Side) -> Verdict | None:
    """The verdict on what most was spent on and that has figures."""
    return next((one for one in side.verdicts if one.bars), None)


def _curve(side: Side) -> tuple[tuple[float, float], ...]:
    curve = side.total.curve
    if not curve.of:
        return ()
    points = [(0.0, 1.0), *((step.days, step.estimate) for step in curve.steps)]
    return (*points, (curve.longest, points[-1][1]))


def _swings(one: Verdict) -> tuple[Swing, ...]:
    return tuple(
        Swing(INPUTS.get(bar.name, bar.name), bar.at_low, bar.at_high, range_text(bar)) for bar in one.bars
    )


def _swings_title(one: Verdict) -> str:
    job, kind = one.line.labels
    return f"What moves the {one.what} most\n{printable(job)}: {KINDS.get(kind, kind)}, dollars for one"


def _day(at_us: int) -> str:
    return datetime.fromtimestamp(at_us / 1e6, UTC).strftime("%Y-%m-%d")

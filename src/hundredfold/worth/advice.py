"""What to do about it: which job to stop, which tier to move, where a review hour beats an agent.

Each piece of advice names its evidence, how sure it is, and what would make it surer. What rests on too
little is not advised; what is missing is asked for instead.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Literal

from msgspec import Struct

from hundredfold.economics.figures import Rate, money, percent
from hundredfold.economics.reference import saving_per_month
from hundredfold.outcome import KINDS
from hundredfold.worth.report import Report, Side
from hundredfold.worth.verdict import Verdict
from hundredfold.worth.wording import usd

#: outcomes decided before a job is judged by them
ENOUGH = 10
#: below this chance of paying a job is to be stopped, above that one it is to go on
UNLIKELY, LIKELY = 0.1, 0.9
#: how much quicker fast is, by the provider's word
SPEED = Fraction(3, 2)

Sureness = Literal["sure", "likely", "open"]


class Advice(Struct, frozen=True):
    """One piece: what to do, the evidence, how sure it is, and what it rests on or leaves out.

    sure: follows from recorded figures · likely: from an estimate with its interval · open: measure first.
    """

    what: str
    because: str
    sureness: Sureness
    leaves_out: str
    simulated: bool = False


def advise(report: Report) -> tuple[Advice, ...]:
    """Advice on a report, the surest first."""
    order: tuple[Sureness, ...] = ("sure", "likely", "open")
    found = [one for side in report.sides for one in _advice(report, side)]
    return tuple(sorted(found, key=lambda one: (one.simulated, order.index(one.sureness))))


def _advice(report: Report, side: Side) -> Iterator[Advice]:
    for made in (_jobs(side), _tiers(report, side), _people(side), _measuring(report, side)):
        for what, because, sureness, leaves_out in made:
            yield Advice(what, because, sureness, leaves_out, side.simulated)


Piece = tuple[str, str, Sureness, str]


def _jobs(side: Side) -> Iterator[Piece]:
    """Which job to stop, which to go on with."""
    for one in side.verdicts:
        job, kind = one.line.labels
        name = f"{job} ({KINDS.get(kind, kind)})"
        rate = one.line.acceptance
        if rate.of < ENOUGH:
            continue
        if not rate.hits:
            yield (
                f"Stop {name}, or mend it",
                f"{rate.text}; {one.line.amount.text} spent on it",
                "likely",
                "what pending ones may still become" if rate.pending else "nothing is pending",
            )
        elif one.net is not None and one.spread is not None:
            yield from _by_net(name, one, rate)


def _by_net(name: str, one: Verdict, rate: Rate) -> Iterator[Piece]:
    assert one.spread is not None and one.net is not None and one.multiple is not None
    interval = one.spread.interval
    because = (
        f"net {money(one.net)} per outcome opened, {percent(interval.level)} interval {usd(interval.low)} to "
        f"{usd(interval.high)} over {one.spread.samples:,} draws; {rate.text}; {one.multiple.text}"
    )
    rests = f"the value set for it ({one.value.basis}: {one.value.source})"
    if one.spread.positive < UNLIKELY:
        yield f"Stop {name}", because, "likely", rests
    elif one.spread.positive > LIKELY:
        yield f"Go on with {name}", because, "likely", rests


def _tiers(report: Report, side: Side) -> Iterator[Piece]:
    """Which tier to move: what was billed as fast, at standard."""
    fast = next((one for one in side.readings if one.scenario.name == "standard list"), None)
    billed = side.total.amount
    if fast is None or fast.times is None or fast.amount.most >= billed.most or fast.amount.unpriced:
        return
    saved = billed.most - fast.amount.most
    waiting = side.capacity is not None and side.capacity.last.throughput.binding != "agents"
    multiple = 1 / fast.times
    per_month = saving_per_month(multiple, SPEED, Fraction(1))
    text = (
        f"the same requests cost {fast.amount.text} there, {money(saved)} "
        f"({percent(1 - float(fast.times))}) less than the {billed.text} billed; per month up to "
        f"{percent(float(per_month))} less, since agents that wait longer for the model also do less"
    )
    if waiting:
        assert side.capacity is not None
        text += f". {side.capacity.last.throughput.binding} binds, so slower agents would get as much done"
    yield (
        "Move what runs fast to standard",
        text,
        "sure" if waiting else "likely",
        "whether fast also uses more tokens for the same work: `hundredfold experiment` measures that",
    )


def _people(side: Side) -> Iterator[Piece]:
    """One more review hour, or one more agent?"""
    one = side.capacity
    if one is None:
        return
    now = one.last.throughput
    if now.binding == "review":
        worth = "" if one.review_hour is None else f", worth {money(one.review_hour)} net"
        sureness: Sureness = "open" if one.review_hour is None else "likely"
        yield (
            "Give one more hour of review before one more agent",
            f"review lets {now.each['review']:,.1f} attempts an hour through and agents do "
            f"{now.each['agents']:,.1f}: agent number {now.agents:,} adds "
            f"{one.last.more_attempts_per_hour:,.2f} attempts an hour, an hour of review "
            f"{60 / one.supply.review_minutes_per_attempt:,.1f} attempts{worth}",
            sureness,
            f"{one.enough:,} {'agent is' if one.enough == 1 else 'agents are'} enough for the review there "
            "is, if they do not hinder each other",
        )
    elif now.binding == "agents" and (one.last.net_per_hour or 0) > 0:
        yield (
            "One more agent pays more than one more hour of review",
            f"agent number {now.agents:,} adds {one.last.more_attempts_per_hour:,.2f} attempts an hour, "
            f"worth {money(one.last.net_per_hour)}; review is not what is short",
            "likely",
            "agents are taken not to hinder each other",
        )
    elif now.binding not in ("agents", "review"):
        yield (
            f"Ask the provider for more {now.binding} before adding agents",
            f"{now.binding} lets {now.attempts_per_hour:,.1f} attempts an hour through, agents would do "
            f"{now.each['agents']:,.1f}",
            "sure",
            "the cap is the one set in [worth]",
        )


def _measuring(report: Report, side: Side) -> Iterator[Piece]:
    """What is not known and would decide most."""
    for one in side.verdicts:
        job, kind = one.line.labels
        if one.value.range is None and one.required is not None:
            yield (
                f"Set a value for {job}: {KINDS.get(kind, kind)}",
                f"one that stands must be worth {money(one.required)} to break even "
                f"({one.line.opened:,} opened, {one.line.acceptance.of:,} decided)",
                "open",
                "no value is set for this kind, so no return is claimed",
            )
    share = side.total.acceptance.pending_share
    if share is not None and share > 0.5 and side.total.opened >= ENOUGH:
        yield (
            "Decide or follow what is pending before trusting a rate",
            f"{side.total.pending:,} of {side.total.opened:,} outcomes are pending ({percent(share)})",
            "open",
            "what they will become",
        )
    if side.review.decisions and not side.review.measured:
        yield (
            "Measure review time",
            f"none of {side.review.decisions:,} decisions has a time; proposals' own expectation stands in",
            "open",
            "decide on proposals after `hundredfold inbox ID` has shown them",
        )

"""What was spent, by who and what it was spent on, as it was billed and under every scenario."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from msgspec import Struct

from hundredfold.economics.figures import Amount
from hundredfold.economics.scenarios import ScenarioRow
from hundredfold.outcome import plain_job
from hundredfold.prices.book import PriceBook
from hundredfold.settings import Funding
from hundredfold.store.database import Database
from hundredfold.usage.allocation import UNALLOCATED, Allocation
from hundredfold.usage.pricing import Money, Pricer, as_billed
from hundredfold.usage.sums import Scope, Sum, Window, sums


class Spent(Struct, frozen=True):
    """What one job's agents used on one model and tier, for one payer, at list price by the served tier."""

    job: str
    agent: str
    model: str
    tier: str
    payer: str
    simulated: bool
    requests: int
    tokens: int
    amount: Amount


class Payment(Struct, frozen=True):
    """What a payer pays, by the user's allocation, at list price; `funding` says whose money it is."""

    payer: str
    funding: Funding
    amount: Amount
    simulated: bool


class Reading(Struct, frozen=True):
    """What the same requests come to under a scenario."""

    scenario: ScenarioRow
    amount: Amount
    simulated: bool


class Spending(Struct, frozen=True):
    """What a fleet's jobs spent, and apart from it what was spent outside (imported logs of other use): no
    job, attempt or outcome of ours belongs to it."""

    spent: list[Spent]
    payments: list[Payment]
    readings: list[Reading]
    outside: list[Spent]


def spending(
    database: Database,
    book: PriceBook,
    scenarios: Sequence[ScenarioRow],
    *,
    project: str | None,
    since_us: int | None,
    allocation: Allocation,
) -> Spending:
    """Everything a project (None: all) spent since a UTC midnight, who pays for it, and what it would be in
    each scenario."""
    pricer = Pricer(book)
    scope, window = Scope(project=project), Window(since_us)
    with database.read() as connection:
        every = list(sums(connection, book, by=("booking",), scope=scope, window=window))
    found = [one for one in every if one.booking is not None and one.booking.job]
    rest = [one for one in every if one.booking is not None and not one.booking.job]
    spent = _spent(found, pricer)
    readings = [
        Reading(one, _total(found, pricer, one, simulated), simulated)
        for simulated in (False, True)
        if any(each.route.simulated == simulated for each in found)
        for one in scenarios
    ]
    return Spending(spent, _payments(found, pricer, allocation), readings, _spent(rest, pricer))


def _spent(found: Sequence[Sum], pricer: Pricer) -> list[Spent]:
    rows: dict[tuple[str, str, str, str, str, bool], tuple[int, int, Amount]]
    rows = defaultdict(lambda: (0, 0, Amount()))
    for one in found:
        group = pricer.group(one)
        booked = one.booking
        assert booked is not None
        key = (plain_job(booked.job), booked.agent, group.model, group.tier, booked.payer, group.simulated)
        requests, tokens, amount = rows[key]
        used = group.usage.input + group.usage.output
        rows[key] = (requests + group.requests, tokens + used, amount + _amount(group.money))
    return [Spent(*key, requests, tokens, amount) for key, (requests, tokens, amount) in rows.items()]


def _payments(found: Sequence[Sum], pricer: Pricer, allocation: Allocation) -> list[Payment]:
    sums_: dict[tuple[str, Funding, bool], Amount] = defaultdict(Amount)
    for one in found:
        assert one.booking is not None
        whose, group = allocation.of(one.booking), pricer.group(one)
        sums_[whose.payer or UNALLOCATED, whose.funding, group.simulated] += _amount(group.money)
    made = [Payment(payer, funding, amount, flag) for (payer, funding, flag), amount in sums_.items()]
    return sorted(made, key=lambda one: (-one.amount.most, one.payer))


def _total(found: Sequence[Sum], pricer: Pricer, row: ScenarioRow, simulated: bool) -> Amount:
    scenario, total = row.transform, Amount()
    for one in found:
        if one.route.simulated == simulated:
            how = scenario.applied(as_billed(one.route, one.at_us), {})
            total += _amount(pricer.priced(one, how).money)
    return total


def _amount(money: Money) -> Amount:
    return Amount(money.least, money.most, money.unpriced)

"""What recorded traffic would cost another way: every sum of alike requests priced twice, as billed and in a
scenario.

Requests that have no price on either side are left out of both, and counted, so a saving is never the mere
absence of a price. The traffic is taken as it was: the same requests and tokens, however long they take.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, tzinfo
from fractions import Fraction

from msgspec import Struct

from hundredfold.prices.book import PriceBook
from hundredfold.prices.scenario import Scenario
from hundredfold.store.database import Database
from hundredfold.usage.allocation import Allocation
from hundredfold.usage.pricing import Group, Money, Pricer, as_billed
from hundredfold.usage.spend import Grouping, labeller, parts_of
from hundredfold.usage.sums import Part, Scope, Window, sums

#: facts of a request that its booking tells, as rules name them
_BOOKED = ("project", "job", "agent", "path", "label")
_ALLOCATED = ("person", "payer", "cost_centre")
DAYS_A_MONTH = 30


class Compared(Struct, frozen=True):
    """Requests with a price on both sides, and what they cost on each; `excluded` have none on one of them.

    `failed` are among the requests and cost nothing on either side.
    """

    labels: tuple[str, ...]
    requests: int
    failed: int
    excluded: int
    before: Money
    after: Money

    @property
    def saving(self) -> tuple[int, int]:
        """Picodollars less in the scenario, at least and at most (negative: it costs more)."""
        least, most = self.before.least - self.after.least, self.before.most - self.after.most
        return (least, most) if least <= most else (most, least)


class WhatIf(Struct, frozen=True):
    """A scenario beside what was billed. `lines` by the asked groupings, dearest as billed first; `excluded`
    says why requests are left out, and how many each reason concerns; `idle` are the conditions of rules that
    concern no request at all. Simulated traffic is apart."""

    scenario: Scenario
    simulated: bool
    lines: tuple[Compared, ...]
    total: Compared
    excluded: dict[str, int]
    idle: tuple[str, ...] = ()

    def monthly(self, days: Fraction) -> tuple[int, int]:
        """The saving over 30 days, if `days` days' traffic goes on so."""
        factor = Fraction(DAYS_A_MONTH) / max(days, Fraction(1, 96))
        least, most = self.total.saving
        return round(least * factor), round(most * factor)


def what_if(
    database: Database,
    book: PriceBook,
    scenarios: Sequence[Scenario],
    *,
    by: Sequence[Grouping] = (),
    scope: Scope = Scope(),  # noqa: B008
    window: Window = Window(),  # noqa: B008
    zone: tzinfo = UTC,
    allocation: Allocation = Allocation(),  # noqa: B008
) -> list[WhatIf]:
    """Each scenario, from one reading of the ledger; with simulated traffic a second one for each."""
    parts: set[Part] = set(parts_of(by, Allocation()))
    if any(one.asks & {*_BOOKED, *_ALLOCATED} for one in scenarios):
        parts.add("booking")
    with database.read() as connection:
        found = list(sums(connection, book, by=tuple(sorted(parts)), scope=scope, window=window, zone=zone))
        labels = labeller(by, connection, found, allocation)
    pricer = Pricer(book)
    before = [pricer.group(one) for one in found]
    made = []
    for simulated in (False, True):
        chosen = [group for group in before if group.simulated == simulated]
        if chosen or not simulated:
            named = [labels(group) for group in chosen]
            made += [_compared(one, simulated, chosen, named, pricer, allocation) for one in scenarios]
    return made


def _compared(
    scenario: Scenario,
    simulated: bool,
    before: Sequence[Group],
    labels: Sequence[tuple[str, ...]],
    pricer: Pricer,
    allocation: Allocation,
) -> WhatIf:
    lines: dict[tuple[str, ...], list[int]] = {}
    excluded: Counter[str] = Counter()
    idle = [rule for rule in scenario.rules if rule.when]
    for group, label in zip(before, labels, strict=True):
        how = as_billed(group.of.route, group.of.at_us)
        facts = _facts(scenario, group, allocation)
        idle = [rule for rule in idle if not rule.concerns(facts)]
        after = pricer.priced(group.of, scenario.applied(how, facts))
        line = lines.setdefault(label, [0] * 7)
        reason = group.reason or after.reason
        if reason:
            line[2] += group.requests
            excluded[reason] += group.requests
            continue
        line[0] += group.requests
        line[1] += group.failed
        for place, amount in enumerate(
            (group.money.least, group.money.most, after.money.least, after.money.most), 3
        ):
            line[place] += amount
    made = [_line(label, line) for label, line in lines.items()]
    made.sort(key=lambda one: (-one.before.most, one.labels))
    total = [sum(each) for each in zip(*lines.values(), strict=True)] if lines else [0] * 7
    unmatched = tuple(rule.condition for rule in idle)
    return WhatIf(scenario, simulated, tuple(made), _line((), total), dict(excluded), unmatched)


def _line(labels: tuple[str, ...], line: Sequence[int]) -> Compared:
    requests, failed, excluded, least, most, then_least, then_most = line
    return Compared(labels, requests, failed, excluded, Money(least, most), Money(then_least, then_most))


def _facts(scenario: Scenario, group: Group, allocation: Allocation) -> dict[str, str]:
    """What the scenario's rules ask of the group."""
    facts = {"provider": group.prices, "model": group.model, "tier": group.tier}
    booked = group.of.booking
    if booked is not None and scenario.asks & {*_BOOKED, *_ALLOCATED}:
        facts |= {name: getattr(booked, name) for name in _BOOKED}
        allocated = allocation.of(booked)
        facts |= {name: getattr(allocated, name) for name in _ALLOCATED}
    return facts

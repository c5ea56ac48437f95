"""A report for machines: every rate and unit cost is an object with its denominator and what is pending."""

from __future__ import annotations

from typing import Any

from hundredfold.economics.capacity import Marginal
from hundredfold.economics.figures import Amount, Rate, UnitCost
from hundredfold.outcome import PAST_COMMITS
from hundredfold.prices.money import exact_text
from hundredfold.worth.lines import Line
from hundredfold.worth.report import Report, Side
from hundredfold.worth.verdict import BASE, Survival, Verdict, survival_of


def document(report: Report) -> dict[str, Any]:
    """The whole report; amounts are exact dollars as text, shares are numbers from 0 to 1."""
    assumed = report.assumed
    return {
        "project": report.project,
        "since_us": report.since_us,
        "made_us": report.made_us,
        "currency": "USD",
        "base": BASE,
        "assumed": {
            "reviewer_hour": exact_text(assumed.reviewer_hour),
            "revert_loss": exact_text(assumed.revert_loss),
            "people": assumed.people,
            "review_minutes_per_month": assumed.review_minutes_per_month,
            "horizon_days": assumed.horizon_days,
            "agents": assumed.agents,
            "not_set": list(assumed.assumed),
        },
        "real": _side(report, report.real),
        "simulated": None if report.simulated is None else _side(report, report.simulated),
        "outside_the_fleet": {"amount": _amount(report.outside.amount), "requests": report.outside.requests},
        "past": [_past(line, assumed.horizon_days) for line in report.past],
    }


def _side(report: Report, side: Side) -> dict[str, Any]:
    return {
        "simulated": side.simulated,
        "total": _line(side.total, report.assumed.horizon_days),
        "review": side.review,
        "by": list(side.by),
        "lines": [
            dict(zip(side.by, line.labels, strict=True)) | _line(line, report.assumed.horizon_days)
            for line in side.lines
        ],
        "verdicts": [_verdict(one) for one in side.verdicts],
        "payments": [
            {"payer": one.payer, "funding": one.funding, "amount": _amount(one.amount)}
            for one in side.payments
        ],
        "scenarios": [
            {
                "name": one.scenario.name,
                "amount": _amount(one.amount),
                "times_billed": None if one.times is None else float(one.times),
                "tier": one.scenario.tier,
                "multiple": one.scenario.multiple,
                "basis": one.scenario.basis,
                "source": one.scenario.source,
                "date": one.scenario.date.isoformat(),
                "meaning": one.scenario.meaning,
            }
            for one in side.readings
        ],
        "capacity": None
        if side.capacity is None
        else {
            "last_agent": _marginal(side.capacity.last),
            "enough_agents": side.capacity.enough,
            "net_per_attempt": _money(side.capacity.net_per_attempt),
            "review_hour": _money(side.capacity.review_hour),
            "supply": side.capacity.supply,
            "curve": [_marginal(one) for one in side.capacity.curve],
        },
        "cost_of_pass": [
            {
                "kind": contest.kind,
                "human": contest.human,
                "entries": [
                    {
                        "name": one.solver.name,
                        "cost_of_one_try": exact_text(one.solver.cost),
                        "successes": one.solver.successes,
                        "of": one.solver.tries,
                        "cost_of_pass": _money(one.picodollars),
                    }
                    for one in contest.entries
                ],
            }
            for contest in side.contests
        ],
    }


def _line(line: Line, horizon: int) -> dict[str, Any]:
    return {
        "amount": _amount(line.amount),
        "requests": line.requests,
        "tokens": line.tokens,
        "attempts": line.attempts,
        "attempt_seconds": line.seconds,
        "opened": line.opened,
        "pending": line.pending,
        "accepted": line.accepted,
        "rejected": line.rejected,
        "survived": line.survived,
        "survived_and_confirmed": line.standing,
        "reverted": line.reverted,
        "unknown": line.unknown,
        "lines_kept": {"value": line.lines_kept, "of": line.lines},
        "acceptance": _rate(line.acceptance),
        "survival": _survival(survival_of(line, horizon)),
        "per_attempt": _unit(line.per_attempt),
        "per_opened": _unit(line.per_opened),
        "per_accepted": _unit(line.per_accepted),
        "per_surviving_confirmed": _unit(line.per_standing),
    }


def _past(line: Line, horizon: int) -> dict[str, Any]:
    """A line of the past: nobody knows what it cost."""
    unknown = {"amount", "requests", "tokens", "attempts", "attempt_seconds"}
    figures = _line(line, horizon)
    if line.labels[0] == PAST_COMMITS:
        unknown.add("acceptance")
    kept = {name: one for name, one in figures.items() if name not in unknown and not name.startswith("per_")}
    return dict(zip(("job", "agent"), line.labels, strict=True)) | kept


def _verdict(one: Verdict) -> dict[str, Any]:
    return {
        "job": one.line.labels[0],
        "kind": one.line.labels[1],
        "not_known": one.why_not or None,
        "of": {"opened": one.line.opened, "decided": one.line.acceptance.of, "pending": one.line.pending},
        "review": one.review,
        "value": {
            "basis": one.value.basis,
            "source": one.value.source,
            "range": None if one.value.range is None else [exact_text(each) for each in one.value.range],
        },
        "net_per_opened": _money(one.net),
        "required_value": _money(one.required),
        "break_even_multiple": None
        if one.multiple is None
        else {"times": one.multiple.times, "base": one.multiple.base},
        "what": one.what if one.spread else None,
        "spread": one.spread,
        "tornado": one.bars,
        "sobol": one.shares,
    }


def _rate(one: Rate) -> dict[str, Any]:
    return {
        "value": one.share,
        "hits": one.hits,
        "of": one.of,
        "pending": one.pending,
        "what": one.what,
        "interval": one.interval,
    }


def _survival(one: Survival) -> dict[str, Any]:
    return {
        "value": one.estimate,
        "days": one.days,
        "horizon_days": one.horizon,
        "of": one.of,
        "taken_back": one.ended,
        "interval": one.interval,
    }


def _unit(one: UnitCost) -> dict[str, Any]:
    return {
        "least": None if one.each is None else exact_text(one.each[0]),
        "most": None if one.each is None else exact_text(one.each[1]),
        "spent": _amount(one.amount),
        "of": one.of,
        "what": one.what[1],
        "pending": one.pending,
    }


def _amount(one: Amount) -> dict[str, Any]:
    return {"least": exact_text(one.least), "most": exact_text(one.most), "unpriced": one.unpriced}


def _marginal(one: Marginal) -> dict[str, Any]:
    return {
        "agents": one.throughput.agents,
        "attempts_per_hour": one.throughput.attempts_per_hour,
        "binding": one.throughput.binding,
        "each": one.throughput.each,
        "more_attempts_per_hour": one.more_attempts_per_hour,
        "net_per_hour": _money(one.net_per_hour),
    }


def _money(picodollars: int | None) -> str | None:
    return None if picodollars is None else exact_text(picodollars)

"""The reference bill's page: every figure that follows from a public screenshot, and what each implies."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from msgspec import Struct

from hundredfold.economics.figures import money, percent
from hundredfold.economics.reference import Figures
from hundredfold.usage.wording import tokens_text


class Row(Struct, frozen=True):
    """One figure: what it is, the figure, and how it follows from the inputs."""

    name: str
    figure: str
    how: str


class Part(Struct, frozen=True):
    """Figures that belong together, and what they imply."""

    title: str
    rows: tuple[Row, ...]
    implies: tuple[str, ...] = ()


def parts(found: Figures) -> tuple[Part, ...]:
    """The page in its parts."""
    return (_bill(found), _day(found), _mix(found), _fast(found), _people(found), _example(found))


def page(found: Figures) -> Iterator[str]:
    """The page, a line at a time."""
    bill = found.inputs.bill
    yield f"The reference bill: {bill.source}"
    yield "Every figure below is computed from the inputs named beside it."
    for part in parts(found):
        yield ""
        yield part.title
        wide = max(len(row.name) for row in part.rows)
        figures = max(len(row.figure) for row in part.rows)
        for row in part.rows:
            yield f"  {row.name:<{wide}}  {row.figure:>{figures}}  {row.how}"
        for sentence in part.implies:
            yield f"  → {sentence}"


def _bill(found: Figures) -> Part:
    bill = found.inputs.bill
    days, agents = bill.days, bill.agents
    return Part(
        "What was billed",
        (
            Row("dollars", f"${float(bill.dollars):,.2f}", f"input, over {days} days"),
            Row("tokens, requests", f"{tokens_text(bill.tokens)}, {bill.requests:,}", "inputs"),
            Row("per million tokens", _three(found.per_million_tokens), "dollars / tokens"),
            Row("tokens per request", f"{float(found.tokens_per_request):,.0f}", "tokens / requests"),
            Row("per request", _three(found.per_request), "dollars / requests"),
            Row("per day", _whole(found.per_day), f"dollars / {days} days"),
            Row("per agent-day", _whole(found.per_agent_day), f"dollars / {days} days / {agents} agents"),
            Row("per agent-hour", money(found.per_agent_hour), "per agent-day / 24"),
            Row("requests a minute", f"{float(found.requests_per_minute):,.0f}", "requests / minutes"),
            Row("tokens a minute", f"{float(found.tokens_per_minute) / 1e6:.1f} M", "tokens / minutes"),
            Row(
                "one request's cycle",
                f"{float(found.cycle_seconds):.1f} s",
                f"{agents} busy agents / requests a second (Little's law)",
            ),
            Row("per person-month", _whole(found.per_person_month), f"dollars / {bill.people} people"),
        ),
    )


def _day(found: Figures) -> Part:
    tokens, requests, spent = (
        float(one) for one in (found.today_tokens, found.today_requests, found.today_dollars)
    )
    return Part(
        "The “today” row against the mean day",
        (
            Row(
                "tokens",
                percent(tokens),
                f"of {tokens_text(found.inputs.bill.tokens // found.inputs.bill.days)}",
            ),
            Row("requests", percent(requests), "of the mean day's"),
            Row("dollars", percent(spent), f"of {_whole(found.per_day)}"),
            Row(
                "per million tokens",
                money(found.today_per_million),
                f"the month's: {_three(found.per_million_tokens)}",
            ),
        ),
        (
            "It is no peak: the mean day has more of everything."
            if max(tokens, requests, spent) < 1
            else "It is above the mean day.",
            f"{percent(tokens)} of the tokens for {percent(spent)} of the dollars: a cheaper mix that day, "
            "or a bill that lags behind the tokens.",
        ),
    )


def _mix(found: Figures) -> Part:
    observed = found.inputs.assumed
    rows = [
        Row(
            f"all {one.tier}, {percent(float(one.output_share))} output",
            percent(float(one.cached_share)),
            "cached share of input that meets the bill",
        )
        for one in found.cached
    ]
    rows += [
        Row(
            f"a rollout elsewhere, all {tier}",
            money(amount),
            "per million tokens, "
            f"{100 * float(observed.observed_cached):g} % cached, "
            f"{100 * float(observed.observed_output):g} % output",
        )
        for tier, amount in found.observed_per_million.items()
    ]
    return Part(
        "Which mix of tiers it can be",
        tuple(rows),
        ("Nearly all fast fits what such agents do; all standard would need an unusually cold cache.",),
    )


def _fast(found: Figures) -> Part:
    assumed = found.inputs.assumed
    claim = float(assumed.claimed_saving)
    return Part(
        "“Disable fast mode and it's 70 % cheaper, more like one employee”",
        (
            Row(
                "same tokens at standard",
                _whole(found.same_tokens_at_standard),
                f"dollars / {_times(found.fast_multiple)}",
            ),
            Row(
                "saved per token",
                percent(float(found.saved_per_token)),
                f"1 − 1/{_times(found.fast_multiple)}",
            ),
            Row(
                "saved per month, at most",
                f"{100 * float(found.saved_per_month):.1f} %",
                f"1 − (1/{_times(found.fast_multiple)}) / {assumed.speed}, all waiting on the model",
            ),
            Row(
                "waiting on the model for the claim",
                percent(float(found.bound_for_claim)),
                f"share of the cycle that makes it {percent(claim)} a month",
            ),
            Row("left at the claim", _whole(found.left_after_claim), "a month"),
            Row("a year", f"${found.left_a_year / 1e18:.1f} M", "× 12"),
            Row(
                "people it would pay",
                f"{float(found.people_paid):.1f}",
                f"a year / ${int(assumed.salary):,} loaded",
            ),
            Row(
                "employee-years a month",
                f"{float(found.employee_years_a_month):.1f}",
                "a month / the same salary",
            ),
        ),
        (
            f"Per token {percent(float(found.saved_per_token))} is saved, whatever else holds: it is the "
            "ratio of list prices, if all of it was fast; a mixed fleet saves less.",
            f"Per month up to {percent(float(found.saved_per_month))} is saved, for fast is also "
            f"{assumed.speed} times as quick: as many busy agents without it also do less.",
            "Both are true of different questions. Per outcome neither is known: whether fast uses more "
            "tokens for the same task only the same items at both tiers tell (`hundredfold experiment`).",
            f"“One employee” is {float(found.employee_years_a_month):.1f} employee-years each month, "
            f"{float(found.people_paid):.1f} people's pay, not one's.",
        ),
    )


def _people(found: Figures) -> Part:
    bill, assumed = found.inputs.bill, found.inputs.assumed
    return Part(
        "Who can look at it",
        (
            Row(
                "review minutes a month",
                f"{found.review_minutes:,}",
                f"{bill.people} people × {assumed.review_hours} h × {assumed.working_days} days",
            ),
            Row(
                "attempts a month",
                f"{float(found.attempts):,.0f}",
                f"tokens / {tokens_text(assumed.tokens_per_attempt)} an attempt",
            ),
            Row("minutes each", f"{float(found.minutes_per_attempt):.2f}", "review minutes / attempts"),
        ),
        ("Review binds first: more agents add work that nobody looks at.",),
    )


def _example(found: Figures) -> Part:
    one, text = found.example, found.inputs.example
    multiple, off = found.example_multiple, found.example_multiple_fast_off
    return Part(
        "One attempt, for illustration",
        (
            Row(
                "cost of an attempt",
                money(one.cost),
                f"{tokens_text(found.inputs.assumed.tokens_per_attempt)} tokens at the bill's rate",
            ),
            Row(
                "net value",
                money(found.example_net),
                f"p {text.acceptance}, s {text.survival}, V ${text.value}, r {text.review_minutes} min "
                f"at ${text.reviewer_hour}/h, L ${text.revert_loss}",
            ),
            Row("required value V*", money(found.example_required_value), "of an outcome that stands"),
            Row("break-even multiple m*", _survives(multiple), "base: as billed"),
            Row("with fast off", _survives(off), "base: the same tokens at standard list"),
        ),
        (
            f"It survives a {_survives(multiple)} price rise as billed, or a {_survives(off)} one with fast "
            "off.",
        ),
    )


def _three(picodollars: int) -> str:
    return f"${picodollars / 1e12:.3f}"


def _whole(picodollars: int) -> str:
    return f"${round(Fraction(picodollars, 10**12)):,}"


def _times(multiple: Fraction) -> str:
    return f"{float(multiple):g}"


def _survives(multiple: Fraction | None) -> str:
    return "–" if multiple is None else f"×{float(multiple):.2f}"

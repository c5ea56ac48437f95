"""The reference bill: every figure that follows from a public screenshot, computed from its listed inputs."""

from __future__ import annotations

import tomllib
from fractions import Fraction
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from hundredfold.config import dollars
from hundredfold.economics.amounts import fraction, whole
from hundredfold.economics.netvalue import Attempt, break_even_multiple, net, required_value
from hundredfold.errors import ConfigError

SHIPPED = Path(__file__).with_name("data") / "reference.toml"
MINUTES_PER_DAY = 1440
MONTHS_PER_YEAR = 12
MILLION = 1_000_000


class Totals(Struct, frozen=True, forbid_unknown_fields=True):
    """[last_day]: a day's dollars (text), tokens and requests."""

    source: str
    dollars: str
    tokens: int
    requests: int


class BillInputs(Totals, frozen=True, forbid_unknown_fields=True):
    """[bill]: the whole period's."""

    days: int
    agents: int
    people: int
    model: str


class TokenPrices(Struct, frozen=True, forbid_unknown_fields=True):
    """[prices.TIER]: dollars per million tokens, as text."""

    input: str
    cached: str
    output: str


class Prices(Struct, frozen=True, forbid_unknown_fields=True):
    """[prices]"""

    standard: TokenPrices
    fast: TokenPrices


class Assumed(Struct, frozen=True, forbid_unknown_fields=True):
    """[assumed]: what the screenshot does not say. Shares and factors are decimal text."""

    speed: str
    output_share: tuple[str, str]
    observed_cached: str
    observed_output: str
    claimed_saving: str
    salary: str
    review_hours: int
    working_days: int
    tokens_per_attempt: int


class Example(Struct, frozen=True, forbid_unknown_fields=True):
    """[example]: one attempt, for illustration."""

    acceptance: str
    survival: str
    value: str
    review_minutes: str
    reviewer_hour: str
    revert_loss: str


class Inputs(Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file."""

    bill: BillInputs
    last_day: Totals
    prices: Prices
    assumed: Assumed
    example: Example


class CachedShare(Struct, frozen=True):
    """The cached share of input that makes a tier's prices meet the bill, given an output share of all
    tokens."""

    tier: str
    output_share: Fraction
    cached_share: Fraction


class Figures(Struct, frozen=True, kw_only=True):
    """Everything that follows. Money is picodollars, rounded once; shares and rates are exact."""

    inputs: Inputs
    # rates of the bill
    per_million_tokens: int
    tokens_per_request: Fraction
    per_request: int
    per_day: int
    per_agent_day: int
    per_agent_hour: int
    requests_per_minute: Fraction
    tokens_per_minute: Fraction
    cycle_seconds: Fraction  # Little's law: agents in flight / requests a second
    per_person_month: int
    # today against the mean day
    today_tokens: Fraction
    today_requests: Fraction
    today_dollars: Fraction
    today_per_million: int
    # what mix the bill can be
    fast_multiple: Fraction
    cached: tuple[CachedShare, ...]
    observed_per_million: dict[str, int]
    # fast off
    same_tokens_at_standard: int
    saved_per_token: Fraction
    saved_per_month: Fraction  # if every agent waits on the model all the time
    bound_for_claim: Fraction  # which share of the cycle must wait on the model for the claimed saving
    left_after_claim: int  # a month
    left_a_year: int
    people_paid: Fraction
    employee_years_a_month: Fraction
    # people
    review_minutes: int
    attempts: Fraction
    minutes_per_attempt: Fraction
    # the worked example
    example: Attempt
    example_net: int | None
    example_required_value: int | None
    example_multiple: Fraction | None
    example_multiple_fast_off: Fraction | None


def load_inputs(path: Path = SHIPPED) -> Inputs:
    """The inputs of a reference bill.

    Raises:
        ConfigError: it can't be read or is not of that shape; the message names file and key.
    """
    try:
        inputs = msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), Inputs)
    except OSError as error:
        raise ConfigError(
            f"the reference bill {path} can't be read: {error.strerror}", "Check its name."
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.ValidationError) as error:
        raise ConfigError(
            f"the reference bill {path}: {error}", f"Its tables: {', '.join(Inputs.__struct_fields__)}."
        ) from error
    _check(inputs, path)
    return inputs


def _check(inputs: Inputs, path: Path) -> None:
    for name in ("days", "tokens", "requests", "agents", "people"):
        if getattr(inputs.bill, name) < 1:
            raise ConfigError(f"{path}: [bill] {name} is less than 1", "Nothing can be divided by it.")
    if inputs.last_day.tokens < 1 or inputs.assumed.tokens_per_attempt < 1:
        raise ConfigError(f"{path}: a number of tokens is less than 1", "Nothing can be divided by it.")
    for table, read in (
        (inputs.prices.standard, dollars), (inputs.prices.fast, dollars), (inputs.example, fraction),
    ):  # fmt: skip
        for name in table.__struct_fields__:
            _read(path, name, getattr(table, name), read)
    for name in ("speed", "observed_cached", "observed_output", "claimed_saving", "salary"):
        _read(path, name, getattr(inputs.assumed, name), fraction)
    for share in inputs.assumed.output_share:
        _read(path, "output_share", share, fraction)
    for text in (inputs.bill.dollars, inputs.last_day.dollars):
        _read(path, "dollars", text, dollars)


def _read(path: Path, name: str, text: str, read: Any) -> None:
    try:
        read(text)
    except ValueError as error:
        raise ConfigError(f"{path}: {name}: {error}", 'Write numbers as text, like "0.50".') from error


def figures(inputs: Inputs) -> Figures:
    """Every derived figure. See `docs/economics.md` for each one's sentence."""
    bill, day, assumed = inputs.bill, inputs.last_day, inputs.assumed
    total, day_total = dollars(bill.dollars), dollars(day.dollars)
    minutes = bill.days * MINUTES_PER_DAY
    saving, speed = fraction(assumed.claimed_saving), fraction(assumed.speed)
    multiple = fraction(inputs.prices.fast.input) / fraction(inputs.prices.standard.input)
    left = whole((1 - saving) * total)
    salary = dollars(assumed.salary)
    attempts = Fraction(bill.tokens, assumed.tokens_per_attempt)
    review = bill.people * assumed.review_hours * 60 * assumed.working_days
    example = _example(inputs, whole(Fraction(total * assumed.tokens_per_attempt, bill.tokens)))
    fast_off = msgspec.structs.replace(example, cost=whole(example.cost / multiple))
    return Figures(
        inputs=inputs,
        per_million_tokens=whole(Fraction(total * MILLION, bill.tokens)),
        tokens_per_request=Fraction(bill.tokens, bill.requests),
        per_request=whole(Fraction(total, bill.requests)),
        per_day=whole(Fraction(total, bill.days)),
        per_agent_day=whole(Fraction(total, bill.days * bill.agents)),
        per_agent_hour=whole(Fraction(total, bill.days * bill.agents * 24)),
        requests_per_minute=Fraction(bill.requests, minutes),
        tokens_per_minute=Fraction(bill.tokens, minutes),
        cycle_seconds=Fraction(bill.agents * minutes * 60, bill.requests),
        per_person_month=whole(Fraction(total, bill.people)),
        today_tokens=Fraction(day.tokens * bill.days, bill.tokens),
        today_requests=Fraction(day.requests * bill.days, bill.requests),
        today_dollars=Fraction(day_total * bill.days, total),
        today_per_million=whole(Fraction(day_total * MILLION, day.tokens)),
        fast_multiple=multiple,
        cached=tuple(_cached_shares(inputs, total)),
        observed_per_million={
            tier: whole(_blend(prices, assumed.observed_cached, assumed.observed_output))
            for tier, prices in (("fast", inputs.prices.fast), ("standard", inputs.prices.standard))
        },
        same_tokens_at_standard=whole(total / multiple),
        saved_per_token=1 - 1 / multiple,
        saved_per_month=saving_per_month(multiple, speed, Fraction(1)),
        bound_for_claim=(1 / multiple / (1 - saving) - 1) / (speed - 1),
        left_after_claim=left,
        left_a_year=left * MONTHS_PER_YEAR,
        people_paid=Fraction(left * MONTHS_PER_YEAR, salary),
        employee_years_a_month=Fraction(left, salary),
        review_minutes=review,
        attempts=attempts,
        minutes_per_attempt=review / attempts,
        example=example,
        example_net=net(example),
        example_required_value=required_value(example),
        example_multiple=break_even_multiple(example),
        example_multiple_fast_off=break_even_multiple(fast_off),
    )


def saving_per_month(multiple: Fraction, speed: Fraction, bound: Fraction) -> Fraction:
    """Which share of a month's spend is saved without fast, if agents are busy all the time.

    `bound` is the share of a fast cycle that waits on the model: without fast that part takes `speed` times
    as long, so as many busy agents send fewer requests. 0: the same work is done and only the price falls.
    """
    return 1 - (1 / multiple) / (1 + bound * (speed - 1))


def _cached_shares(inputs: Inputs, total: int) -> list[CachedShare]:
    """For each tier: which cached share of input gives the bill's mean price per token. It may be above 1 or
    below 0: then that tier alone can not be the bill."""
    mean = Fraction(total, inputs.bill.tokens)
    found = []
    for tier, prices in (("fast", inputs.prices.fast), ("standard", inputs.prices.standard)):
        plain, cached, output = (
            Fraction(dollars(one), MILLION) for one in (prices.input, prices.cached, prices.output)
        )
        for share in map(fraction, inputs.assumed.output_share):
            per_input = (mean - share * output) / (1 - share)
            found.append(CachedShare(tier, share, (plain - per_input) / (plain - cached)))
    return found


def _blend(prices: TokenPrices, cached: str, output: str) -> Fraction:
    """Picodollars of a million tokens with that cached share of input and output share of all."""
    c, o = fraction(cached), fraction(output)
    per_input = (1 - c) * dollars(prices.input) + c * dollars(prices.cached)
    return (1 - o) * per_input + o * dollars(prices.output)


def _example(inputs: Inputs, cost: int) -> Attempt:
    one = inputs.example
    return Attempt(
        acceptance=float(one.acceptance),
        survival=float(one.survival),
        cost=cost,
        value=dollars(one.value),
        review_minutes=float(one.review_minutes),
        reviewer_hour=dollars(one.reviewer_hour),
        revert_loss=dollars(one.revert_loss),
    )

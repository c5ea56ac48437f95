"""The bill as rows of FOCUS 1.2 (FinOps Open Cost and Usage Specification, https://focus.finops.org).

One row is what one kind of token of alike requests cost on one UTC day: the same model, tier, context band,
booking and attempt. So quantity times unit price is the cost, to the picodollar. Columns of our own begin
with `x_`, as the specification asks. What is paid by an employer or a subscription has its list cost and a
billed cost of nothing, and `x_Funding` says so.

Requests whose usage is an interval, or that have no price, can't be rows; they are counted instead.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from msgspec import Struct

from hundredfold.prices.book import PriceBook, Unpriced
from hundredfold.prices.money import exact_text
from hundredfold.prices.writing import day_of
from hundredfold.usage.allocation import UNALLOCATED, Allocation
from hundredfold.usage.pricing import Pricer, as_billed
from hundredfold.usage.spend import attempt_names
from hundredfold.usage.sums import Scope, Sum, Window, sums
from hundredfold.vocabulary import Usage

COLUMNS = (
    *("BilledCost", "BillingAccountId", "BillingAccountName", "BillingAccountType", "BillingCurrency"),
    *("BillingPeriodStart", "BillingPeriodEnd", "ChargeCategory", "ChargeClass", "ChargeDescription"),
    *("ChargeFrequency", "ChargePeriodStart", "ChargePeriodEnd", "CommitmentDiscountStatus"),
    *("ConsumedQuantity", "ConsumedUnit"),
    *("ContractedCost", "ContractedUnitPrice", "EffectiveCost", "InvoiceId", "InvoiceIssuerName"),
    *("ListCost", "ListUnitPrice", "PricingCategory", "PricingCurrency"),
    *("PricingCurrencyContractedUnitPrice", "PricingCurrencyEffectiveCost", "PricingCurrencyListUnitPrice"),
    *("PricingQuantity", "PricingUnit", "ProviderName"),
    *("PublisherName", "ServiceCategory", "ServiceName", "ServiceSubcategory", "SkuId", "SkuMeter"),
    *("SkuPriceDetails", "SkuPriceId", "SubAccountId", "SubAccountName", "SubAccountType", "Tags"),
    *("x_Agent", "x_Attempt", "x_CostCentre", "x_Funding", "x_Job", "x_Model", "x_Payer", "x_Person"),
    *("x_PriceSource", "x_Requests", "x_ServedTier", "x_Tier", "x_TokenKind"),
)
_MAKERS = {"openai": "OpenAI", "anthropic": "Anthropic", "google": "Google", "azure": "Microsoft"}
_KINDS = (
    ("input", "Input tokens"),
    ("cached", "Cached input tokens"),
    ("cache_write", "Cache write tokens, 5 minutes"),
    ("cache_write_1h", "Cache write tokens, 1 hour"),
    ("output", "Output tokens"),
)
_EPOCH = date(1970, 1, 1).toordinal()


class LeftOut(Struct):
    """Requests that are no rows: without a price, with an interval for a usage, simulated; failed ones cost
    nothing. Filled while rows are made."""

    unpriced: int = 0
    uncertain: int = 0
    failed: int = 0
    simulated: int = 0


def focus_rows(
    connection: sa.Connection,
    book: PriceBook,
    left_out: LeftOut,
    *,
    scope: Scope = Scope(),  # noqa: B008
    window: Window = Window(),  # noqa: B008
    allocation: Allocation = Allocation(),  # noqa: B008
    by_attempt: bool = True,
) -> Iterator[dict[str, str]]:
    """The rows, in no particular order, each with every one of `COLUMNS`; "" is null."""
    by = ("attempt", "booking", "day") if by_attempt else ("booking", "day")
    found = list(sums(connection, book, by=by, scope=scope, window=window))  # type: ignore[arg-type]
    named = attempt_names(connection, (one.attempt for one in found)) if by_attempt else {}
    pricer = Pricer(book)
    for one in found:
        if one.route.simulated:
            left_out.simulated += one.requests
        elif one.status in ("error", "refused"):
            left_out.failed += one.requests
        elif one.status != "settled":
            left_out.uncertain += one.requests
        else:
            made = list(_rows(one, pricer, allocation, named))
            if not made:
                left_out.unpriced += one.requests
            yield from made


def _rows(
    one: Sum, pricer: Pricer, allocation: Allocation, named: Mapping[int, tuple[str, str]]
) -> Iterator[dict[str, str]]:
    how = as_billed(one.route, one.at_us)
    row = pricer.row(how, one.size)
    used = _used(one.usage)
    if isinstance(row, Unpriced) or any(getattr(row.rates, kind) is None for kind in used):
        return
    assert one.booking is not None and one.day is not None
    allocated = allocation.of(one.booking)
    own = allocated.funding == "own"
    maker = _MAKERS.get(how.prices, how.prices)
    day = date.fromordinal(_EPOCH + one.day)
    month = day.replace(day=1)
    payer = allocated.payer or UNALLOCATED
    band = f" above {row.over:,} input tokens" if row.over else ""
    asked = "fast" if how.tier == "fast" else how.tier
    shared = {
        "BillingAccountId": payer,
        "BillingAccountName": payer,
        "BillingAccountType": "Payer",
        "BillingCurrency": "USD",
        "BillingPeriodStart": _time(month),
        "BillingPeriodEnd": _time((month + timedelta(days=32)).replace(day=1)),
        "ChargeCategory": "Usage",
        "ChargeClass": "",
        "ChargeFrequency": "Usage-Based",
        "ChargePeriodStart": _time(day),
        "ChargePeriodEnd": _time(day + timedelta(days=1)),
        "CommitmentDiscountStatus": "",
        "ConsumedUnit": "Tokens",
        "InvoiceId": "",  # no invoice is known
        "InvoiceIssuerName": maker,
        "PricingCategory": "Standard",
        "PricingCurrency": "USD",
        "PricingUnit": "Tokens",
        "ProviderName": maker,
        "PublisherName": maker,
        "ServiceCategory": "AI and Machine Learning",
        "ServiceName": f"{maker} API",
        "ServiceSubcategory": "Generative AI",
        "SubAccountId": one.booking.project or UNALLOCATED,
        "SubAccountName": one.booking.project or UNALLOCATED,
        "SubAccountType": "Project",
        "Tags": _object(job=one.booking.job, agent=one.booking.agent, label=one.booking.label),
        "x_Agent": one.booking.agent,
        "x_Attempt": named.get(one.attempt or 0, ("", ""))[0],
        "x_CostCentre": allocated.cost_centre,
        "x_Funding": allocated.funding,
        "x_Job": one.booking.job,
        "x_Model": how.model,
        "x_Payer": allocated.payer,
        "x_Person": allocated.person,
        "x_PriceSource": row.source,
        "x_ServedTier": row.tier,
        "x_Tier": asked,
    }
    requests = one.requests
    for kind, tokens in used.items():
        rate = getattr(row.rates, kind)
        cost = exact_text(tokens * rate)
        sku = f"{how.prices}/{row.model}/{kind}"
        meter = dict(_KINDS)[kind]
        yield shared | {
            "BilledCost": cost if own else "0",
            "ChargeDescription": f"{meter} of {how.model} at {row.tier}{band}",
            "ConsumedQuantity": f"{tokens}.0",  # a decimal, says the specification
            "ContractedCost": cost,
            "ContractedUnitPrice": exact_text(rate),
            "EffectiveCost": cost if own else "0",
            "ListCost": cost,
            "ListUnitPrice": exact_text(rate),
            "PricingCurrencyContractedUnitPrice": exact_text(rate),
            "PricingCurrencyEffectiveCost": cost if own else "0",
            "PricingCurrencyListUnitPrice": exact_text(rate),
            "PricingQuantity": f"{tokens}.0",
            "SkuId": sku,
            "SkuMeter": meter,
            "SkuPriceDetails": _object(x_Tier=row.tier, x_InputTokensOver=row.over),
            "SkuPriceId": f"{sku}/{row.tier}/{row.over}/{day_of(row.since_us)}",
            "x_Requests": str(requests),
            "x_TokenKind": kind,
        }
        requests = 0  # counted on the first of a group's rows, so that a column of them adds up


def _used(usage: Usage) -> dict[str, int]:
    """Tokens by kind of price, without those that were not used."""
    parts = {
        "input": usage.input - usage.cached - usage.cache_write,
        "cached": usage.cached,
        "cache_write": usage.cache_write - usage.cache_write_1h,
        "cache_write_1h": usage.cache_write_1h,
        "output": usage.output,
    }
    return {kind: tokens for kind, tokens in parts.items() if tokens}


def _object(**values: Any) -> str:
    return json.dumps({name: value for name, value in values.items() if value != ""}, sort_keys=True)


def _time(day: date) -> str:
    return datetime(day.year, day.month, day.day, tzinfo=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

"""A bill in words: one line for a run that is under way, and facts for the chain behind an id.

Simulated requests are always marked and never in one figure with real ones.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from hundredfold.prices.money import dollars_text, interval_text
from hundredfold.usage.pricing import Money
from hundredfold.usage.spend import Bill, Line

_SCALES = ((10**12, "T"), (10**9, "B"), (10**6, "M"), (10**3, "k"))


def tokens_text(count: int) -> str:
    """A count of tokens in at most six characters: `950`, `12.3 k`, `3.1 M`."""
    for size, letter in _SCALES:
        if count >= size:
            tenths = count * 10 // size  # cut, not rounded: 999,999 is not a million
            return f"{tenths // 10}.{tenths % 10} {letter}" if tenths < 1000 else f"{tenths // 10} {letter}"
    return str(count)


def percent_text(part: int, whole: int, places: int = 1) -> str:
    """A share to the nearest tenth (or whole) of a percent: `12.3 %`, `<0.1 %`; "" of nothing at all."""
    if not whole:
        return ""
    unit = 10**places
    rounded = (200 * unit * part + whole) // (2 * whole)
    least = f"<{1 / unit:.{places}f} %"
    whole_part, rest = divmod(rounded, unit)
    return least if part and not rounded else f"{whole_part}.{rest} %" if places else f"{rounded} %"


def price_text(money: Money) -> str:
    """A price or the interval it lies in; `unpriced`, where nothing in it has a price."""
    return "unpriced" if money.unpriced and not money.most else interval_text(money.least, money.most)


def line_text(bill: Bill) -> str:
    """A bill's sum in a few words; "" while nothing was asked.

    `$1.23 (+ up to $0.40 unsettled), 412 requests, 3.1 M tokens`, the simulated part behind it.
    """
    parts = [_sum_text(one) for one in (bill.total, bill.simulated_total) if one and one.requests]
    return "; ".join(parts)


def money_text(line: Line) -> str:
    """A line's list price: what is sure, what may come on top, and how much has no price."""
    money = line.money
    parts = []
    if money.most > money.least:
        parts.append(f"+ up to {dollars_text(money.most - money.least)} unsettled")
    if money.unpriced:
        parts.append(f"{money.unpriced:,} without a price")
    return dollars_text(money.least) + (f" ({', '.join(parts)})" if parts else "")


def cost_facts(lines: Iterable[Line]) -> dict[str, dict[str, Any]]:
    """Facts of lines that have one label (an attempt's id), by that label."""
    found: dict[str, dict[str, Any]] = {}
    for line in lines:
        usage = line.usage
        facts: dict[str, Any] = {
            "requests": line.requests,
            "input": usage.input,
            "cached": usage.cached,
            "output": usage.output,
            "reasoning": usage.reasoning,
            "uncertain": line.uncertain or "",
            "cost": money_text(line),
        }
        if line.simulated:
            facts = {f"simulated {name}": value for name, value in facts.items()}
        found[line.labels[0]] = found.get(line.labels[0], {}) | facts
    return found


def _sum_text(line: Line) -> str:
    tokens = tokens_text(line.usage.input + line.usage.output)
    requests = "1 request" if line.requests == 1 else f"{line.requests:,} requests"
    marked = "SIMULATED " if line.simulated else ""
    return f"{marked}{money_text(line)}, {requests}, {tokens} tokens"

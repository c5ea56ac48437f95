"""From the bill at a glance to what its picture shows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Literal

from hundredfold.plots.bill import BillFigure, Part, Share
from hundredfold.prices.money import dollars_text
from hundredfold.usage.overview import Overview
from hundredfold.usage.pricing import Money
from hundredfold.usage.spend import UNKNOWN, Grouping, Line
from hundredfold.usage.wording import percent_text, tokens_text
from hundredfold.vocabulary import PICODOLLARS_PER_DOLLAR

Basis = Literal["list", "billed"]
MOST_PARTS = 5
_HEADINGS: tuple[tuple[Grouping, str], ...] = (
    ("model", "Models"),
    ("tier", "Tiers"),
    ("job", "Jobs"),
    ("person", "People"),
)


def bill_figure(found: Overview, by_day: Sequence[Line], title: str, below: str, basis: Basis) -> BillFigure:
    """The picture of an overview. `by_day` has the real lines by day and model."""
    days = tuple(date.fromisoformat(line.labels[0]) for line in found.days)
    total, money = found.total, _money(found.total, basis)
    tokens = total.usage.input + total.usage.output
    total_name = "total" if money.least == money.most else f"total, at most {dollars_text(money.most)}"
    figures = [
        (dollars_text(money.least), total_name),
        (f"{total.requests:,}", "requests"),
        (
            tokens_text(tokens),
            f"tokens, {percent_text(total.usage.cached, total.usage.input)} of input cached",
        ),
        (dollars_text(_money(found.today, basis).least), f"on {found.today.labels[0]}"),
    ]
    if found.burn_days:
        figures.append((dollars_text(found.burn), f"a day, mean of {found.burn_days} days before"))
    return BillFigure(
        title=title,
        below=below,
        days=days,
        parts=_parts(days, by_day, basis),
        figures=tuple(figures),
        shares=tuple(
            (heading, _shares(found.parts[name], money.most, basis))
            for name, heading in _HEADINGS
            if any(line.requests and line.labels[0] != UNKNOWN for line in found.parts[name])
        ),
    )


def _parts(days: Sequence[date], by_day: Sequence[Line], basis: Basis) -> tuple[Part, ...]:
    """The dearest models by day; what is left is one part."""
    places = {day.isoformat(): place for place, day in enumerate(days)}
    amounts: dict[str, list[int]] = {}
    money: dict[str, Money] = {}
    for line in by_day:
        money[line.labels[1]] = money.get(line.labels[1], Money()) + _money(line, basis)
        days_of = amounts.setdefault(line.labels[1], [0] * len(days))
        days_of[places[line.labels[0]]] += _money(line, basis).most
    ordered = sorted(amounts, key=lambda name: -sum(amounts[name]))
    shown = {name: amounts[name] for name in ordered[:MOST_PARTS]}
    if rest := ordered[MOST_PARTS:]:
        shown[f"{len(rest)} more"] = [
            sum(each) for each in zip(*(amounts[name] for name in rest), strict=True)
        ]
    return tuple(
        Part(
            name,
            tuple(one / PICODOLLARS_PER_DOLLAR for one in each),
            "unpriced" if name in money and _lacks(money[name]) else dollars_text(sum(each)),
        )
        for name, each in shown.items()
    )


def _shares(lines: Sequence[Line], whole: int, basis: Basis) -> tuple[Share, ...]:
    found = []
    for line in lines:
        amount = _money(line, basis).most
        share = amount / whole if whole else 0.0
        whole_dollars = (
            dollars_text(amount).partition(".")[0] if amount >= 1000 * PICODOLLARS_PER_DOLLAR else ""
        )
        text = f"{whole_dollars or dollars_text(amount)}  {percent_text(amount, whole)}"
        if _lacks(_money(line, basis)):
            text = "unpriced"
        found.append(Share(line.labels[0], share, text))
    return tuple(found)


def _lacks(money: Money) -> bool:
    """Whether nothing in it has a price."""
    return bool(money.unpriced and not money.most)


def _money(line: Line, basis: Basis) -> Money:
    return line.money if basis == "list" else line.billed

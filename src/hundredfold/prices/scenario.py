"""Scenarios: the same requests priced another way, as a pure change of how each one is priced.

A scenario is a list of rules, applied in order to every request; each says which requests it concerns and
what changes for them: tier, model, a multiple of the price, the date whose prices hold. The rules of the
price book stay in force for the changed request, so a request above a threshold pays what the other model
asks for one of its size, and fast is not billed where it is not served. A multiplied price is rounded once,
to whole picodollars per token.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from datetime import UTC, date, datetime
from fnmatch import fnmatchcase
from fractions import Fraction
from functools import cached_property
from typing import get_args

import msgspec
from msgspec import Struct

from hundredfold.errors import ConfigError
from hundredfold.prices.book import PriceBook
from hundredfold.prices.rows import KINDS, PriceRow, Rates
from hundredfold.vocabulary import Tier

#: what a rule can ask of a request
FACTS = (
    "project",
    "job",
    "agent",
    "person",
    "payer",
    "cost_centre",
    "path",
    "label",
    "provider",
    "model",
    "tier",
)
CHANGES = ("provider", "model", "tier", "multiple", "prices_of")
_TIERS: tuple[Tier, ...] = get_args(Tier)
#: beyond this a multiple is a slip of the pen
MOST = 10_000


class Priced(Struct, frozen=True):
    """How requests are priced: by which price rows (`prices`, a provider's name), as which model, at which
    tier, at which time's prices and at which multiple of them.

    `asked` is the tier that was asked for (a stream that was cut may have been served at either). With
    `fill`, a kind of input that the model has no price for is charged as plain input, not unpriced.
    """

    prices: str
    model: str
    tier: Tier
    asked: Tier
    at_us: int
    multiple: Fraction = Fraction(1)
    fill: bool = False


class Change(Struct, frozen=True):
    """What becomes different. Nothing given ("", None) stays as it was; a multiple multiplies."""

    provider: str = ""
    model: str = ""
    tier: Tier | None = None
    multiple: Fraction = Fraction(1)
    prices_at_us: int | None = None


class Rule(Struct, frozen=True):
    """A change for the requests whose facts match: for each fact named, one of its patterns (`*` and `?`)."""

    change: Change
    when: Mapping[str, tuple[str, ...]] = {}

    @property
    def condition(self) -> str:
        """What it concerns, in the words of `rule_of`."""
        return " ".join(f"{name}={'|'.join(patterns)}" for name, patterns in self.when.items())

    def concerns(self, facts: Mapping[str, str]) -> bool:
        """Whether a request with these facts is meant."""
        return all(
            any(fnmatchcase(facts.get(name, ""), pattern) for pattern in patterns)
            for name, patterns in self.when.items()
        )


class Scenario(Struct, frozen=True, dict=True):
    """Rules with a name; `source` and `date` say where its figures come from."""

    name: str
    rules: tuple[Rule, ...]
    fill: bool = False
    source: str = ""
    date: str = ""

    @cached_property
    def asks(self) -> frozenset[str]:
        """The facts that any rule asks for."""
        return frozenset(name for rule in self.rules for name in rule.when)

    def applied(self, priced: Priced, facts: Mapping[str, str]) -> Priced:
        """How requests with these facts, priced so as they happened, are priced in the scenario."""
        for rule in self.rules:
            if not rule.concerns(facts):
                continue
            change = rule.change
            priced = msgspec.structs.replace(
                priced,
                prices=change.provider or priced.prices,
                model=change.model or priced.model,
                tier=change.tier or priced.tier,
                asked=change.tier or priced.asked,
                at_us=priced.at_us if change.prices_at_us is None else change.prices_at_us,
                multiple=priced.multiple * change.multiple,
            )
        return msgspec.structs.replace(priced, fill=self.fill) if self.fill else priced


def scaled(book: PriceBook, multiple: Fraction) -> PriceBook:
    """The book with every price multiplied, rounded once to whole picodollars per token, half to even."""
    if multiple == 1:
        return book

    def times(rate: int | None) -> int | None:
        return None if rate is None else round(rate * multiple)

    def multiplied(row: PriceRow) -> PriceRow:
        rates = Rates(*(times(getattr(row.rates, kind)) for kind in KINDS))
        return msgspec.structs.replace(row, rates=rates, source=f"{row.source}; × {multiple}")

    return PriceBook([multiplied(row) for row in book.rows], book.models)


def multiple_of(text: str) -> Fraction:
    """A price multiple like "2.5", "0.04" or "1/3".

    Raises:
        ConfigError: not a number, negative or above `MOST`.
    """
    try:
        found = Fraction(text.strip().removeprefix("×").removeprefix("x").strip())
    except (ValueError, ZeroDivisionError) as error:
        raise ConfigError(f"{text!r} is not a price multiple", "Write it like 2.5 or 1/3.") from error
    if not 0 <= found <= MOST:
        raise ConfigError(f"the price multiple {text} is out of bounds", f"It must be from 0 to {MOST:,}.")
    return found


def change_of(
    book: PriceBook,
    *,
    provider: str = "",
    model: str = "",
    tier: str = "",
    multiple: str = "",
    prices_of: str = "",
) -> Change:
    """A change from words, as a person writes them; "" is left as it is.

    Raises:
        ConfigError: an unknown model or tier, no multiple, no date; the mend names near ones.
    """
    if tier and tier not in _TIERS:
        near = difflib.get_close_matches(tier, _TIERS, n=1)
        mend = f"Did you mean {near[0]!r}?" if near else f"Known tiers: {', '.join(_TIERS)}."
        raise ConfigError(f"there is no tier {tier!r}", mend)
    if model and not provider:
        provider = _provider(book, model)
    elif model and not book.knows(provider, model):
        raise ConfigError(
            f"no price is known for {model} of {provider}", "See `hundredfold prices` for what is known."
        )
    return Change(
        provider=provider,
        model=model,
        tier=next((one for one in _TIERS if one == tier), None),
        multiple=multiple_of(multiple) if multiple else Fraction(1),
        prices_at_us=_midnight(prices_of) if prices_of else None,
    )


def rule_of(book: PriceBook, text: str) -> Rule:
    """A rule from words: `job=security|dedupe: tier=flex`, `tier=fast, model=gpt-5.5*: tier=standard`.

    Before the colon what a request must be (any of the patterns between bars), after it what changes.

    Raises:
        ConfigError: it can't be read, or names a fact or a change that there is not.
    """
    before, colon, after = text.rpartition(":")
    if not colon:
        raise ConfigError(
            f"the rule {text!r} has no colon", "Write it like 'job=security|dedupe: tier=flex'."
        )
    when = {
        name: tuple(one.strip() for one in value.split("|")) for name, value in _pairs(text, before, FACTS)
    }
    return Rule(change_of(book, **dict(_pairs(text, after, CHANGES))), when)


def _pairs(text: str, part: str, known: tuple[str, ...]) -> list[tuple[str, str]]:
    found = []
    for one in filter(str.strip, part.split(",")):
        name, equals, value = (each.strip() for each in one.partition("="))
        name = name.replace("-", "_")
        if not equals or not value or name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            mend = (
                f"Did you mean {near[0]!r}?"
                if near and near[0] != name
                else f"Write NAME=VALUE; names here are {', '.join(known)}."
            )
            raise ConfigError(f"the rule {text!r} can't be read at {one.strip()!r}", mend)
        found.append((name, value))
    return found


def _provider(book: PriceBook, model: str) -> str:
    """The one provider that has prices for the model."""
    found = [one for one in book.providers if book.knows(one, model)]
    if len(found) == 1:
        return found[0]
    if found:
        raise ConfigError(
            f"{model} has prices of several providers: {', '.join(found)}", "Name the provider too."
        )
    near = difflib.get_close_matches(model, sorted({row.model for row in book.rows}), n=3, cutoff=0.5)
    mend = f"Near: {', '.join(near)}." if near else "See `hundredfold prices` for what is known."
    raise ConfigError(f"no price is known for the model {model!r}", mend)


def _midnight(text: str) -> int:
    try:
        day = date.fromisoformat(text)
    except ValueError as error:
        raise ConfigError(f"{text!r} is not a day", "Write it like 2026-08-01.") from error
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1_000_000

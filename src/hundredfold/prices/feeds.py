"""Prices from public feeds: LiteLLM's price map and models.dev's api.json, as rows of our own.

A feed knows today's prices and no history. So what it says of a model that the book does not know is taken
to have always held (the source says so); a price that differs from the book's holds from the day of the
update on, a kind of token that had no price gets one for as long as the others hold. What agrees adds
nothing, and what a feed leaves out changes nothing.

Formats: LiteLLM's map is an object by model name with `litellm_provider` and dollars per token in keys like
`input_cost_per_token`, `cache_read_input_token_cost_above_272k_tokens_priority`; models.dev's is an object by
provider with `models`, each with `cost` in dollars per million tokens. Numbers are read as decimals, exactly.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, Literal

import msgspec
from msgspec import Struct

from hundredfold.errors import ConfigError
from hundredfold.prices.book import PriceBook, Unpriced, base_name
from hundredfold.prices.rows import KINDS, ModelRow, PriceRow, Rates, picodollars_per_token
from hundredfold.vocabulary import Tier

Format = Literal["litellm", "models.dev"]
#: our names of providers, by a feed's
_PROVIDERS = {"gemini": "google"}
#: LiteLLM's words for kinds of token; the second is written before `_above_…_tokens`
_STEMS = {
    "input": "input_cost_per_token",
    "cached": "cache_read_input_token_cost",
    "cache_write": "cache_creation_input_token_cost",
    "cache_write_1h": "cache_creation_input_token_cost_above_1hr",
    "output": "output_cost_per_token",
}
#: models.dev's words for kinds of token
_MODELS_DEV = {"input": "input", "cached": "cache_read", "cache_write": "cache_write", "output": "output"}
_SUFFIXES: dict[Tier, str] = {"standard": "", "fast": "_priority", "flex": "_flex", "batch": "_batches"}
_ABOVE = re.compile(r"_above_(\d+)k_tokens")
_MODES = ("chat", "responses", "completion", None)


class Unread(Struct, frozen=True):
    """A price of a feed's model that is no amount of dollars: its key, and what stands there."""

    provider: str
    model: str
    key: str
    value: str


class Feed(Struct, frozen=True):
    """A feed's rows, whatever the book says. `skipped` counts entries by why they are left out; `unread` are
    prices that can't be read: to the rows they are as if they were not there."""

    format: Format
    rows: tuple[PriceRow, ...]
    models: tuple[ModelRow, ...]
    skipped: dict[str, int]
    unread: tuple[Unread, ...] = ()


class Update(Struct, frozen=True):
    """What a feed adds to a book: rows of `new` models, rows that `changed`; how many are the `same`."""

    new: tuple[PriceRow, ...]
    changed: tuple[tuple[PriceRow, PriceRow], ...]  # what held, what holds from now on
    models: tuple[ModelRow, ...]
    same: int


def read_feed(content: bytes, source: str) -> Feed:
    """A feed from its bytes, in whichever of the formats it is.

    Raises:
        ConfigError: not JSON, or neither format.
    """
    try:
        raw = json.loads(content, parse_float=Decimal)
    except (ValueError, RecursionError) as error:
        raise ConfigError(
            f"{source} is not JSON: {error}", "Give LiteLLM's price map or models.dev's."
        ) from error
    entries = [one for one in raw.values() if isinstance(one, dict)] if isinstance(raw, dict) else []
    if any("litellm_provider" in one for one in entries):
        return _litellm(raw, source)
    if any(isinstance(one.get("models"), dict) for one in entries):
        return _models_dev(raw, source)
    raise ConfigError(
        f"{source} is no price feed that is known here",
        "Give LiteLLM's model_prices_and_context_window.json or models.dev's api.json.",
    )


def update_of(book: PriceBook, feed: Feed, *, day: date, at_us: int, providers: Sequence[str]) -> Update:
    """What the feed adds to the book on that day, for these providers ("*" is all)."""
    new, changed, same = list[PriceRow](), list[tuple[PriceRow, PriceRow]](), 0
    for row in feed.rows:
        if "*" not in providers and row.provider not in providers:
            continue
        dated = f"{row.source}, read {day.isoformat()}"
        if not book.has(row.provider, row.model):
            text = f"{dated}; taken to have held before, since no earlier price is known"
            new.append(msgspec.structs.replace(row, source=text))
            continue
        known = book.row(
            prices=row.provider, model=row.model, tier=row.tier, input_tokens=row.over + 1, at_us=at_us
        )
        before = None
        if not isinstance(known, Unpriced) and known.tier == row.tier and known.over == row.over:
            before = known
        rates = before.rates if before else Rates()
        merged = Rates(*(_first(getattr(row.rates, kind), getattr(rates, kind)) for kind in KINDS))
        if merged == rates:
            same += 1
            continue
        # What was not known is filled in for all of the known price's time; another price holds from now on.
        agrees = before is not None and all(
            getattr(rates, kind) in (None, getattr(merged, kind)) for kind in KINDS
        )
        since_us = before.since_us if before is not None and agrees else at_us
        after = msgspec.structs.replace(row, rates=merged, since_us=since_us, source=dated)
        if before is None:
            new.append(after)
        else:
            changed.append((before, after))
    named = {(row.provider, row.model) for row in new}
    models = tuple(one for one in feed.models if (one.provider, one.model) in named)
    return Update(tuple(new), tuple(changed), models, same)


def _first(*rates: int | None) -> int | None:
    return next((one for one in rates if one is not None), None)


def _litellm(raw: Mapping[str, Any], source: str) -> Feed:
    rows: dict[tuple[str, str], list[PriceRow]] = {}
    models: dict[tuple[str, str], ModelRow] = {}
    skipped: dict[str, int] = {}
    unread: list[Unread] = []

    def skip(why: str) -> None:
        skipped[why] = skipped.get(why, 0) + 1

    for name, entry in raw.items():
        if not isinstance(entry, dict) or "litellm_provider" not in entry:
            skip("no model")
            continue
        if entry.get("mode") not in _MODES:
            skip(f"mode {entry.get('mode')}")
            continue
        said = str(entry["litellm_provider"])
        provider = _PROVIDERS.get(said, said)
        model = name.removeprefix(f"{said}/")
        unread += _unread(provider, model, entry, tuple(_STEMS.values()), _rate)
        made = list(_litellm_rows(entry, provider, model, source))
        if not made:
            skip("no price per token")
            continue
        if (provider, model) in rows:  # named with and without its provider: the later entry counts
            skip("a later entry of the same model")
        rows[provider, model] = made
        models[provider, model] = ModelRow(
            provider, model, _size(entry.get("max_input_tokens")), _size(entry.get("max_output_tokens"))
        )
    every = [row for of_one in rows.values() for row in of_one]
    return Feed("litellm", *_without_copies(every, list(models.values())), skipped, tuple(unread))


def _litellm_rows(entry: Mapping[str, Any], provider: str, model: str, source: str) -> Iterator[PriceRow]:
    thresholds = {0, *(int(found[1]) * 1000 for key in entry if (found := _ABOVE.search(key)))}
    cited = (
        f"LiteLLM's price map ({source}); it cites {entry['source']}"
        if entry.get("source")
        else (f"LiteLLM's price map ({source})")
    )
    for tier, suffix in _SUFFIXES.items():
        priced = False
        for over in sorted(thresholds):
            above = f"_above_{over // 1000}k_tokens" if over else ""
            rates = Rates(*(_rate(entry.get(f"{_STEMS[kind]}{above}{suffix}")) for kind in KINDS))
            standard = tier == "standard"
            if rates != Rates():
                priced = priced or not over
                yield PriceRow(provider, model, tier, 0, over, rates, cited)
            elif over and priced and not standard:
                text = f"{cited}: no {tier} price above the threshold that standard has"
                yield PriceRow(provider, model, tier, 0, over, Rates(), text)
    extra = entry.get("provider_specific_entry")
    if isinstance(extra, dict) and isinstance(extra.get("fast"), int | Decimal):
        times = Decimal(extra["fast"])
        rates = Rates(*(_rate(entry.get(stem), times) for stem in _STEMS.values()))
        yield PriceRow(provider, model, "fast", 0, 0, rates, f"{cited}: fast is {times.normalize():f} times")


def _models_dev(raw: Mapping[str, Any], source: str) -> Feed:
    rows, models, skipped = list[PriceRow](), list[ModelRow](), dict[str, int]()
    unread: list[Unread] = []
    for said, one in raw.items():
        provider = _PROVIDERS.get(said, said)
        for name, entry in one.get("models", {}).items() if isinstance(one, dict) else ():
            cost = entry.get("cost") if isinstance(entry, dict) else None
            if not isinstance(cost, dict):
                skipped["no price"] = skipped.get("no price", 0) + 1
                continue
            for part in (cost, *(cost[key] for key in cost if _OVER.fullmatch(key))):
                unread += _unread(provider, name, part, tuple(_MODELS_DEV.values()), _per_million)
            rows += _models_dev_rows(cost, provider, name, f"models.dev ({source})")
            limit = entry.get("limit")
            sizes = limit if isinstance(limit, dict) else {}
            models.append(ModelRow(provider, name, _size(sizes.get("context")), _size(sizes.get("output"))))
    return Feed("models.dev", *_without_copies(rows, models), skipped, tuple(unread))


def _unread(
    provider: str, model: str, said: Any, stems: tuple[str, ...], read: Callable[[Any], int | None]
) -> list[Unread]:
    """The prices, by what their keys begin with, that are there and are no amounts."""
    if not isinstance(said, dict):
        return []
    return [
        Unread(provider, model, key, str(value)[:40])
        for key, value in said.items()
        if key.startswith(stems) and value is not None and read(value) is None
    ]


def _without_copies(
    rows: Sequence[PriceRow], models: Sequence[ModelRow]
) -> tuple[tuple[PriceRow, ...], tuple[ModelRow, ...]]:
    """Without snapshots that are priced as the model they are of: the book finds those by its name."""
    rates: dict[tuple[str, str], dict[tuple[Tier, int], Rates]] = {}
    for row in rows:
        rates.setdefault((row.provider, row.model), {})[row.tier, row.over] = row.rates
    copies = {
        (provider, model)
        for provider, model in rates
        if (base := base_name(model)) != model and rates.get((provider, base)) == rates[provider, model]
    }
    return (
        tuple(row for row in rows if (row.provider, row.model) not in copies),
        tuple(one for one in models if (one.provider, one.model) not in copies),
    )


def _models_dev_rows(cost: Mapping[str, Any], provider: str, model: str, source: str) -> list[PriceRow]:
    found = []
    for key, over in (("", 0), *((key, int(key[13:-1]) * 1000) for key in cost if _OVER.fullmatch(key))):
        part = cost[key] if key else cost
        if not isinstance(part, dict):
            continue
        rates = Rates(**{kind: _per_million(part.get(name)) for kind, name in _MODELS_DEV.items()})
        if rates != Rates():
            found.append(PriceRow(provider, model, "standard", 0, over, rates, source))
    return found


_OVER = re.compile(r"context_over_\d{1,5}k")


def _rate(value: Any, times: Decimal = Decimal(1)) -> int | None:
    """Dollars per token as picodollars."""
    return None if not _is_number(value) else _per_million(Decimal(value) * times * 1_000_000)


def _per_million(value: Any) -> int | None:
    if not _is_number(value):
        return None
    try:
        return picodollars_per_token(str(value))
    except ValueError:
        return None  # negative or absurd: no price


def _is_number(value: Any) -> bool:
    return isinstance(value, int | Decimal) and not isinstance(value, bool)


def _size(value: Any) -> int:
    return int(value) if _is_number(value) and 0 <= value <= 10**9 else 0

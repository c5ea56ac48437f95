"""Price rows as files: reading TOML into `PriceRow` and `ModelRow`, with errors that name file, row and key.

A file holds `[[price]]` and `[[model]]` tables. Prices are decimal strings, dollars per million tokens.
"""

from __future__ import annotations

import tomllib
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta, Struct

from hundredfold.errors import ConfigError
from hundredfold.vocabulary import Tier

SHIPPED = Path(__file__).with_name("data")
#: dollars per million tokens; far above any price, so that a slip of the pen is not taken for one
HIGHEST_PRICE = 1_000_000
KINDS = ("input", "cached", "cache_write", "cache_write_1h", "output")


Tokens = Annotated[int, Meta(ge=0, le=10**9)]
Table = TypeVar("Table", bound=Struct)


class Rates(Struct, frozen=True):
    """Picodollars per token, by kind; None is "no price is known", never free.

    `cache_write` prices cache writes that are kept for minutes, `cache_write_1h` those kept for an hour.
    """

    input: int | None = None
    cached: int | None = None
    cache_write: int | None = None
    cache_write_1h: int | None = None
    output: int | None = None


class PriceRow(Struct, frozen=True):
    """What one model costs at one tier, from a time on, for requests with more than `over` input tokens."""

    provider: str
    model: str
    tier: Tier
    since_us: int
    over: int
    rates: Rates
    source: str


class ModelRow(Struct, frozen=True, forbid_unknown_fields=True):
    """A model's sizes in tokens. Above `no_fast_over` input tokens fast is not served: standard is billed.

    `same_as` makes the model another name for one that has price rows.
    """

    provider: str
    model: str
    context: Tokens = 0
    max_output: Tokens = 0
    no_fast_over: Tokens = 0
    same_as: str = ""


class _PriceTable(Struct, frozen=True, forbid_unknown_fields=True):
    provider: str
    model: str
    source: str
    tier: Tier = "standard"
    since: date = date(1970, 1, 1)
    over: Tokens = 0
    input: str = ""
    cached: str = ""
    cache_write: str = ""
    cache_write_1h: str = ""
    output: str = ""


class _File(Struct, frozen=True, forbid_unknown_fields=True):
    price: list[dict[str, Any]] = []
    model: list[dict[str, Any]] = []


def read_file(path: Path) -> tuple[list[PriceRow], list[ModelRow]]:
    """The rows of one file.

    Raises:
        ConfigError: it can't be read, is not TOML, has an unknown key or a price that is no amount.
    """
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
        file = msgspec.convert(raw, _File)
    except OSError as error:
        raise ConfigError(
            f"the price file {path} can't be read: {error.strerror}", "Mend `prices` in hundredfold.toml."
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.ValidationError) as error:
        raise ConfigError(
            f"the price file {path}: {error}", "It holds [[price]] and [[model]] tables."
        ) from error
    prices = [
        _row(_table(one, number, _PriceTable, path), number, path) for number, one in enumerate(file.price, 1)
    ]
    return prices, [_table(one, number, ModelRow, path) for number, one in enumerate(file.model, 1)]


def _table(raw: dict[str, Any], number: int, kind: type[Table], path: Path) -> Table:
    try:
        return msgspec.convert(raw, kind)
    except msgspec.ValidationError as error:
        name = "model" if kind is ModelRow else "price"
        known = ", ".join(kind.__struct_fields__)
        raise ConfigError(
            f"{path}: [[{name}]] row {number} ({raw.get('model', 'no model')}): {error}",
            f"Known keys: {known}.",
        ) from error


def _row(table: _PriceTable, number: int, path: Path) -> PriceRow:
    rates = {}
    for kind in KINDS:
        text = getattr(table, kind)
        try:
            rates[kind] = picodollars_per_token(text) if text else None
        except ValueError as error:
            raise ConfigError(
                f"{path}: [[price]] row {number} ({table.model}, {table.tier}): {kind}: {error}",
                'Write dollars per million tokens as a string, like "0.50".',
            ) from error
    since = datetime(table.since.year, table.since.month, table.since.day, tzinfo=UTC)
    return PriceRow(
        provider=table.provider,
        model=table.model,
        tier=table.tier,
        since_us=int(since.timestamp()) * 1_000_000,
        over=table.over,
        rates=Rates(**rates),
        source=table.source,
    )


def picodollars_per_token(text: str) -> int:
    """Dollars per million tokens as whole picodollars per token, rounded once, half to even.

    Raises:
        ValueError: not an amount, negative, or above `HIGHEST_PRICE`.
    """
    try:
        amount = Decimal(text)
    except InvalidOperation as error:
        raise ValueError(f"{text!r} is not an amount") from error
    if not amount.is_finite() or not 0 <= amount <= HIGHEST_PRICE:
        raise ValueError(f"{text!r} is not an amount from 0 to {HIGHEST_PRICE:,}")
    return int((amount * 1_000_000).to_integral_value())

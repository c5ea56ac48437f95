"""Price rows as TOML that `rows.read_file` reads back to the same rows."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hundredfold.prices.rows import KINDS, ModelRow, PriceRow

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def rows_text(rows: Iterable[PriceRow], models: Iterable[ModelRow]) -> str:
    """The rows as [[model]] and [[price]] tables, models first."""
    parts = []
    for model in models:
        lines = ["[[model]]", f"provider = {_quoted(model.provider)}", f"model = {_quoted(model.model)}"]
        for name in ("context", "max_output", "no_fast_over"):
            if getattr(model, name):
                lines.append(f"{name} = {getattr(model, name)}")
        if model.same_as:
            lines.append(f"same_as = {_quoted(model.same_as)}")
        parts.append("\n".join(lines))
    for row in rows:
        lines = ["[[price]]", f"provider = {_quoted(row.provider)}", f"model = {_quoted(row.model)}"]
        if row.tier != "standard":
            lines.append(f"tier = {_quoted(row.tier)}")
        if row.since_us:
            lines.append(f"since = {day_of(row.since_us)}")
        if row.over:
            lines.append(f"over = {row.over}")
        for kind in KINDS:
            rate = getattr(row.rates, kind)
            if rate is not None:
                lines.append(f'{kind} = "{per_million_text(rate)}"')
        lines.append(f"source = {_quoted(row.source)}")
        parts.append("\n".join(lines))
    return "".join(f"{part}\n\n" for part in parts)


def per_million_text(rate: int) -> str:
    """Picodollars per token as dollars per million tokens: `0.125`, `12.5`, `75`."""
    amount = Decimal(rate) / 1_000_000
    text = f"{amount:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def day_of(at_us: int) -> str:
    """The UTC day of a time."""
    return (_EPOCH + timedelta(microseconds=at_us)).date().isoformat()


def _quoted(text: str) -> str:
    """A TOML basic string: JSON's escapes are TOML's, but for DEL, which JSON leaves as it is."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")

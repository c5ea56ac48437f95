"""What an outcome of each kind is worth: a sourced, editable range, or unknown. Never a figure of our own."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Literal

from msgspec import Struct

from hundredfold.config import dollars
from hundredfold.economics.amounts import fraction, whole
from hundredfold.economics.tables import read_rows
from hundredfold.outcome import OutcomeKind

SHIPPED = Path(__file__).with_name("data") / "values.toml"
Basis = Literal["minutes replaced", "price elsewhere", "averted loss", "unknown"]


class ValueRow(Struct, frozen=True, forbid_unknown_fields=True):
    """[[value]]: `minutes` or `dollars` are low, likely, high, as text; neither if it is unknown."""

    kind: OutcomeKind
    basis: Basis
    source: str
    date: date
    minutes: tuple[str, str, str] | None = None
    dollars: tuple[str, str, str] | None = None

    def __post_init__(self) -> None:
        wants_minutes, wants_dollars = self.basis == "minutes replaced", self.basis not in _WITHOUT_DOLLARS
        if wants_minutes != (self.minutes is not None) or wants_dollars != (self.dollars is not None):
            raise ValueError(f"basis {self.basis!r} wants {_WANTED[self.basis]}")
        amounts = [fraction(one) for one in self.minutes or self.dollars or ()]
        if amounts != sorted(amounts) or any(one < 0 for one in amounts):
            raise ValueError(f"{self.kind}: low, likely, high are not in order")
        if not self.source:
            raise ValueError(f"{self.kind}: a value has a source (say so if there is none)")


_WITHOUT_DOLLARS = ("minutes replaced", "unknown")
_WANTED: dict[Basis, str] = {
    "minutes replaced": "minutes = [low, likely, high]",
    "price elsewhere": "dollars = [low, likely, high]",
    "averted loss": "dollars = [low, likely, high]",
    "unknown": "neither minutes nor dollars",
}


class Value(Struct, frozen=True):
    """What one surviving outcome is worth, in picodollars; `range` is None if that is unknown."""

    kind: OutcomeKind
    basis: Basis
    source: str
    range: tuple[int, int, int] | None = None

    @property
    def likely(self) -> int | None:
        """The middle of the range that is most likely; None if unknown."""
        return None if self.range is None else self.range[1]


def load_values(overrides: Sequence[Path] = (), *, reviewer_hour: int) -> dict[OutcomeKind, Value]:
    """The value of each kind: the shipped rows (all unknown), the user's over them by kind.

    `reviewer_hour` in picodollars prices minutes.

    Raises:
        ConfigError: a file is wrong; the message names file, row and key.
    """
    found: dict[OutcomeKind, Value] = {}
    for path in (SHIPPED, *overrides):
        found |= {row.kind: _value(row, reviewer_hour) for row in read_rows(path, "value", ValueRow)}
    return found


def unknown(kind: OutcomeKind) -> Value:
    """The value of a kind that no file names."""
    return Value(kind, "unknown", "no value is set for this kind")


def _value(row: ValueRow, reviewer_hour: int) -> Value:
    amounts = None
    if row.minutes is not None:
        low, likely, high = (whole(fraction(one) * reviewer_hour / 60) for one in row.minutes)
        amounts = (low, likely, high)
    elif row.dollars is not None:
        low, likely, high = (dollars(one) for one in row.dollars)
        amounts = (low, likely, high)
    return Value(row.kind, row.basis, f"{row.source} ({row.date:%Y-%m-%d})", amounts)

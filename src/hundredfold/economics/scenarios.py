"""Scenarios: what the same requests would cost under another reading of "price", with source and date."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from fractions import Fraction
from pathlib import Path
from typing import Literal

from msgspec import Struct

from hundredfold.economics.amounts import fraction
from hundredfold.economics.tables import read_rows
from hundredfold.prices.scenario import Change, Rule, Scenario
from hundredfold.vocabulary import Tier

SHIPPED = Path(__file__).with_name("data") / "scenarios.toml"
HIGHEST = 1000


class ScenarioRow(Struct, frozen=True, forbid_unknown_fields=True):
    """A tier to price at ("served": each request's own) and a multiple of that tier's list price."""

    name: str
    multiple: str
    basis: Literal["list", "assumption", "second hand", "research"]
    source: str
    date: date
    tier: Tier | Literal["served"] = "served"
    meaning: str = ""

    def __post_init__(self) -> None:
        if not self.name or not self.source:
            raise ValueError("a scenario has a name and a source (say so if there is none)")
        if not 0 <= fraction(self.multiple) <= HIGHEST:
            raise ValueError(f"multiple {self.multiple} is not from 0 to {HIGHEST}")

    @property
    def factor(self) -> Fraction:
        """The multiple, exactly."""
        return fraction(self.multiple)

    @property
    def transform(self) -> Scenario:
        """How requests are priced in it."""
        change = Change(tier=None if self.tier == "served" else self.tier, multiple=self.factor)
        return Scenario(self.name, (Rule(change),), source=self.source, date=self.date.isoformat())


def load_scenarios(overrides: Sequence[Path] = ()) -> tuple[ScenarioRow, ...]:
    """The shipped scenarios, those of the user's files over them by name.

    Raises:
        ConfigError: a file is wrong; the message names file, row and key.
    """
    found: dict[str, ScenarioRow] = {}
    for path in (SHIPPED, *overrides):
        found |= {one.name: one for one in read_rows(path, "scenario", ScenarioRow)}
    return tuple(found.values())

"""Figures that can not be shown without what they are divided by: rates and unit costs that carry their
denominator and what is pending, and are nothing at all where the denominator is zero.
"""

from __future__ import annotations

from fractions import Fraction

from msgspec import Struct

from hundredfold.economics.amounts import whole
from hundredfold.economics.intervals import Interval, jeffreys
from hundredfold.prices.money import dollars_text, interval_text


class Rate(Struct, frozen=True):
    """`hits` of `of`; `pending` more are not decided yet, and stand in neither. `what` names the whole."""

    hits: int
    of: int
    pending: int
    what: str

    def __post_init__(self) -> None:
        if not 0 <= self.hits <= self.of or self.pending < 0:
            raise ValueError(f"{self.hits} of {self.of} (pending {self.pending}) is no rate")

    @property
    def share(self) -> float | None:
        """hits / of; None if nothing is decided."""
        return self.hits / self.of if self.of else None

    @property
    def interval(self) -> Interval:
        """Where the truth lies; 0 … 1 if nothing is decided."""
        return jeffreys(self.hits, self.of)

    @property
    def pending_share(self) -> float | None:
        """Which share of all is not decided yet; None if there is nothing."""
        return self.pending / (self.of + self.pending) if self.of + self.pending else None

    @property
    def text(self) -> str:
        """`71 % (10 of 14 decided, 90 % interval 46–88 %; 6 pending)`; in words if nothing is decided."""
        waiting = f"; {self.pending:,} pending" if self.pending else ""
        if self.share is None:
            return f"none of 0 {self.what}{waiting}"
        found = self.interval
        between = f"{percent(found.low, sign=False)}–{percent(found.high)}"
        of = f"{self.hits:,} of {self.of:,} {self.what}"
        return f"{percent(self.share)} ({of}, {percent(found.level)} interval {between}{waiting})"


class Amount(Struct, frozen=True):
    """Money that was spent: picodollars from `least` to `most`; `unpriced` requests are in neither."""

    least: int = 0
    most: int = 0
    unpriced: int = 0

    def __add__(self, other: Amount) -> Amount:
        return Amount(self.least + other.least, self.most + other.most, self.unpriced + other.unpriced)

    @property
    def text(self) -> str:
        """`$1.20`, `$1.20 … $3.40`, with what has no price."""
        return interval_text(self.least, self.most) + _unpriced(self.unpriced)


class UnitCost(Struct, frozen=True):
    """An amount over `of` units (`what` names them, one of them first); `pending` may still become some."""

    amount: Amount
    of: int
    what: tuple[str, str]
    pending: int = 0

    @property
    def each(self) -> tuple[int, int] | None:
        """Picodollars for one, least and most; None if there is none."""
        if not self.of:
            return None
        return (
            whole(Fraction(self.amount.least, self.of)),
            whole(Fraction(self.amount.most, self.of)),
        )

    @property
    def text(self) -> str:
        """`$4.20 per accepted outcome ($58.80 over 14; 6 pending)`; or what was spent for none."""
        one, many = self.what
        waiting = f"; {self.pending:,} pending" if self.pending else ""
        missing = _unpriced(self.amount.unpriced)
        if self.each is None:
            return f"no {one} yet for {interval_text(self.amount.least, self.amount.most)}{missing}{waiting}"
        spent = interval_text(self.amount.least, self.amount.most)
        return f"{interval_text(*self.each)} per {one} ({spent} over {self.of:,} {many}{missing}{waiting})"


class Multiple(Struct, frozen=True):
    """A break-even price multiple with the base that it is a multiple of."""

    times: float
    base: str

    @property
    def text(self) -> str:
        """What price rise the work survives, in words."""
        if self.times <= 0:
            return f"does not pay at any price ({self.base})"
        if self.times < 1:
            return f"does not pay at {self.base}: prices would have to fall to ×{self.times:.2f}"
        return f"survives a ×{self.times:.2f} price rise ({self.base} = 1)"


def percent(share: float, *, sign: bool = True) -> str:
    """`71 %`; one decimal below ten percent and above ninety, where a whole one says too little."""
    digits = 1 if 0.0005 < share < 0.0995 or 0.9005 < share < 0.9995 else 0
    return f"{100 * share:.{digits}f}" + (" %" if sign else "")


def money(picodollars: int | None) -> str:
    """Dollars as text; a dash if unknown."""
    return "–" if picodollars is None else dollars_text(picodollars)


def _unpriced(requests: int) -> str:
    return f", {requests:,} requests without a price" if requests else ""

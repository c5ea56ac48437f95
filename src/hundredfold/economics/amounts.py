"""Numbers of data files and exact fractions: text in, whole picodollars out."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from fractions import Fraction


def fraction(text: str) -> Fraction:
    """The exact value of decimal text, like "0.003".

    Raises:
        ValueError: not a number.
    """
    try:
        return Fraction(Decimal(text))
    except (InvalidOperation, ValueError, OverflowError) as error:
        raise ValueError(f"{text!r} is not a number") from error


def whole(amount: Fraction | int) -> int:
    """The nearest whole picodollar, half to even."""
    return round(amount)

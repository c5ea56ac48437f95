"""Picodollars as text. Inside, money is an integer; it becomes decimal digits only here."""

from __future__ import annotations

from hundredfold.vocabulary import PICODOLLARS_PER_DOLLAR


def dollars_text(picodollars: int) -> str:
    """`$1,234.56`; below ten cents four significant digits (`$0.003412`); rounded half to even."""
    sign, amount = ("-", -picodollars) if picodollars < 0 else ("", picodollars)
    places = 2
    if 0 < amount < PICODOLLARS_PER_DOLLAR // 10:
        places = min(12, 16 - len(str(amount)))
    unit: int = 10 ** (12 - places)
    whole, rest = divmod(amount, unit)
    if 2 * rest > unit or (2 * rest == unit and whole % 2):
        whole += 1
    dollars, fraction = divmod(whole, 10**places)
    return f"{sign}${dollars:,}.{fraction:0{places}d}"


def exact_text(picodollars: int) -> str:
    """The exact amount as decimal digits, for machines: `1.25`, `0.000000000001`."""
    sign, amount = ("-", -picodollars) if picodollars < 0 else ("", picodollars)
    dollars, fraction = divmod(amount, PICODOLLARS_PER_DOLLAR)
    digits = f"{fraction:012d}".rstrip("0")
    return f"{sign}{dollars}.{digits}" if digits else f"{sign}{dollars}"


def interval_text(least: int, most: int) -> str:
    """An amount that is known exactly, or the interval it lies in: `$1.20`, `$1.20 … $3.40`."""
    if least == most:
        return dollars_text(least)
    return f"{dollars_text(least)} … {dollars_text(most)}"

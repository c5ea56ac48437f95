"""Who a request is allocated to: payer, cost centre and person by the user's rules, as a view over bookings.

The ledger keeps what was known when a request was made; rules are applied when a bill is read, so history
can be allocated anew. The first rule that matches and names a field decides it; what no rule names stays as
it was booked, and what is still nobody's is unallocated and shown so.

A payer's funding says whether its list price is billed here: "own" is, "employer" and "subscription" are not.
"""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase

from msgspec import Struct

from hundredfold.settings import AllocationRule, Funding, Settings
from hundredfold.usage.sums import Booked

UNALLOCATED = "(unallocated)"
#: the groupings that rules decide
ALLOCATED = ("payer", "cost_centre", "person")


class Allocated(Struct, frozen=True):
    """Whose a booking's requests are; "" is nobody's."""

    payer: str
    cost_centre: str
    person: str
    funding: Funding


class Allocation(Struct, frozen=True):
    """Rules in the order they are tried, and how payers are funded ("own" unless said otherwise)."""

    rules: tuple[AllocationRule, ...] = ()
    funding: Mapping[str, Funding] = {}

    @property
    def funds(self) -> bool:
        """Whether some payer's requests are not billed here."""
        return any(one != "own" for one in self.funding.values())

    def of(self, booked: Booked) -> Allocated:
        """Whose the booking's requests are."""
        found = dict.fromkeys(ALLOCATED, "")
        for rule in self.rules:
            if all(found.values()):
                break
            if _matches(rule, booked):
                found = {name: one or getattr(rule, name) for name, one in found.items()}
        found = {name: one or getattr(booked, name) for name, one in found.items()}
        return Allocated(**found, funding=self.funding.get(found["payer"], "own"))


def allocation_of(settings: Settings) -> Allocation:
    """The rules and payers of the configuration."""
    return Allocation(settings.allocation, {name: one.funding for name, one in settings.payer.items()})


def _matches(rule: AllocationRule, booked: Booked) -> bool:
    for name in rule.when.__struct_fields__:
        patterns = getattr(rule.when, name)
        if patterns and not any(fnmatchcase(getattr(booked, name), one) for one in patterns):
            return False
    return True

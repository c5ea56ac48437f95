"""Which of several issues that say the same stands for them, by rule.

In this order: what a person ruled; open before closed; what tells most (text, comments, links, in large
steps); the oldest; the least name. So a bare old report gives way to a rich newer one, and a slightly longer
one does not.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from math import log2

from msgspec import Struct

COMMENT, LINK = 200, 300  # characters that a comment or a link counts as
STEP = 2.0  # doublings of what they tell from which on one tells more


class Told(Struct, frozen=True):
    """An issue as the rule sees it."""

    ref: str
    state: str
    created_us: int
    text: int  # characters of title and body
    comments: int
    links: int


def canonical(issues: Iterable[Told], ruled: Collection[str] = ()) -> Told:
    """The one that stands for them all. `ruled`: what people called canonical.

    Raises:
        ValueError: there are none.
    """
    given = list(issues)
    if not given:
        raise ValueError("no issues")
    most = max(map(_worth, given))
    return min(
        given,
        key=lambda one: (
            one.ref not in ruled,
            one.state != "open",
            int((most - _worth(one)) / STEP),
            one.created_us,
            one.ref,
        ),
    )


def groups(
    pairs: Iterable[tuple[str, str]], never: Collection[frozenset[str]] = ()
) -> dict[str, frozenset[str]]:
    """The groups that pairs join, by member. A pair that would bring two together that never may be is left
    out; earlier pairs come first, so give them surest first."""
    members: dict[str, frozenset[str]] = {}
    for one, other in pairs:
        here = members.get(one, frozenset({one}))
        there = members.get(other, frozenset({other}))
        if any(frozenset({a, b}) in never for a in here for b in there if a != b):
            continue
        for each in here | there:
            members[each] = here | there
    return members


def _worth(one: Told) -> float:
    return log2(1 + one.text + COMMENT * one.comments + LINK * one.links)

"""`hundredfold publish`: apply what is approved, by people or by the written policy, and show it before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from cyclopts import Parameter

from hundredfold.cli.context import Context, Where
from hundredfold.cli.output import print_json, say

if TYPE_CHECKING:
    from hundredfold.proposals.decide import Decided
    from hundredfold.proposals.publisher import Publisher


def publish(
    *ids: str,
    dry_run: bool = False,
    policy: Annotated[bool, Parameter(negative=["--no-policy"])] = True,
    by: str = "",
    json: bool = False,
    where: Where = Where(),  # noqa: B008
) -> int:
    """Apply what is approved and not applied yet, and mark verdicts on heads that have moved as outdated.

    What [publish] policy allows is approved first, in the rule's name; by default that is nothing. Call it
    again after a rate limit, a failure or a kill: it goes on where it was. Exit codes: 0 all applied, 8
    some could not be (they say why; approve them again to retry).

    Parameters
    ----------
    ids
        With --dry-run: these proposals, whatever their state.
    dry_run
        Show the exact calls, and change nothing.
    policy
        Leave out what only the policy allows: --no-policy.
    by
        Who publishes (default: git's user.name, else the system's user).
    json
        Print JSON.
    """
    from hundredfold.cli.decide import (
        exit_code,
        followed,
        person_of,
        print_line,
        proposal_ids,
        refresh_pages,
        tell,
    )
    from hundredfold.cli.forge import publisher
    from hundredfold.config import policy_rules
    from hundredfold.proposals.policy import decide_by_rules

    context = where.open()
    person = person_of(context, by)
    rules = policy_rules(context.settings, context.place.root) if policy else ()
    with publisher(context, person) as made:
        if dry_run or ids:
            wanted = proposal_ids(context.database, ids) or _would_be(context, rules)
            return preview(made, wanted, json=json)
        decided: list[Decided] = decide_by_rules(context.database, context.place.slug, rules)
        if not json:
            for verdict in decided:
                print_line(verdict.proposal, verdict.message)
        published = made.publish(followed(json=json))
        outdated = made.refresh()
    refresh_pages(context)
    tell(context)
    if json:
        print_json(
            {
                "by": person,
                "decisions": msgspec.to_builtins(decided),
                "published": msgspec.to_builtins(published),
                "outdated": outdated,
            }
        )
    else:
        for one in outdated:
            print_line(one, "its head has moved: marked as outdated")
        if not published:
            say("nothing is approved that is not applied")
    return exit_code(decided, published)


def preview(publisher: Publisher, wanted: list[str], *, json: bool) -> int:
    """Print what applying would do, call by call."""
    shown = publisher.preview(wanted)
    if json:
        print_json([{"proposal": one, "calls": calls} for one, calls in shown])
        return 0
    from hundredfold.cli.output import console
    from hundredfold.proposals.sanitise import block_for_terminal

    out = console()
    for one, calls in shown:
        out.print(f"{one}  {len(calls)} {'step' if len(calls) == 1 else 'steps'}")
        for call in calls:
            out.print(block_for_terminal(call), soft_wrap=True)
        out.print()
    say(f"nothing was changed; this is what would be done now on the forge: {publisher.forge.name}")
    return 0


def _would_be(context: Context, rules: Any) -> list[str]:
    """What `publish` would apply now."""
    from hundredfold.proposals.policy import chosen
    from hundredfold.store import proposals

    slug = context.place.slug
    waiting = proposals.of_project(context.database, slug, states=("approved",))
    return [row.proposal.id for row in waiting] + [
        row.proposal.id for row, _, _ in chosen(context.database, slug, rules)
    ]

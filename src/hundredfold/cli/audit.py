"""`hundredfold outcomes audit`: the sample of what policies accepted, and how often they were wrong."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from hundredfold.cli.context import Where
from hundredfold.cli.output import print_json, printable, say
from hundredfold.errors import ConfigError


def audit(
    *,
    share: float = 0.05,
    json: Annotated[bool, Parameter(negative=())] = False,
    where: Where = Where(),  # noqa: B008
) -> int:
    """List the sample of what policies accepted without a person, to be looked at by hand.

    `hundredfold outcomes overrule ID accepted|rejected --reason …` audits one. The sample is drawn by ids:
    it is the same for everybody and grows with the work.

    Parameters
    ----------
    share
        How much of it is sampled, 0 to 1.
    json
        Print JSON.
    """
    from hundredfold.outcomes.audit import audit as sampled
    from hundredfold.outcomes.ours import follow

    context = where.open()
    follow(context.database, context.place.slug)
    try:
        found = sampled(context.database, context.place.slug, share)
    except ValueError as error:
        raise ConfigError(f"--share: {error}", "Write it like 0.05.") from error
    wrong = found.wrongly_accepted
    if json:
        rows = [
            {"outcome": one.row.outcome.id, "policy": one.policy, "word": one.word} for one in found.sample
        ]
        print_json({"accepted_by_policy": found.of, "sample": rows, "wrongly_accepted": wrong.text})
        return 0
    for one in found.sample:
        said = "to be looked at" if one.word is None else f"{one.word.state}, says {printable(one.word.by)}"
        print(f"{one.row.outcome.id}  {printable(one.policy)}  {said}  {printable(one.row.outcome.title)}")  # noqa: T201
    say(f"{found.of:,} accepted by policies; {len(found.sample):,} in the sample of {share:.0%}.")
    say(f"Wrongly accepted: {wrong.text}.")
    return 0

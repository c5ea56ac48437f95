"""The sample of what policies accepted: the same for everybody, and wrong ones counted out of those
audited.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from hundredfold.outcome import Observation, Origin, Outcome
from hundredfold.outcomes.audit import audit, drawn
from hundredfold.store import outcomes, proposals
from hundredfold.store.database import Database
from hundredfold.store.outcomes import outcome_id
from hundredfold.vocabulary import Decision
from tests.support.proposals import PROJECT, filled


def followed(database: Database, root: Path, approvals: dict[str, str]) -> dict[str, str]:
    """Proposals by name, each approved by somebody; the ids of their outcomes."""
    found = {}
    for name, proposal in zip(approvals, filled(database, root, *approvals), strict=True):
        with database.write() as connection:
            proposals.add_decision(connection, Decision(proposal, "approve", approvals[name], at_us=1))
        origin = Origin(project=PROJECT, job="security", kind="finding", agent="codex")
        found[name] = outcome_id(PROJECT, proposal=proposal)
        outcomes.keep(database, [Outcome(found[name], origin, name, 1, proposal=proposal)], look_us=None)
    return found


def word(outcome: str, state: str) -> Observation:
    times = {"accepted_us": 1} if state == "accepted" else {"ended_us": 9}
    return Observation(
        outcome=outcome, state=state, rule="a person says so", strength="high", observed_us=9, by="Ada",  # type: ignore[arg-type]
        person=True, reason="looked", **times,  # type: ignore[arg-type]
    )  # fmt: skip


def test_wrong_ones_are_counted_of_those_audited(database: Database, tmp_path: Path) -> None:
    by_policy = {f"p{number}": "policy:labels" for number in range(12)}
    ids = followed(database, tmp_path, {**by_policy, "ada's": "Ada"})
    mine = [ids[name] for name in by_policy]
    whole = audit(database, PROJECT, 1.0)
    assert (whole.of, len(whole.sample)) == (12, 12), "what a person approved is not in it"
    assert whole.wrongly_accepted.text.startswith("none of 0 audited"), "nobody looked: no rate is claimed"
    outcomes.overrule(database, word(mine[0], "rejected"))
    outcomes.overrule(database, word(mine[1], "accepted"))
    rate = audit(database, PROJECT, 1.0).wrongly_accepted
    assert (rate.hits, rate.of, rate.pending) == (1, 2, 10)
    half = audit(database, PROJECT, 0.5)
    assert half.of == 12 and {one.row.outcome.id for one in half.sample} == {
        one for one in mine if drawn(one, 0.5)
    }


def test_the_share_is_kept_and_a_larger_sample_holds_the_smaller(database: Database) -> None:
    ids = [f"o-{number:012x}" for number in range(4_000)]
    small, large = ({one for one in ids if drawn(one, share)} for share in (0.05, 0.2))
    assert small < large and 140 < len(small) < 260 and 700 < len(large) < 900
    with pytest.raises(ValueError, match="no share"):
        audit(database, PROJECT, 0.0)

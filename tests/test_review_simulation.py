"""Simulated reviewers: their answers obey the job's schema, agree often enough, and are as true as asked."""

from __future__ import annotations

from collections import Counter
from random import Random

import jsonschema

from hundredfold.evidence.diffs import FileDiff, Hunk
from hundredfold.jobs.changes import Part
from hundredfold.jobs.review.asking import part_block, schema
from hundredfold.jobs.review.claims import Claim, check_claims
from hundredfold.jobs.review.elections import elect
from hundredfold.jobs.review.heads import Head
from hundredfold.simulation.provider.answerers import ANSWERERS
from hundredfold.simulation.provider.profile import Mind

LINES = ("def f(x):", "    y = open(x)", "    return y.read()")
PART = Part("a.py", "f", False, 1, LINES, frozenset({2, 3}), ((2, 2, "    y = x"),))
FILE = FileDiff(
    "a.py", "a.py", "modified", hunks=(Hunk(1, 2, 1, 3, (b" def f(x):\n", b"-    y = x\n", b"+\n", b"+\n")),)
)
HEAD = Head("feature", "feature", "1" * 40, "0" * 40, "0" * 40)


def read(revision: str, path: str) -> bytes:
    return ("\n".join(LINES) + "\n").encode()


def claims_of(p_true: float, dropped: Counter[str]) -> list[Claim]:
    found: list[Claim] = []
    for seed in range(40):
        mind = Mind(p_true=p_true)
        answer = ANSWERERS["hundredfold.review.comment"](part_block(PART), schema(), Random(seed), mind)
        jsonschema.validate(answer, schema())
        found += check_claims(answer, (f"v{seed}", f"a{seed}"), HEAD, [FILE], {"a.py"}, read, dropped)
    return found


def test_true_comments_check_out_and_win_the_vote() -> None:
    dropped: Counter[str] = Counter()
    claims = claims_of(1.0, dropped)
    assert 30 < len(claims) < 80 and not dropped, "a pass says some of what there is to say"
    elected = elect(claims, [PART], 2, dropped)
    assert all(one.part == PART and len(one.voters) > 15 for one in elected)
    assert 1 <= len(elected) <= 2 and not dropped


def test_wrong_comments_are_all_dropped() -> None:
    dropped: Counter[str] = Counter()
    assert claims_of(0.0, dropped) == []
    assert set(dropped) == {
        "path is not in what was asked",
        "lines are not in the file",
        "quote is not at these lines",
    }
